"""Fair share: the share that has used the least, by its weight, goes next."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.builders import World, a_job, a_policy, a_queue, an_environment, asks, stamp

from headgate.engine import shares
from headgate.engine.job import JobState

if TYPE_CHECKING:
    from headgate.api.jobqueue import JobQueue
    from headgate.engine.job import Job

FAIR = a_queue(scheduling_policy="fair")
HOUR = 3600


def of(share: str, count: int, *, cpu: int = 1, first: int = 0) -> list[Job]:
    return [a_job(f"{share}{i}", share=share, cpu=cpu, created=i) for i in range(first, first + count)]


def test_who_runs_less_goes_next() -> None:
    world = World().given(a_policy(), FAIR, *of("a", 3, cpu=2), *of("b", 6))
    assert world.admits() == "a0 b0 b1 a1 b2 b3 a2 b4 b5"


def test_the_smaller_the_weight_factor_the_larger_the_share() -> None:
    world = World().given(a_policy(weights={"half": 0.5}), FAIR, *of("half", 90), *of("one", 90))
    assert Counter(name.strip("0123456789") for name in world.admits(90).split()) == {"half": 60, "one": 30}


def test_an_entry_may_end_in_an_asterisk_and_the_most_exact_one_counts() -> None:
    weights = {"*": 4.0, "team-*": 2.0, "team-red": 1.0}
    world = World().given(
        a_policy(weights=weights), FAIR, *of("team-red", 40), *of("team-blue", 40), *of("x", 40)
    )
    counts = Counter(name.rstrip("0123456789") for name in world.admits(28).split())
    assert counts == {"team-red": 16, "team-blue": 8, "x": 4}


def test_memory_and_devices_weigh_too() -> None:
    world = World().given(a_policy(), FAIR, *of("cpu", 40, cpu=1))
    world.given(*(a_job(f"m{i}", share="memory", request=asks("memory=32Gi"), created=i) for i in range(40)))
    world.given(
        *(a_job(f"g{i}", share="gpu", request=asks("example.com/gpu=1"), created=i) for i in range(40))
    )
    counts = Counter(name.rstrip("0123456789") for name in world.admits(22).split())
    assert (
        counts == {"cpu": 13, "m": 5, "g": 4} or counts == {"cpu": 14, "m": 5, "g": 3} or counts["cpu"] >= 12
    )
    assert counts["cpu"] > 2 * counts["m"] > 2 * counts["g"] > 0


def test_a_job_without_the_label_counts_for_its_project() -> None:
    world = World().given(
        a_policy(), FAIR, a_job("a", project="red", cpu=9), a_job("b", share="red", created=1)
    )
    assert world.given(a_job("c", project="blue", created=2)).admits() == "a c b"


def test_without_past_shares_take_turns() -> None:
    world = World().given(a_policy(), FAIR, *of("a", 2, cpu=1), *of("b", 2, cpu=1))
    assert world.admits() == "a0 b0 a1 b1"


def test_within_a_share_the_execution_mode_decides() -> None:
    world = World().given(a_policy(), a_queue(scheduling_policy="fair", execution_mode="LIFO"), *of("a", 3))
    assert world.admits() == "a2 a1 a0"


# ---- the past


def worked(decay: int) -> World:
    """Share a has had 4 cores for an hour; nothing runs any more."""
    world = World().given(a_policy(decay=decay), FAIR, *of("a", 1, cpu=4))
    world.admits()
    return world.lands("a0").later(HOUR).finished("a0")


def test_what_was_used_counts_until_it_is_forgotten() -> None:
    assert worked(HOUR).given(*of("a", 2, first=1), *of("b", 2)).admits() == "b0 b1 a1 a2"
    assert worked(HOUR).later(30 * HOUR).given(*of("a", 2, first=1), *of("b", 2)).admits() == "b0 a1 b1 a2"


def test_without_decay_only_what_runs_counts() -> None:
    assert worked(0).given(*of("a", 2, first=1), *of("b", 2)).admits() == "a1 b0 a2 b1"


def usage(world: World) -> dict[str, float]:
    return {share.identifier: float(share.usage) for share in world.status().shares}


def test_the_average_goes_half_of_the_way_in_each_half_life() -> None:
    """4 cores for one half-life come to an average of 2; after another without anything it is 1."""
    assert past_of(worked(HOUR), "a") == pytest.approx(2.0, abs=0.01)
    world = worked(HOUR).later(HOUR).given(*of("a", 1, first=1), *of("b", 3))
    assert past_of(world, "a") == pytest.approx(1.0, abs=0.01)
    assert world.admits() == "b0 a1 b1 b2"


def past_of(world: World, share: str) -> float:
    """What a share has used in the past, without what runs now."""
    known = world.engine.queues["gold"].shares
    assert known is not None
    return known.usage(share) - known.by_identifier[share].running


def test_time_alone_changes_who_is_next() -> None:
    """At first b comes first, with 1 core that runs against a past of 2; two hours later a's past is forgotten."""
    world = World().given(a_policy(decay=HOUR), a_queue(scheduling_policy="fair", action_concurrency=1))
    world.given(*of("a", 1, cpu=4))
    world.admits()
    world.lands("a0").later(HOUR).finished("a0").given(*of("a", 1, first=1), *of("b", 2))
    assert world.admits() == "b0"
    assert world.lands("b0").later(2 * HOUR).finished("b0").admits() == "a1"


@pytest.mark.parametrize("policy_first", [True, False])
def test_usage_survives_a_restart(policy_first: bool) -> None:
    world = worked(HOUR)
    queue = world.write_status()
    resources = (a_policy(decay=HOUR), queue) if policy_first else (queue, a_policy(decay=HOUR))
    again = world.later(600).restarted(*resources).given(*of("a", 2, first=1), *of("b", 2))
    assert past_of(again, "a") == pytest.approx(past_of(world.given(*of("a", 1, first=9)), "a"), abs=0.001)
    assert again.admits() == "b0 b1 a1 a2"


def test_what_runs_through_a_restart_is_counted_without_a_gap() -> None:
    """Written after half an hour, restarted after an hour: the second half is not lost."""
    world = World().given(a_policy(decay=HOUR), FAIR, *of("a", 1, cpu=4))
    world.admits()
    queue = world.lands("a0").later(HOUR / 2).write_status()
    again = world.later(HOUR / 2).restarted(a_policy(decay=HOUR), queue)
    assert past_of(again, "a") == pytest.approx(2.0, abs=0.01)
    world.decide()
    assert past_of(world, "a") == pytest.approx(2.0, abs=0.01)


def test_what_another_queue_of_that_name_has_let_run_does_not_count() -> None:
    """Whoever starts now still finds the finished Job in the list."""
    world = worked(HOUR)
    queue = created(FAIR, world.now)
    for now in (world.when(queue), world.restarted(a_policy(decay=HOUR), queue)):
        assert now.given(*of("a", 2, first=1), *of("b", 2)).admits() == "a1 b0 a2 b1"


def test_what_ran_in_a_queue_counts_although_no_status_tells_of_it() -> None:
    queue = created(FAIR, 100)
    again = worked(HOUR).restarted(a_policy(decay=HOUR), queue)
    assert past_of(again, "a") == pytest.approx(2.0, abs=0.01)


def created(queue: JobQueue, at: float) -> JobQueue:
    """The same as a queue of its own, created at a time (seconds)."""
    metadata = queue.metadata.model_copy(update={"uid": "another", "creation_timestamp": stamp(int(at))})
    return queue.model_copy(update={"metadata": metadata})


def test_time_alone_changes_no_status_also_after_a_restart() -> None:
    world = World().given(a_policy(decay=HOUR), FAIR, *of("a", 2, cpu=4))
    world.admits()
    queue = world.lands("a0", "a1").later(50).write_status()
    assert world.later(50).status() == queue.status
    assert world.restarted(a_policy(decay=HOUR), queue).status() == queue.status


def test_the_status_counts_the_shares() -> None:
    world = World().given(
        a_policy(), a_queue(scheduling_policy="fair", action_concurrency=3), *of("a", 3), *of("b", 1)
    )
    world.admits()
    shown = {share.identifier: (share.waiting, share.active) for share in world.status().shares}
    assert shown == {"a": (1, 2), "b": (0, 1)}


# ---- compute that is kept for others


def reserved(percent: int, *jobs: Job) -> World:
    world = World().given(an_environment("big", "cpu=8"), a_policy(reservation=percent))
    return world.given(a_queue(environments="big", scheduling_policy="fair"), *jobs)


def test_compute_is_kept_for_shares_that_are_not_there_yet() -> None:
    """Half of it for the first share, a quarter with two: 4, then 6 of 8 cores are in use."""
    world = reserved(50, *of("a", 4))
    assert world.admits() == "a0 a1 a2 a3"
    assert reserved(50, *of("a", 9)).admits() == "a0 a1 a2 a3"
    assert world.given(*of("b", 9)).admits() == "b0 b1"


def test_a_share_that_comes_makes_room_for_the_head() -> None:
    world = reserved(50, *of("a", 9))
    assert len(world.admits().split()) == 4
    assert world.given(*of("b", 1)).admits() == "a4 b0"


def test_a_share_that_goes_leaves_less_for_the_head() -> None:
    """Of 8 cores it may have 6 while there is another share, and 4 when there is none: it asks for 5."""
    world = reserved(50, a_job("head", share="a", cpu=5), a_job("b0", share="b", held=True))
    world.given(a_job("other", "other", state=JobState.ACTIVE, environment="big", cpu=4))
    world.decide()
    assert stopped_by(world) == "InsufficientCapacity"
    world.deleted("b0").decide()
    assert stopped_by(world) == "ExceedsEnvironmentMaximum"


def stopped_by(world: World) -> str:
    head = world.status().head
    assert head is not None
    return head.reason


def test_the_reservation_is_of_the_queue_not_of_others() -> None:
    world = reserved(50, *of("a", 9)).given(a_queue("other", environments="big", priority=100))
    world.given(*(a_job(f"o{i}", "other", cpu=1) for i in range(5)))
    assert world.admits() == "o0 o1 o2 o3 o4 a0 a1 a2"
    assert world.lands("o0", "o1").finished("o0").finished("o1").admits() == "a3"


def test_a_reservation_of_nothing_keeps_nothing() -> None:
    assert len(reserved(0, *of("a", 9)).admits().split()) == 8


# ---- the policy itself


def test_a_missing_policy_stalls_the_queue_until_it_is_there() -> None:
    world = World().given(FAIR, *of("a", 1))
    assert world.admits() == ""
    assert stalled(world) == "SchedulingPolicyNotFound"
    assert world.when(a_policy()).admits() == "a0"
    assert stalled(world) is None


def test_a_policy_that_is_deleted_and_created_again_is_found() -> None:
    world = World().given(a_policy(), FAIR, *of("a", 2)).when()
    world.engine.scheduling_policy_gone("fair", world.now)
    assert world.admits() == ""
    assert stalled(world) == "SchedulingPolicyNotFound"
    assert world.when(a_policy(uid="new")).admits() == "a0 a1"


def stalled(world: World) -> str | None:
    condition = next(one for one in world.status().conditions if one.type == "Stalled")
    return condition.reason if condition.status == "True" else None


def test_a_changed_or_replaced_policy_counts_at_once() -> None:
    world = World().given(a_policy(), a_policy("new", weights={"b": 0.1}), FAIR, *of("a", 9), *of("b", 9))
    assert world.admits(4) == "a0 b0 a1 b1"
    world.when(a_policy(weights={"a": 0.1}, generation=2))
    assert world.admits(3) == "a2 a3 a4"
    assert world.when(a_queue(scheduling_policy="new", generation=2)).admits(3) == "b2 b3 b4"


def test_the_status_of_a_policy_counts_its_queues() -> None:
    world = World().given(a_policy(), FAIR, a_queue("silver", scheduling_policy="fair"), a_queue("bronze"))
    assert world.policy_status().queues == 2
    world.engine.queue_gone("silver")
    assert world.policy_status().queues == 1


# ---- no more shares than there may be


def test_the_share_that_is_too_many_waits_for_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "SHARES_MAX", 2)
    world = World().given(a_policy(), FAIR, *of("a", 1), *of("b", 1), *of("c", 2))
    assert world.admits() == "a0 b0"
    world.lands("a0", "b0").given(*of("a", 1, first=1))
    assert world.admits() == "a1"
    assert world.finished("b0").admits() == "c0 c1"
