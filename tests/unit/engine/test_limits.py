"""Limits: how many Jobs and runs of a queue are active at once."""

import pytest
from tests.builders import World, a_job, a_queue

from headgate.engine.job import JobState


@pytest.mark.parametrize(
    ("limit", "admitted"), [(0, "j0 j1 j2 j3"), (1, "j0"), (2, "j0 j1"), (9, "j0 j1 j2 j3")]
)
def test_no_more_jobs_are_active_than_the_limit(limit: int, admitted: str) -> None:
    world = World().given(a_queue(action_concurrency=limit), *(a_job(f"j{i}", created=i) for i in range(4)))
    assert world.admits() == admitted
    assert world.admits() == ""


@pytest.mark.parametrize(("limit", "admitted"), [(0, "j0 j1 j2"), (1, "j0"), (2, "j0 j1")])
def test_no_more_runs_are_active_than_the_limit(limit: int, admitted: str) -> None:
    world = World().given(a_queue(run_concurrency=limit), *(a_job(f"j{i}", created=i) for i in range(3)))
    assert world.admits() == admitted


def test_what_finishes_makes_room() -> None:
    world = World().given(a_queue(action_concurrency=1), a_job("a"), a_job("b", created=1))
    assert world.admits() == "a"
    assert world.lands("a").admits() == ""
    assert world.finished("a").admits() == "b"


def test_what_is_deleted_makes_room() -> None:
    world = World().given(a_queue(action_concurrency=1), a_job("a"), a_job("b", created=1))
    world.admits()
    assert world.lands("a").deleted("a").admits() == "b"


def test_what_is_on_its_way_out_keeps_its_place_until_it_has_finished() -> None:
    world = World().given(a_queue(action_concurrency=1), a_job("a"), a_job("b", created=1))
    world.admits()
    assert world.lands("a").changed("a", canceling=True).admits() == ""
    assert world.finished("a", "canceled").admits() == "b"


def test_lowering_a_limit_stops_nothing_and_admits_nothing() -> None:
    world = World().given(a_queue(action_concurrency=3), *(a_job(n, created=i) for i, n in enumerate("abcd")))
    assert world.admits() == "a b c"
    world.lands("a", "b", "c").when(a_queue(action_concurrency=1, generation=2))
    assert world.decide() == []
    assert world.finished("a").finished("b").admits() == ""
    assert world.finished("c").admits() == "d"


def test_raising_a_limit_lets_through_at_once() -> None:
    world = World().given(a_queue(action_concurrency=1), a_job("a"), a_job("b", created=1))
    assert world.admits() == "a"
    assert world.when(a_queue(action_concurrency=2, generation=2)).admits() == "b"


def test_a_job_that_runs_unadmitted_takes_no_place_and_is_sent_back() -> None:
    wild = a_job("wild", state=JobState.UNADMITTED)
    world = World().given(a_queue(action_concurrency=1), wild, a_job("a", created=1))
    decisions = [type(d).__name__ + " " + getattr(d, "job").name for d in world.decide()]  # noqa: B009
    assert decisions == ["Suspend wild", "Admit a"]
    world.lands("wild", "a").finished("a")
    assert world.admits() == "wild"


def test_at_most_so_many_writes_as_asked_for() -> None:
    world = World().given(a_queue(), *(a_job(f"j{i}", created=i) for i in range(5)))
    assert world.admits(limit=2) == "j0 j1"
    assert world.admits(limit=0) == ""
    assert world.admits(limit=9) == "j2 j3 j4"
