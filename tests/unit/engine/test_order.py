"""Order within one project: the execution mode, then creation, then UID."""

from itertools import permutations

import pytest
from tests.builders import World, a_job, a_pool, a_queue


@pytest.mark.parametrize(
    ("mode", "order"),
    [("FIFO", "old1 old2 mid new"), ("LIFO", "new mid old1 old2"), ("PRIORITY", "mid old1 old2 new")],
)
def test_execution_modes(mode: str, order: str) -> None:
    jobs = [
        a_job("old2", created=1, priority=1),
        a_job("old1", created=1, priority=1),
        a_job("mid", created=2, priority=7),
        a_job("new", created=3, priority=1),
    ]
    for given in permutations(jobs):
        world = World().given(a_queue(execution_mode=mode), *given)
        assert world.admits() == order


def test_a_changed_priority_counts_at_once() -> None:
    world = World().given(a_queue(execution_mode="PRIORITY"), a_job("a"), a_job("b", created=1))
    assert world.changed("b", priority=5).admits() == "b a"


def test_a_changed_mode_sorts_anew() -> None:
    world = World().given(a_queue(), *(a_job(n, created=i) for i, n in enumerate("abc")))
    assert world.admits(1) == "a"
    assert world.when(a_queue(execution_mode="LIFO", generation=2)).admits() == "c b"


def test_queues_go_by_priority() -> None:
    queues = a_queue("low", priority="min"), a_queue("mid"), a_queue("high", priority=100)
    jobs = [a_job(f"{q}{i}", q, created=i) for q in ("low", "mid", "high") for i in range(2)]
    assert World().given(*queues, *jobs).admits() == "high0 high1 mid0 mid1 low0 low1"


def test_queues_of_equal_priority_take_turns() -> None:
    jobs = [a_job(f"{q}{i}", q, created=i) for q in "ab" for i in range(3)]
    assert World().given(a_queue("a"), a_queue("b"), *jobs).admits() == "a0 b0 a1 b1 a2 b2"


def test_a_queue_keeps_its_turn_when_the_operator_starts_again() -> None:
    queues = a_queue("a"), a_queue("b")
    world = World().given(*queues, *(a_job(f"a{i}", "a", created=i) for i in range(3)))
    world.given(*(a_job(f"b{i}", "b", created=10 + i) for i in range(3)))
    assert world.admits(1) == "a0"
    assert world.lands("a0").restarted(*queues).admits() == "b0 a1 b1 a2 b2"


def test_a_queue_keeps_its_turn_when_its_status_is_written() -> None:
    """Whose status is written often would starve: each write comes back as a version of the queue."""
    jobs = [a_job(f"{q}{i}", q, created=i) for q in "ab" for i in range(2)]
    world = World().given(a_queue("a"), a_queue("b"), *jobs)
    world.write_status("a")
    assert world.admits(1) == "a0"


def test_a_queue_that_cannot_go_holds_nobody_up() -> None:
    world = World().given(a_queue("a", priority=100, action_concurrency=1), a_queue("b"))
    world.given(a_job("a0", "a"), a_job("a1", "a", created=1), a_job("b0", "b"), a_job("b1", "b", created=1))
    assert world.admits() == "a0 b0 b1"


def test_pools_know_nothing_of_each_other() -> None:
    world = World().given(a_pool("other", "far"), a_queue("a", priority=1), a_queue("b", pool="other"))
    assert world.given(a_job("a0", "a"), a_job("b0", "b")).admits() == "a0 b0"


def test_what_is_held_is_passed_over_until_it_is_not() -> None:
    world = World().given(a_queue(), a_job("a", held=True), a_job("b", created=1))
    assert world.admits() == "b"
    assert world.changed("a", held=False).admits() == "a"
