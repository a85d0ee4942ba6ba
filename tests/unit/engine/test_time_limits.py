"""Time limits: how long a Job may stand at the head of its queue, and for which reason."""

from __future__ import annotations

from typing import Any

import pytest
from tests.builders import (
    Resource,
    World,
    a_job,
    a_pool,
    a_queue,
    an_environment,
    asks,
    next_version,
    placed,
)

from headgate.api.times import timestamp
from headgate.engine.decisions import Cancel, Confirm
from headgate.engine.job import JobState


def limited(**seconds: int) -> dict[str, Any]:
    """The spec of a queue with these limits by reason."""
    actions = [
        {"reason": reason, "maxTimeSeconds": limit, "action": "Cancel"} for reason, limit in seconds.items()
    ]
    return {"environments": "big", "time_limit_actions": actions}


SHORT = limited(InsufficientCapacity=600)


def full(**spec: Any) -> World:
    """All 4 cores are used."""
    world = World().given(an_environment("big", "cpu=4"), a_queue(**spec))
    return world.given(a_job("runs", state=JobState.ACTIVE, environment="big", cpu=4))


def renewed(resource: Resource) -> Resource:
    """A resource as it was made once, at a version of now."""
    version = next_version()
    changes = {"resource_version": str(version), "generation": version}
    return resource.model_copy(update={"metadata": resource.metadata.model_copy(update=changes)})


def cancels(world: World) -> dict[str, str]:
    """What is cancelled now; a queue is read anew before."""
    found = world.cancels()
    for name in world.confirms:
        resource = world.engine.queues[name].resource
        world.engine.confirmed(name, resource, world.now)
        found |= world.cancels()
    world.confirms.clear()
    return found


@pytest.mark.parametrize(
    ("reason", "head"),
    [
        ("InsufficientCapacity", {"cpu": 1}),
        ("ExceedsEnvironmentMaximum", {"cpu": 5}),
        ("NoMatchingEnvironment", {"constraints": placed(zone="2")}),
    ],
)
def test_the_job_at_the_head_is_ended_after_its_time(reason: str, head: dict[str, Any]) -> None:
    world = full(**limited(**{reason: 700})).when(
        an_environment("big", "cpu=4", node_selector={"zone": "1"}, generation=2)
    )
    world.given(a_job("head", **head))
    assert cancels(world) == {}
    assert cancels(world.later(699)) == {}
    assert cancels(world.later(1)) == {"head": "TimedOut"}


def test_the_limit_of_another_reason_does_not_count() -> None:
    world = full(**limited(NoMatchingEnvironment=600)).given(a_job("head", cpu=1))
    assert cancels(world) == {}
    assert cancels(world.later(9_000)) == {}


def test_it_is_told_before_it_is_done() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1))
    cancels(world)
    world.notices.clear()
    assert cancels(world.later(600)) == {"head": "TimedOut"}
    assert [(notice.name, notice.reason) for notice in world.notices] == [("head", "TimeLimit")]


def test_the_operator_knows_when_to_look() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1))
    cancels(world)
    assert world.engine.next_wakeup() == world.now + 600


def test_only_the_head_is_measured_from_when_it_came_there() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1), a_job("second", cpu=1, created=1))
    assert cancels(world) == {}
    assert cancels(world.later(600)) == {"head": "TimedOut"}
    assert cancels(world.lands("head").later(599)) == {}
    assert cancels(world.later(1)) == {"second": "TimedOut"}


def test_the_next_is_at_the_head_as_soon_as_the_first_is_ended() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1), a_job("second", cpu=1, created=1))
    cancels(world)
    cancels(world.later(600))
    head = world.status().head
    assert head is not None
    assert head.name == "second"


def test_another_reason_starts_the_time_anew() -> None:
    world = full(**limited(InsufficientCapacity=600, ExceedsEnvironmentMaximum=600)).given(
        a_job("head", cpu=1)
    )
    cancels(world)
    world.later(400).changed("head", request=asks("cpu=9"))
    assert cancels(world) == {}
    assert cancels(world.later(599)) == {}
    assert cancels(world.later(1)) == {"head": "TimedOut"}


def test_what_changes_neither_the_job_nor_the_reason_goes_on() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1))
    cancels(world)
    world.later(300).when(a_queue(priority=7, generation=2, **SHORT)).changed("head", priority=3)
    world.when(an_environment("big", "cpu=3", generation=2))
    assert cancels(world) == {}
    assert cancels(world.later(300)) == {"head": "TimedOut"}


PAUSED = {"paused": True, **SHORT}


@pytest.mark.parametrize(
    ("stops", "goes_on"),
    [
        (a_queue(generation=2, **PAUSED), a_queue(generation=3, **SHORT)),
        (a_queue(generation=2, state="Drained", **PAUSED), a_queue(generation=3, state="Drained", **SHORT)),
        (a_queue(generation=2, action_concurrency=1, **SHORT), a_queue(generation=3, **SHORT)),
        (a_queue(generation=2, run_concurrency=1, **SHORT), a_queue(generation=3, **SHORT)),
        (a_pool(disabled="local"), a_pool()),
        (an_environment("big", "cpu=4", clusters="none"), an_environment("big", "cpu=4")),
    ],
    ids=["pause", "pause while it drains", "action limit", "run limit", "no cluster", "invalid environment"],
)
def test_the_time_stands_still_while_the_queue_lets_nothing_through(
    stops: Resource, goes_on: Resource
) -> None:
    """Nothing was missing for the Job meanwhile, as far as anybody knows. Before and after, the same was."""
    world = full(**SHORT).given(a_job("head", cpu=1))
    assert cancels(world) == {}
    assert cancels(world.later(550)) == {}
    assert cancels(world.when(renewed(stops))) == {}
    assert world.status().head is None
    assert cancels(world.later(10_000).when(renewed(goes_on))) == {}
    head = world.status().head
    assert head is not None
    assert head.since == timestamp(world.now - 550)
    assert cancels(world.later(49)) == {}
    assert cancels(world.later(1)) == {"head": "TimedOut"}


def test_the_time_of_a_job_that_is_not_at_the_head_any_more_when_the_queue_goes_on_is_over() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1))
    assert cancels(world) == {}
    world.later(550).when(a_queue(generation=2, **PAUSED)).changed("head", held=True)
    world.given(a_job("second", cpu=1, created=1)).when(a_queue(generation=3, **SHORT))
    assert cancels(world) == {}
    assert cancels(world.later(100).changed("head", held=False).deleted("second")) == {}
    assert cancels(world.later(599)) == {}
    assert cancels(world.later(1)) == {"head": "TimedOut"}


def test_a_job_whose_time_was_over_when_the_queue_was_paused_is_not_ended() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1))
    assert cancels(world) == {}
    assert world.later(600).decide() == [Confirm("gold")]
    world.engine.confirmed("gold", a_queue(generation=2, **PAUSED), world.now)
    assert cancels(world) == {}
    assert cancels(world.later(9_000)) == {}
    assert cancels(world.when(a_queue(generation=3, **SHORT))) == {}
    assert world.engine.next_wakeup() == world.now
    assert cancels(world) == {"head": "TimedOut"}


def test_who_goes_in_time_is_not_ended() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1))
    cancels(world)
    assert world.later(500).finished("runs").admits() == "head"
    assert cancels(world.lands("head").later(9_000)) == {}


def test_the_time_survives_a_restart() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1))
    cancels(world)
    queue = world.write_status()
    again = world.later(400).restarted(an_environment("big", "cpu=4"), queue)
    assert cancels(again) == {}
    head = again.status().head
    assert head == queue.status.head
    assert cancels(again.later(200)) == {"head": "TimedOut"}


def test_a_limit_that_is_set_later_counts_from_when_the_job_came_to_the_head() -> None:
    world = full(environments="big").given(a_job("head", cpu=1))
    assert cancels(world) == {}
    assert cancels(world.later(1_000)) == {}
    assert cancels(world.when(a_queue(generation=2, **SHORT))) == {"head": "TimedOut"}


def test_a_limit_that_is_taken_back_does_not_count_any_more() -> None:
    world = full(**SHORT).given(a_job("head", cpu=1))
    cancels(world)
    world.later(500).when(a_queue(environments="big", generation=2))
    assert cancels(world.later(500)) == {}


def test_the_message_is_no_longer_than_an_event_may_be() -> None:
    """It says of each room what is short there."""
    names = [f"a-cluster-with-a-long-name-{i}" for i in range(60)]
    world = World(pool=False).given(a_pool("default", " ".join(names), remote=True)).answers(*names)
    world.given(an_environment("big", "cpu=4"), a_queue(**SHORT))
    runs: dict[str, Any] = {"state": JobState.ACTIVE, "environment": "big", "cpu": 4, "managed": True}
    world.given(
        *(a_job(f"runs-{name}", cluster=name, **runs) for name in names), a_job("head", cpu=1, managed=True)
    )
    cancels(world)
    assert cancels(world.later(600)) == {"head": "TimedOut"}
    write = world.open["head"]
    assert isinstance(write, Cancel)
    assert [len(write.message), *(len(notice.message) for notice in world.notices)] == [1024, 1024]
