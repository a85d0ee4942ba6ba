"""Why a Job waits, who goes before it, and when it will go."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import World, a_job, a_queue, an_environment, asks, copy_of
from tests.thoroughness import examples

from headgate.api.jobqueue_status import JobQueueStatus
from headgate.api.meta import Condition
from headgate.api.names import PAUSED_BY_ANNOTATION
from headgate.engine.decisions import Admit
from headgate.engine.explain import explain, past_runtimes
from headgate.engine.forecast import Doubt
from headgate.engine.job import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable


def reasons(world: World, name: str) -> list[str]:
    return [hold.reason for hold in explain(world.engine, name, world.now, {}).holds]


def line(world: World, name: str) -> tuple[int | None, list[str]]:
    told = explain(world.engine, name, world.now, {})
    return told.position, [ahead.name for ahead in told.ahead]


# ---- what holds it


@pytest.mark.parametrize(
    ("queue", "fields", "reason"),
    [
        ({}, {"held": True}, "Held"),
        ({}, {"error": "wrong"}, "InvalidJob"),
        ({}, {"pool": "other"}, "WrongPool"),
        ({}, {"managed": True}, "WrongManager"),
        ({}, {"depends_on": ("first",)}, "Depends"),
        ({}, {"canceling": True}, "Ending"),
        ({"paused": True}, {}, "Paused"),
        ({"clusters": ["elsewhere"]}, {}, "ClusterNotInPool"),
        ({"environments": "missing"}, {}, "ComputeEnvironmentNotFound"),
    ],
)
def test_what_holds_a_job_is_said(queue: dict[str, object], fields: dict[str, object], reason: str) -> None:
    world = World().given(a_queue(**queue), a_job("a", **fields))  # type: ignore[arg-type]
    told = explain(world.engine, "a", world.now, {})
    assert [hold.reason for hold in told.holds] == [reason]
    assert told.holds[0].message
    assert told.holds[0].remedy
    assert told.created == world.jobs["a"].created
    assert told.position is None
    assert told.estimate is None


def test_all_that_holds_a_job_is_said() -> None:
    world = World().given(
        a_queue(action_concurrency=1, paused=True), a_job("b"), a_job("a", held=True, depends_on=("b",))
    )
    assert reasons(world, "a") == ["Held", "Depends", "Paused"]


def test_a_queue_that_is_not_there() -> None:
    world = World().given(a_job("a"))
    assert reasons(world, "a") == ["QueueNotFound"]


def test_who_paused_the_queue_and_why() -> None:
    queue = a_queue(paused=True, note="the disks are full", annotations={PAUSED_BY_ANNOTATION: "alice"})
    world = World().given(queue, a_job("a"))
    (hold,) = explain(world.engine, "a", world.now, {}).holds
    assert hold.message == "the queue is paused by alice: the disks are full"


def test_the_limit_on_actions() -> None:
    world = World().given(a_queue(action_concurrency=1), a_job("r", state=JobState.ACTIVE), a_job("a"))
    (hold,) = explain(world.engine, "a", world.now, {}).holds
    assert hold.reason == "ActionLimit"
    assert hold.message == "active Jobs of the queue: 1, and spec.actionConcurrency is 1"


def test_a_limit_holds_since_the_last_job_went_unless_it_was_lowered() -> None:
    def since(limit: int) -> float | None:
        running = [
            a_job(name, state=JobState.ACTIVE, admitted_at=f"1970-01-01T00:00:{second}.500000Z")
            for name, second in (("r", 20), ("s", 30))
        ]
        world = World().given(a_queue(action_concurrency=limit), *running, a_job("a"))
        return explain(world.engine, "a", world.now, {}).holds[0].since

    assert since(2) == 30.5
    assert since(1) is None


def test_a_stall_holds_since_the_status_says_so() -> None:
    def since(status: str, reason: str) -> float | None:
        condition = Condition(
            type="Stalled",
            status=status,  # type: ignore[arg-type]
            reason=reason,
            message="",
            last_transition_time="1970-01-01T00:01:00Z",
        )
        queue = a_queue(clusters=["elsewhere"], status=JobQueueStatus(conditions=[condition]))
        (hold,) = explain(World().given(queue, a_job("a")).engine, "a", 100.0, {}).holds
        assert hold.reason == "ClusterNotInPool"
        return hold.since

    assert since("True", "ClusterNotInPool") == 60.0
    assert since("True", "PoolNotFound") is None
    assert since("False", "ClusterNotInPool") is None


def test_the_limit_on_runs_does_not_hold_who_belongs_to_a_run() -> None:
    facts: list[Any] = [
        a_queue(run_concurrency=1, action_concurrency=2),
        a_job("r", state=JobState.ACTIVE, run_label="x"),
        a_job("s", state=JobState.ACTIVE, run_label="x"),
        a_job("in", run_label="x"),
        a_job("out"),
    ]
    assert reasons(World().given(*facts), "in") == ["ActionLimit"]
    assert reasons(World().given(*facts), "out") == ["ActionLimit", "RunLimit"]


def test_room() -> None:
    facts: list[Any] = [
        an_environment("big", "cpu=2"),
        a_queue(environments="big"),
        a_job("r", state=JobState.ACTIVE, environment="big", cpu=2),
        a_job("a", cpu=1, created=1),
        a_job("b", cpu=1, created=2),
    ]
    world = World().given(*facts)
    (hold,) = explain(world.engine, "a", world.now, {}).holds
    assert hold.reason == "InsufficientCapacity"
    assert hold.message == "big on local has 0 cpu free, the Job asks for 1"
    assert hold.since == world.now
    (hold,) = explain(World().given(*facts).engine, "b", world.now, {}).holds
    assert hold.reason == "BehindHead"
    assert "Job lab/a, which is next and does not fit" in hold.message


def test_a_job_that_can_go_is_held_by_nothing() -> None:
    world = World().given(a_queue(), a_job("a"))
    told = explain(world.engine, "a", world.now, {})
    assert (told.holds, told.position, told.estimate) == ((), 1, 0.0)


def test_a_job_that_has_gone() -> None:
    world = World().given(a_queue(), a_job("a", state=JobState.ACTIVE))
    told = explain(world.engine, "a", world.now, {})
    assert (told.holds, told.position, told.estimate) == ((), None, None)


def test_a_job_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        explain(World().engine, "nobody", 0.0, {})


# ---- who is ahead


def test_its_place_is_its_place_in_the_order_of_the_queue() -> None:
    facts: list[Any] = [
        a_queue(action_concurrency=1, execution_mode="PRIORITY"),
        a_job("r", state=JobState.ACTIVE),
        a_job("low", created=1),
        a_job("high", created=2, priority=9),
        a_job("middle", created=3, priority=5),
    ]
    assert line(World().given(*facts), "low") == (3, ["high", "middle"])
    assert line(World().given(*facts), "high") == (1, [])


def test_only_the_first_of_those_ahead_are_named() -> None:
    jobs = [a_job(f"j{number:02}", created=number) for number in range(30)]
    position, names = line(World().given(a_queue(action_concurrency=1), *jobs), "j29")
    assert position == 30
    assert names == [f"j{number:02}" for number in range(10)]


def test_who_is_held_is_not_ahead() -> None:
    world = World().given(
        a_queue(action_concurrency=1), a_job("a", held=True), a_job("b", created=1), a_job("c", created=2)
    )
    assert line(world, "c") == (2, ["b"])


def test_what_depends_on_a_job_goes_after_it() -> None:
    world = World().given(
        a_queue(action_concurrency=1),
        a_job("last", depends_on=("first",)),
        a_job("first", created=1),
        a_job("other", created=2),
    )
    assert line(world, "last") == (2, ["first"])


# ---- when


def test_when_it_goes_follows_from_how_long_jobs_use_to_run() -> None:
    world = World().given(
        a_queue(action_concurrency=2),
        a_job("r", state=JobState.ACTIVE, started_at=70),
        a_job("s", state=JobState.ACTIVE, started_at=90),
        *(a_job(f"j{number}", created=number) for number in range(3)),
    )
    told = explain(world.engine, "j2", world.now, {"gold": (60.0,)})
    # At 100: r ends at 130, s at 150; j0 goes at 130 and ends at 190.
    assert told.estimate == 90.0
    assert [(ahead.name, ahead.seconds) for ahead in told.ahead] == [("j0", 30.0), ("j1", 50.0)]


def test_a_deadline_bounds_a_runtime_and_stands_for_one_that_is_not_known() -> None:
    world = World().given(
        a_queue(action_concurrency=1),
        a_job("r", state=JobState.ACTIVE, started_at=100, deadline=30),
        a_job("a", created=1),
    )
    assert explain(world.engine, "a", world.now, {}).estimate == 30.0


def test_no_estimate_is_made_of_runtimes_that_nobody_knows() -> None:
    world = World().given(a_queue(action_concurrency=1), a_job("r", state=JobState.ACTIVE), a_job("a"))
    told = explain(world.engine, "a", world.now, {})
    assert (told.position, told.estimate, told.doubt) == (1, None, Doubt("lab", "r", None))


def test_nobody_knows_when_what_is_overdue_ends() -> None:
    world = World().given(
        a_queue(action_concurrency=1),
        a_job("r", state=JobState.ACTIVE, started_at=1),
        a_job("a"),
        a_job("b", created=1),
    )
    told = explain(world.engine, "b", world.now, {"gold": (10.0,)})
    assert (told.position, told.estimate) == (2, None)
    assert told.ahead[0].seconds is None
    assert told.doubt == Doubt("lab", "r", world.now - 11)


def test_what_is_overdue_holds_up_nobody_who_needs_not_wait_for_it() -> None:
    world = World().given(
        a_queue(action_concurrency=2),
        a_job("stuck", state=JobState.ACTIVE, started_at=1),
        a_job("r", state=JobState.ACTIVE, started_at=95),
        *(a_job(f"j{number}", created=number) for number in range(3)),
    )
    told = explain(world.engine, "j2", world.now, {"gold": (10.0,)})
    assert [(ahead.name, ahead.seconds) for ahead in told.ahead] == [("j0", 5.0), ("j1", None)]
    assert (told.estimate, told.doubt and told.doubt.name) == (None, "stuck")


def test_who_runs_for_longer_than_most_is_expected_to_run_as_long_as_those_that_did() -> None:
    def estimate(started_at: int) -> float | None:
        facts: list[Any] = [a_job("r", state=JobState.ACTIVE, started_at=started_at), a_job("a")]
        world = World().given(a_queue(action_concurrency=1), *facts)
        return explain(world.engine, "a", world.now, {"gold": (10.0, 20.0, 30.0, 40.0, 90.0)}).estimate

    assert estimate(95) == 25.0
    assert estimate(75) == 15.0
    assert estimate(50) == 40.0
    assert estimate(9) is None


def test_who_goes_through_other_queues_counts_as_looked_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.engine.explain.MOST_STEPS", 5)
    others = [a_job(f"o{number}", "other", created=number) for number in range(20)]
    facts: list[Any] = [a_queue("other", priority=99), a_queue(), a_job("a", created=99), *others]
    assert explain(World().given(*facts).engine, "a", 100.0, {}).too_far


def test_past_runtimes_are_those_of_what_succeeded() -> None:
    def done(name: str, seconds: int, result: str = "succeeded") -> Job:
        return a_job(name, state=JobState.FINISHED, started_at=100, finished_at=100 + seconds, result=result)

    finished = [done("a", 10), done("b", 20), done("c", 90), done("d", 1, "failed")]
    assert past_runtimes(finished) == {"gold": (10.0, 20.0, 90.0)}


# ---- it says what then happens


def a_busy_place(rng: random.Random) -> list[Any]:
    """Two queues of one environment, whatever their settings."""
    return [
        an_environment("big", f"cpu={rng.randint(2, 6)}"),
        *(
            a_queue(
                name,
                run_concurrency=rng.choice([0, 1, 3]),
                action_concurrency=rng.choice([0, 1, 2, 4]),
                priority=rng.randint(0, 2),
                execution_mode=rng.choice(["FIFO", "LIFO", "PRIORITY"]),
                fairness=rng.choice(["RoundRobin", "ShuffleInterleave"]),
                head_of_line=rng.choice(["Block", "Backfill"]),
                environments=rng.choice(["", "big"]),
            )
            for name in ("a", "b")
        ),
    ]


def some_jobs(rng: random.Random, count: int, first: int = 0) -> list[Job]:
    """Jobs that wait, each of which says by its deadline how long it runs."""
    return [
        a_job(
            f"j{number}",
            rng.choice("ab"),
            created=number,
            project=rng.choice(["p", "q"]),
            priority=rng.randint(0, 3),
            run_label=rng.choice([None, None, "x"]),
            deadline=rng.choice([5, 17, 40]),
            request=asks(f"cpu={rng.randint(1, 3)}"),
            held=rng.random() < 0.1,
            depends_on=(f"j{rng.randrange(number)}",) if number and rng.random() < 0.1 else (),
        )
        for number in range(first, first + count)
    ]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=examples(60, 1_000))
def test_what_is_forecast_is_what_an_engine_then_does(seed: int) -> None:
    """Everything runs for as long as it is said to, and nobody comes: then the order and the times are right."""
    rng = random.Random(seed)
    facts, jobs = a_busy_place(rng), some_jobs(rng, 25)
    happened = run(World().given(*facts, *(copy_of(job) for job in jobs)))
    for target in rng.sample(jobs, 5):
        world = World().given(*facts, *(copy_of(job) for job in jobs))
        told = explain(world.engine, target.uid, world.now, {})
        mine = [(name, at) for name, queue, at in happened if queue == target.queue]
        names = [name for name, _ in mine]
        if target.name not in names:
            assert told.position is None
            continue
        index = names.index(target.name)
        assert told.position == index + 1
        assert told.estimate == mine[index][1]
        assert [ahead.name for ahead in told.ahead] == names[: min(index, 10)]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=examples(50, 2_000))
def test_what_is_forecast_comes_although_what_is_overdue_never_ends(seed: int) -> None:
    """Where a time is told, it is right whatever becomes of Jobs whose end nobody can foresee."""
    rng = random.Random(seed)
    facts, jobs = a_busy_place(rng), some_jobs(rng, 20, first=6)
    running = []
    for number in range(6):
        queue, stuck = rng.choice("ab"), rng.random() < 0.4
        environment = facts[1 if queue == "a" else 2].spec.compute_environments
        job = a_job(
            f"j{number}",
            queue,
            state=JobState.ACTIVE,
            environment=environment[0].name if environment else None,
            started_at=1 if stuck else rng.randint(98, 100),
            deadline=rng.choice([5, 17, 40]),
            run_label=rng.choice([None, "x"]),
            request=asks("cpu=1"),
        )
        running.append(job)
    everything = [*running, *jobs]

    def world() -> World:
        return World().given(*facts, *(copy_of(job) for job in everything))

    ends = [
        (float(job.started_at + (job.deadline or 0)), 0, job.name) for job in running if job.started_at > 1
    ]
    happened = run(world(), ends)
    for target in rng.sample(jobs, 5):
        told = explain(world().engine, target.uid, World().now, {})
        mine = [(name, at) for name, queue, at in happened if queue == target.queue]
        names = [name for name, _ in mine]
        if told.estimate is None:
            continue
        index = names.index(target.name)
        assert (told.position, told.estimate) == (index + 1, mine[index][1])
        assert [ahead.name for ahead in told.ahead] == names[: min(index, 10)]


def run(world: World, running: Iterable[tuple[float, int, str]] = ()) -> list[tuple[str, str, float]]:
    """Run a world to its end, step by step; return who went, in which queue and after how many seconds.

    `running` says when those end that run already; others of them never do.
    """
    began = world.now
    ends = list(running)
    happened: list[tuple[str, str, float]] = []
    while True:
        admitted = [decision for decision in world.decide(1) if isinstance(decision, Admit)]
        for decision in admitted:
            job = decision.job
            happened.append((job.name, job.queue, world.now - began))
            assert job.deadline is not None
            ends.append((world.now + job.deadline, len(happened), job.name))
            world.lands(job.name).changed(job.name, started_at=int(world.now))
        if admitted:
            continue
        if not ends:
            return happened
        first = min(ends)
        ends.remove(first)
        world.now = first[0]
        world.finished(first[2])
