"""Fairness: how the projects of one queue are interleaved."""

from collections import Counter

from tests.builders import World, a_job, a_policy, a_queue

from headgate.engine.job import Job


def jobs(project: str, count: int) -> list[Job]:
    return [a_job(f"{project}{i}", project=project, created=i) for i in range(count)]


def test_round_robin_lets_one_of_each_project_through_in_turn() -> None:
    world = World().given(a_queue(), *jobs("a", 3), *jobs("b", 1), *jobs("c", 2))
    assert world.admits() == "a0 b0 c0 a1 c1 a2"


def test_a_project_that_begins_to_wait_joins_at_the_end_of_the_round() -> None:
    world = World().given(a_queue(), *jobs("a", 2), *jobs("b", 2))
    assert world.admits(1) == "a0"
    assert world.when(*jobs("c", 1)).admits() == "b0 a1 c0 b1"


def test_a_project_keeps_its_turn_when_its_only_job_changes() -> None:
    world = World().given(a_queue(), *jobs("a", 1), *jobs("b", 1))
    assert world.changed("a0", priority=3).admits() == "a0 b0"


def test_the_turn_goes_on_among_runs_that_are_active_when_no_other_may_start() -> None:
    world = World().given(a_queue(run_concurrency=2))
    world.given(*(a_job(f"a{i}", project="a", created=i, run_label="a") for i in range(3)))
    world.given(*(a_job(f"b{i}", project="b", created=i, run_label="b") for i in range(3)))
    world.given(a_job("c0", project="c"))
    assert world.admits() == "a0 b0 a1 b1 a2 b2"


def shuffled(counts: dict[str, int], take: int, queue: str = "gold") -> list[str]:
    world = World().given(a_queue(queue, fairness="ShuffleInterleave"))
    world.given(
        *(a_job(f"{p}{i:03}", queue, project=p, created=i) for p, n in counts.items() for i in range(n))
    )
    return world.admits(take).split()


def test_shuffle_interleaves_in_proportion() -> None:
    """40 of 400 drawn: the mean over 25 queues (25 seeds) lies well within four standard deviations."""
    drawn: Counter[str] = Counter()
    for seed in range(25):
        drawn.update(name[0] for name in shuffled({"a": 300, "b": 80, "c": 20}, 40, f"queue-{seed}"))
    assert drawn.total() == 1000
    assert abs(drawn["a"] - 750) < 55
    assert abs(drawn["b"] - 200) < 51
    assert abs(drawn["c"] - 50) < 28


def test_shuffle_keeps_the_order_within_a_project_and_can_be_repeated() -> None:
    first = shuffled({"a": 30, "b": 10}, 40)
    assert first == shuffled({"a": 30, "b": 10}, 40)
    assert first != shuffled({"a": 30, "b": 10}, 40, "silver")
    for project in "ab":
        own = [name for name in first if name[0] == project]
        assert own == sorted(own)


def test_a_change_of_fairness_loses_nobody() -> None:
    world = World().given(a_queue(fairness="ShuffleInterleave"), *jobs("a", 5), *jobs("b", 5))
    taken = world.admits(3).split()
    rest = world.when(a_queue(generation=2)).admits().split()
    assert sorted(taken + rest) == sorted(f"{p}{i}" for p in "ab" for i in range(5))


def test_a_project_keeps_its_turn_when_the_operator_starts_again() -> None:
    world = World().given(a_queue(), *jobs("a", 3))
    world.given(*(a_job(f"b{i}", project="b", created=10 + i) for i in range(3)))
    assert world.admits(1) == "a0"
    world.lands("a0")
    assert world.restarted(a_queue()).admits() == "b0 a1 b1 a2 b2"
    assert world.finished("a0").restarted(a_queue()).admits() == "b0 a1 b1 a2 b2"
    assert world.deleted("a0").restarted(a_queue()).admits() == "a1 b0 a2 b1 b2"


def test_who_begins_to_wait_keeps_its_place_in_the_round_when_the_operator_starts_again() -> None:
    world = World().given(a_queue(), *jobs("a", 2), *jobs("b", 2))
    assert world.admits(1) == "a0"
    world.lands("a0").given(a_job("c0", project="c", created=101))
    assert world.restarted(a_queue()).admits() == "b0 a1 c0 b1"


def test_shares_that_used_the_same_keep_their_turns_when_the_operator_starts_again() -> None:
    resources = a_policy("even"), a_queue(scheduling_policy="even")
    world = World().given(*resources, *(a_job(f"a{i}", share="a", created=i) for i in range(2)))
    world.given(*(a_job(f"b{i}", share="b", created=10 + i) for i in range(2)))
    assert world.admits(1) == "a0"
    world.lands("a0").finished("a0")
    assert world.restarted(*resources).admits() == "b0 a1 b1"


def test_what_is_drawn_loses_nobody_when_the_operator_starts_again() -> None:
    world = World().given(a_queue(fairness="ShuffleInterleave"), *jobs("a", 3), *jobs("b", 3))
    again = world.restarted(a_queue(fairness="ShuffleInterleave"))
    assert sorted(again.admits().split()) == ["a0", "a1", "a2", "b0", "b1", "b2"]
