"""Who stands at the top of a queue's line."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import World, a_job, a_policy, a_queue, an_environment, copy_of
from tests.thoroughness import examples

from headgate.engine.explain import explain
from headgate.engine.job import JobState
from headgate.engine.top import QueueLine, top


def line(world: World, limit: int = 5, **usual: float) -> QueueLine:
    past = {queue: (seconds,) for queue, seconds in usual.items()}
    return top(world.engine, "gold", world.now, past, limit)


def names(told: QueueLine) -> str:
    return " ".join(place.name for place in told.places)


def reasons(told: QueueLine) -> list[list[str]]:
    return [[hold.reason for hold in place.holds] for place in told.places]


def test_the_first_are_told_with_what_holds_them_and_when_they_go() -> None:
    world = World().given(
        a_queue(action_concurrency=1),
        a_job("r", state=JobState.ACTIVE, started_at=90),
        *(a_job(f"j{number}", created=number) for number in range(9)),
    )
    told = line(world, 3, gold=60.0)
    assert (told.queue, told.waiting, names(told)) == ("gold", 9, "j0 j1 j2")
    assert [place.seconds for place in told.places] == [50.0, 110.0, 170.0]
    assert reasons(told) == [["ActionLimit"]] * 3


def test_who_goes_at_once_is_held_by_nothing() -> None:
    told = line(World().given(a_queue(), a_job("a"), a_job("b", created=1)))
    assert names(told) == "a b"
    assert [(place.seconds, place.holds) for place in told.places] == [(0.0, ()), (0.0, ())]


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_an_empty_line(limit: int) -> None:
    assert line(World().given(a_queue()), limit) == QueueLine("gold", 0, ())
    assert line(World(), limit) == QueueLine("gold", 0, ())


def test_a_paused_queue_has_the_line_of_when_it_is_resumed_and_no_times() -> None:
    world = World().given(
        a_queue(paused=True, run_concurrency=1, execution_mode="PRIORITY"),
        a_job("a", created=1, run_label="x"),
        a_job("b", created=2, priority=7),
        a_job("c", created=3, priority=9, run_label="x"),
    )
    told = line(world, gold=1.0)
    assert names(told) == "c a b"
    assert [place.seconds for place in told.places] == [None] * 3
    assert reasons(told) == [["Paused"]] * 3


def test_a_stalled_queue_has_the_line_as_it_is() -> None:
    facts = [
        a_job(f"{project}{number}", created=number, project=project) for project in "ab" for number in (1, 2)
    ]
    told = line(World().given(a_queue(clusters=["elsewhere"]), *facts))
    assert names(told) == "a1 b1 a2 b2"
    assert reasons(told)[0] == ["ClusterNotInPool"]


def test_a_head_that_never_fits_stays_first() -> None:
    facts: list[Any] = [an_environment("big", "cpu=2"), a_queue(environments="big")]
    world = World().given(*facts, a_job("huge", cpu=3, created=1), a_job("small", cpu=1, created=2))
    told = line(world)
    assert names(told) == "huge small"
    assert reasons(told) == [["ExceedsEnvironmentMaximum"], ["BehindHead"]]


def test_who_is_held_back_by_itself_comes_last() -> None:
    world = World().given(
        a_queue(action_concurrency=1),
        a_job("a", held=True),
        a_job("b", created=1, depends_on=("a",)),
        a_job("r", created=2, state=JobState.ACTIVE),
        a_job("c", created=3),
    )
    told = line(world)
    assert names(told) == "c a b"
    assert reasons(told) == [["ActionLimit"], ["Held", "ActionLimit"], ["Depends", "ActionLimit"]]


def test_a_queue_that_does_not_exist_has_its_jobs() -> None:
    told = line(World().given(a_job("a")))
    assert (names(told), reasons(told)) == ("a", [["QueueNotFound"]])


@given(seed=st.integers(0, 10**6))
@settings(max_examples=examples(60, 500))
def test_it_says_of_each_what_is_said_of_it_alone(seed: int) -> None:
    rng = random.Random(seed)
    shares = rng.random() < 0.3
    facts: list[Any] = [
        an_environment("big", f"cpu={rng.randint(2, 5)}"),
        a_policy("fair", {"p": 1, "q": 3}),
        *(
            a_queue(
                name,
                run_concurrency=rng.choice([0, 1, 3]),
                action_concurrency=rng.choice([0, 1, 2]),
                execution_mode=rng.choice(["FIFO", "LIFO", "PRIORITY"]),
                fairness=rng.choice(["RoundRobin", "ShuffleInterleave"]),
                scheduling_policy="fair" if shares else None,
                environments=rng.choice(["", "big"]),
            )
            for name in ("gold", "other")
        ),
    ]
    jobs = [
        a_job(
            f"j{number}",
            rng.choice(["gold", "other"]),
            created=number,
            project=rng.choice(["p", "q"]),
            share=rng.choice(["p", "q"]),
            run_label=rng.choice([None, None, "x"]),
            deadline=rng.choice([5, 17, 40]),
            cpu=rng.randint(1, 3),
            held=rng.random() < 0.1,
        )
        for number in range(20)
    ]

    def world() -> World:
        return World().given(*facts, *(copy_of(job) for job in jobs))

    told = line(world(), 6)
    for place, found in enumerate(told.places, 1):
        alone = explain(world().engine, found.name, world().now, {})
        assert found.holds == alone.holds
        assert alone.position in (place, None)
        assert found.seconds == alone.estimate
    assert len(told.places) == min(6, told.waiting)
