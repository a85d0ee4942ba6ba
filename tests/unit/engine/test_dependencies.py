"""Dependencies: a Job waits until the Jobs it names have succeeded."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import TYPE_CHECKING

import pytest
from tests.builders import World, a_job, a_queue

from headgate.engine.decisions import Cancel
from headgate.engine.job import Job, JobState

if TYPE_CHECKING:
    from headgate.api.jobqueue import JobQueue


def test_it_goes_when_all_that_it_names_have_succeeded() -> None:
    world = World().given(a_queue(), a_job("a"), a_job("b"), a_job("c", depends_on=("a", "b")))
    assert world.admits() == "a b"
    assert world.lands("a", "b").finished("a").admits() == ""
    assert world.finished("b").admits() == "c"


def test_who_waits_for_another_holds_nobody_up() -> None:
    world = World().given(a_queue(action_concurrency=1), a_job("first", depends_on=("later",)))
    assert world.given(a_job("later", created=1)).admits() == "later"


@pytest.mark.parametrize("order", list(permutations(["queue", "a", "c"])))
def test_facts_may_come_in_any_order(order: tuple[str, ...]) -> None:
    facts: dict[str, JobQueue | Job] = {
        "queue": a_queue(),
        "a": a_job("a", state=JobState.FINISHED),
        "c": a_job("c", depends_on=("a",)),
    }
    assert World().given(*(facts[name] for name in order)).admits() == "c"


@pytest.mark.parametrize("result", ["failed", "canceled", "timedOut"])
@pytest.mark.parametrize("first", ["a", "c"])
def test_it_is_cancelled_when_one_of_them_did_not_succeed(result: str, first: str) -> None:
    facts = {
        "a": a_job("a", state=JobState.FINISHED, result=result),
        "c": a_job("c", depends_on=("a", "b")),
    }
    world = World().given(a_queue(), facts[first], *facts.values())
    assert world.cancels() == {"c": "DependencyFailed"}


def test_a_failure_runs_down_the_line() -> None:
    world = World().given(a_queue(), a_job("a"), a_job("b", depends_on=("a",)), a_job("c", depends_on=("b",)))
    assert world.admits() == "a"
    assert world.lands("a").finished("a", "failed").cancels() == {"b": "DependencyFailed"}
    assert world.lands("b").finished("b", "canceled").cancels() == {"c": "DependencyFailed"}


def test_it_may_wait_for_a_job_of_another_queue_but_not_of_another_namespace() -> None:
    world = World().given(a_queue(), a_queue("silver"), a_job("c", depends_on=("a",)))
    world.given(a_job("a", "silver", namespace="elsewhere", uid="other", state=JobState.FINISHED))
    assert world.admits() == ""
    assert world.given(a_job("a", "silver", state=JobState.FINISHED)).admits() == "c"


def test_what_has_succeeded_counts_also_when_it_is_deleted() -> None:
    world = World().given(a_queue(), a_job("a"), a_job("c", depends_on=("a",), held=True))
    world.admits()
    world.lands("a").finished("a").deleted("a")
    assert world.changed("c", held=False).admits() == "c"


def test_what_is_deleted_before_it_succeeded_is_waited_for() -> None:
    world = World().given(a_queue(), a_job("a", held=True), a_job("c", depends_on=("a",))).deleted("a")
    assert world.admits() == ""
    assert world.given(a_job("a", uid="again")).admits() == "a"
    assert world.lands("a").finished("a").admits() == "c"


def test_what_is_not_there_is_told_after_a_while_and_once() -> None:
    world = World().given(a_queue(), a_job("c", depends_on=("a",))).later(4.9)
    world.decide()
    assert not world.notices
    world.later(0.2).decide()
    world.later(60).decide()
    assert [notice.reason for notice in world.notices] == ["DependencyNotFound"]
    assert '"a"' in world.notices[0].message or "a" in world.notices[0].message.split()


def test_what_is_deleted_again_and_again_is_told_once() -> None:
    world = World().given(a_queue(), *(a_job(f"c{i}", depends_on=("a",)) for i in range(3)))
    for i in range(50):
        world.given(a_job("a", uid=f"a{i}", held=True)).deleted("a").later(1).decide()
    assert [notice.name for notice in world.later(5).notices] == ["c0", "c1", "c2"]


def test_what_comes_in_time_is_not_told() -> None:
    world = World().given(a_queue(), a_job("c", depends_on=("a",))).later(4).given(a_job("a", held=True))
    world.later(60).decide()
    assert not world.notices


# ---- rings


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_jobs_that_wait_for_each_other_are_cancelled(order: tuple[str, ...]) -> None:
    ring = {"a": "b", "b": "c", "c": "a"}
    world = World().given(a_queue(), *(a_job(name, depends_on=(ring[name],)) for name in order))
    assert world.cancels() == dict.fromkeys("abc", "DependencyCycle")


def test_the_message_names_the_ring() -> None:
    world = World().given(a_queue(), a_job("one", depends_on=("two",)), a_job("two", depends_on=("one",)))
    world.cancels()
    for write in world.open.values():
        message = getattr(write, "message", "")
        assert "one" in message
        assert "two" in message


def test_a_job_that_waits_for_itself_is_a_ring() -> None:
    assert World().given(a_queue(), a_job("a", depends_on=("a",))).cancels() == {"a": "DependencyCycle"}


def test_a_job_that_runs_unadmitted_is_a_ring_once_it_waits() -> None:
    world = World().given(a_queue(), a_job("a", depends_on=("a",), state=JobState.UNADMITTED))
    world.decide()
    assert world.lands("a").cancels() == {"a": "DependencyCycle"}


def test_a_job_that_runs_is_no_part_of_a_ring() -> None:
    world = World().given(a_queue(), a_job("a", state=JobState.ACTIVE, depends_on=("b",)))
    world.given(a_job("b", depends_on=("a",)))
    assert world.cancels() == {}
    assert world.finished("a").admits() == "b"


def test_a_ring_that_is_opened_before_anybody_is_cancelled_is_none() -> None:
    world = World().given(a_queue(), a_job("a", depends_on=("b",)), a_job("b", depends_on=("a",)))
    assert world.changed("a", depends_on=()).admits() == "a"
    assert world.cancels() == {}


def test_who_waits_for_a_ring_is_no_part_of_it() -> None:
    world = World().given(a_queue(), a_job("a", depends_on=("b",)), a_job("b", depends_on=("a",)))
    world.given(a_job("c", depends_on=("a",)))
    assert world.cancels() == dict.fromkeys("ab", "DependencyCycle")
    world.lands("a", "b").finished("a", "canceled")
    assert world.cancels() == {"c": "DependencyFailed"}


def test_a_ring_is_closed_by_a_changed_annotation_too() -> None:
    world = World().given(a_queue(), a_job("a", depends_on=("b",)), a_job("b", held=True))
    assert world.cancels() == {}
    assert world.changed("b", depends_on=("a",)).cancels() == dict.fromkeys("ab", "DependencyCycle")


def test_two_ways_to_the_same_job_are_no_ring() -> None:
    world = World().given(a_queue(), a_job("a"), a_job("b", depends_on=("a",)), a_job("c", depends_on=("a",)))
    world.given(a_job("d", depends_on=("b", "c")))
    assert world.admits() == "a"
    assert world.lands("a").finished("a").admits() == "b c"
    assert world.lands("b", "c").finished("b").finished("c").admits() == "d"


def test_a_changed_annotation_counts_at_once() -> None:
    world = World().given(a_queue(), a_job("c", depends_on=("never",)))
    assert world.admits() == ""
    assert world.changed("c", depends_on=()).admits() == "c"


# ---- long chains and rings


def chain(length: int) -> list[Job]:
    """Jobs of which each waits for the one before; the first is held."""
    return [
        a_job(f"c{i:05}", created=i, held=i == 0, depends_on=(f"c{i - 1:05}",) if i else ())
        for i in range(length)
    ]


def cancels_in_time(world: World) -> dict[str, str]:
    """What is cancelled in the next seconds."""
    found: dict[str, str] = {}
    for _ in range(100):
        found |= world.later(0.1).cancels(100_000)
    return found


@pytest.mark.parametrize("in_a_list", [False, True], ids=["one by one", "in a list"])
@pytest.mark.parametrize("step", [1, -1], ids=["forwards", "backwards"])
def test_a_long_ring_is_told_in_any_order_and_its_messages_are_short(in_a_list: bool, step: int) -> None:
    jobs = chain(10_000)[::step]
    world = World().given(a_queue(depth=0)).told(jobs, in_a_list=in_a_list)
    assert cancels_in_time(world) == {}
    world.changed("c00000", depends_on=("c09999",))
    assert cancels_in_time(world) == dict.fromkeys(world.jobs, "DependencyCycle")
    assert all(len(write.message) < 200 for write in world.open.values() if isinstance(write, Cancel))


def test_a_ring_in_a_mesh_is_found() -> None:
    """There are more ways through it than anybody could walk."""
    layers = [[f"m{i:02}-{j}" for j in range(5)] for i in range(40)]
    world = World().given(a_queue(depth=0))
    for layer, above in pairwise(layers):
        world.given(*(a_job(name, depends_on=tuple(above)) for name in layer))
    world.given(*(a_job(name, depends_on=("m00-0",) if name == "m39-4" else ()) for name in layers[-1]))
    assert set(cancels_in_time(world).values()) == {"DependencyCycle"}


def test_who_is_in_two_rings_is_cancelled_with_one_of_them() -> None:
    world = World().given(a_queue(), a_job("a", depends_on=("b",)), a_job("c", depends_on=("b",)))
    world.given(a_job("b", depends_on=("a", "c")))
    cycle = world.cancels()
    assert "b" in cycle
    assert set(cycle.values()) == {"DependencyCycle"}
    assert len(cycle) == 2


def test_a_job_that_leaves_one_of_two_rings_stays_in_the_other() -> None:
    world = World().given(a_queue(), a_job("a", depends_on=("b",)), a_job("c", depends_on=("b",)))
    world.given(a_job("b", depends_on=("a", "c"))).decide(0)
    assert world.changed("b", depends_on=("c",)).cancels() == dict.fromkeys("bc", "DependencyCycle")
    assert world.engine.unmet(world.engine.jobs["a"]) == ["b"]


def test_a_long_ring_that_is_opened_is_none() -> None:
    world = World().given(a_queue(depth=0), *chain(10_000)).changed("c00000", depends_on=("c09999",))
    for _ in range(10):
        world.later(0.1).decide(0)
    assert world.engine.jobs["c05000"].doomed is not None
    world.changed("c00000", depends_on=(), held=False)
    assert cancels_in_time(world) == {}
    assert world.admits() == ""
    assert world.lands("c00000").finished("c00000").admits() == "c00001"


def test_a_restart_finds_the_same() -> None:
    world = World().given(a_queue(), a_job("a"), a_job("b"), a_job("c", depends_on=("a",)))
    world.given(a_job("d", depends_on=("b",)))
    world.admits()
    world.lands("a", "b").finished("a").finished("b", "failed")
    again = world.restarted(a_queue())
    assert again.cancels() == {"d": "DependencyFailed"}
    assert again.status().jobs is not None
