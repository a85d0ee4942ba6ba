"""A queue's life."""

import pytest
from tests.builders import World, a_job, a_queue

from headgate.engine.lifecycle import SETTLE_SECONDS


def state(world: World) -> str | None:
    return world.status().state


@pytest.mark.parametrize(
    ("wanted", "way", "end"), [("Drained", "Draining", "Drained"), ("Sealed", "Sealing", "Sealed")]
)
def test_what_waits_still_runs_and_then_it_has_arrived(wanted: str, way: str, end: str) -> None:
    world = World().given(a_queue(), a_job("a")).when(a_queue(state=wanted, generation=2))
    assert state(world) == way
    assert world.admits() == "a"
    world.lands("a").finished("a").later(SETTLE_SECONDS - 0.1).decide()
    assert state(world) == way
    assert world.engine.next_wakeup() is not None
    world.later(0.1).decide()
    assert state(world) == end


def test_a_job_that_slips_in_finds_a_draining_queue() -> None:
    world = World().given(a_queue(state="Drained")).later(3)
    world.decide()
    assert state(world) == "Drained"
    assert world.given(a_job("late")).admits() == "late"
    assert state(world) == "Draining"


def test_a_drained_queue_becomes_active_again() -> None:
    world = World().given(a_queue(state="Drained")).later(3)
    world.decide()
    assert state(world.when(a_queue(generation=2))) == "Active"


def test_terminated_cancels_everything_live_once_the_queue_was_read_anew() -> None:
    world = World().given(a_queue(action_concurrency=1), a_job("a"), a_job("b", created=1))
    world.admits()
    terminated = a_queue(action_concurrency=1, state="Terminated", generation=2)
    world.lands("a").when(terminated)
    assert world.cancels() == {}
    world.engine.confirmed("gold", terminated, world.now)
    assert world.cancels() == {"a": "Canceled", "b": "Canceled"}
    world.lands("a", "b").finished("a", "canceled").finished("b", "canceled").later(3).decide()
    assert state(world) == "Terminated"


def test_a_queue_made_anew_cancels_no_job_for_the_one_before_it() -> None:
    world = World().given(a_queue(state="Terminated", uid="old"), a_job("a"))
    world.decide()
    assert world.confirms == ["gold"]
    world.engine.confirmed("gold", a_queue(uid="new"), world.now)
    assert world.cancels() == {}
    assert list(world.open) == ["a"]


def test_a_paused_queue_admits_nothing_and_says_so() -> None:
    world = World().given(a_queue(paused=True, state="Drained"), a_job("a"))
    assert world.decide() == []
    reconciling = next(c for c in world.status().conditions if c.type == "Reconciling")
    assert "makes no progress" in reconciling.message
