"""Backfill: later Jobs pass the head where they cannot delay it, taking activeDeadlineSeconds as the longest runtime.

First examples, then the proof: whatever passes a head, it is admitted no later than was certain when it came to the
head, as long as every Job ends by its deadline and nobody comes who may go first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.builders import World, a_job, a_queue, amounts, an_environment, asks
from tests.thoroughness import examples

from headgate.api.quantity import parse_quantity
from headgate.engine.decisions import Admit
from headgate.engine.job import Job, JobState

if TYPE_CHECKING:
    from headgate.api.requests import Request


def running(
    name: str, cpu: int, deadline: int | None, *, environment: str = "big", queue: str = "gold"
) -> Job:
    """A Job that has run since second 100, which is now."""
    return a_job(
        name,
        queue,
        state=JobState.ACTIVE,
        cpu=cpu,
        deadline=deadline,
        environment=environment,
        started_at=100,
    )


def stopped_head(head_of_line: str = "Backfill", **spec: Any) -> World:
    """3 of 4 cores are used until second 400; the Job at the head asks for all 4."""
    world = World().given(an_environment("big", "cpu=4"))
    world.given(a_queue(environments="big", head_of_line=head_of_line, **spec), running("long", 3, 300))
    return world.given(a_job("head", cpu=4))


# ---- examples


def test_who_ends_in_time_may_pass() -> None:
    world = stopped_head().given(a_job("short", cpu=1, deadline=300, created=1))
    assert world.admits() == "short"


def test_who_may_last_a_second_longer_may_not() -> None:
    world = stopped_head().given(a_job("later", cpu=1, deadline=301, created=1))
    assert world.admits() == ""


def test_who_has_no_deadline_may_not() -> None:
    assert stopped_head().given(a_job("endless", cpu=1, created=1)).admits() == ""


def test_time_passes_for_those_who_may_pass() -> None:
    world = stopped_head().given(a_job("short", cpu=1, deadline=250, created=1, held=True)).later(51)
    assert world.changed("short", held=False).admits() == ""


def test_the_longest_runtime_counts_from_when_a_job_started() -> None:
    """Kubernetes counts it from the startTime, which may come long after the admission."""
    world = World().given(an_environment("big", "cpu=4"))
    world.given(a_queue(environments="big", head_of_line="Backfill"), a_job("long", cpu=3, deadline=300))
    assert world.admits() == "long"
    world.lands("long").given(a_job("head", cpu=4), a_job("short", cpu=1, deadline=350, created=1))
    assert world.admits() == ""
    assert world.changed("long", started_at=149).admits() == ""
    assert world.changed("long", started_at=150).admits() == "short"


def test_what_the_head_leaves_over_is_free_for_all() -> None:
    world = World().given(
        an_environment("big", "cpu=8"), a_queue(environments="big", head_of_line="Backfill")
    )
    world.given(running("long", 6, 300), a_job("head", cpu=5))
    world.given(*(a_job(f"endless{i}", cpu=1, created=1 + i) for i in range(3)))
    assert world.admits() == "endless0 endless1"
    assert world.lands("endless0", "endless1").finished("long").admits() == "head endless2"


def test_nobody_passes_a_head_that_blocks() -> None:
    assert stopped_head("Block").given(a_job("short", cpu=1, deadline=10, created=1)).admits() == ""


def test_who_asks_for_nothing_of_what_is_short_may_pass() -> None:
    world = World().given(an_environment("big", "cpu=4 memory=8Gi"))
    world.given(a_queue(environments="big", head_of_line="Backfill"), running("long", 3, None))
    world.given(a_job("head", request=asks("cpu=4 memory=4Gi")))
    world.given(a_job("memory", request=asks("memory=4Gi"), created=1))
    assert world.admits() == "memory"


def test_only_the_room_where_the_head_fits_first_is_reserved() -> None:
    world = World().given(an_environment("big", "cpu=4"), an_environment("other", "cpu=4"))
    world.given(a_queue(environments="big other", head_of_line="Backfill"))
    world.given(running("long", 3, 900), running("soon", 3, 300, environment="other"), a_job("head", cpu=4))
    world.given(a_job("endless1", cpu=1, created=1), a_job("endless2", cpu=1, created=2))
    assert world.places() == {"endless1": "big"}


def test_a_lower_queue_passes_by_the_same_rule() -> None:
    world = stopped_head().given(a_queue("low", environments="big", priority=1))
    world.given(a_job("endless", "low", cpu=1))
    assert world.admits() == ""
    assert world.changed("endless", deadline=300).admits() == "endless"


def test_the_room_that_is_reserved_no_more_is_open_to_others() -> None:
    """The head fits into another room first, since a Job there is to end earlier than it was."""
    world = World().given(an_environment("big", "cpu=4"), an_environment("other", "cpu=4"))
    world.given(a_queue(environments="big other", head_of_line="Backfill"))
    world.given(a_queue("low", environments="big", priority=1))
    world.given(running("long", 3, 300), running("longer", 3, 900, environment="other"))
    world.given(a_job("head", cpu=4), a_job("endless", "low", cpu=1))
    assert world.admits() == ""
    assert world.changed("longer", deadline=200).admits() == "endless"


def test_a_reservation_that_was_put_off_lets_more_pass() -> None:
    """Whoever is ahead of the head may put it off; then Jobs may pass that would have been too long for it before."""
    world = World().given(an_environment("big", "cpu=6"), a_queue("high", environments="big", priority=100))
    world.given(a_queue(environments="big", head_of_line="Backfill"), running("long", 3, 300))
    world.given(a_queue("low", environments="big", priority=1))
    world.given(a_job("head", cpu=6), a_job("later", "low", cpu=1, deadline=500))
    assert world.admits() == ""
    assert world.given(a_job("first", "high", cpu=1, deadline=900)).admits() == "first later"


def test_a_reservation_that_goes_elsewhere_and_comes_back_for_later_lets_more_pass() -> None:
    world = World().given(an_environment("big", "cpu=4"), an_environment("other", "cpu=4"))
    world.given(a_queue(environments="big other", head_of_line="Backfill"), a_queue("else"))
    world.given(a_queue("low", environments="big", priority=1))
    world.given(running("long", 3, 300), running("longer", 3, 900, environment="other"))
    world.given(a_job("head", cpu=4), a_job("later", "low", cpu=1, deadline=350))
    assert world.admits() == ""
    world.changed("longer", deadline=200).changed("long", deadline=400).changed("longer", deadline=900)
    assert world.admits() == "later"


def test_who_ends_before_the_head_fits_after_all_leaves_more_to_those_without_an_end() -> None:
    """The time of the reservation stays the same: what is left over then is more."""
    world = World().given(an_environment("big", "cpu=8"), a_queue("else", environments="big", priority=1))
    world.given(a_queue(environments="big", head_of_line="Backfill"))
    world.given(running("long", 4, 300), running("longer", 2, 400, queue="else"))
    world.given(a_job("head", cpu=5), a_job("endless", "else", cpu=2))
    assert world.admits() == ""
    assert world.changed("longer", deadline=300).admits() == "endless"


def test_a_job_that_ends_elsewhere_makes_place_in_the_limits() -> None:
    """Of an environment that the queue does not use any more."""
    world = stopped_head(action_concurrency=3).given(running("elsewhere", 1, 900, environment="old"))
    assert world.given(a_job("short", cpu=1, deadline=10, created=1)).admits() == ""
    assert world.finished("elsewhere").admits() == "short"


def test_what_ended_early_lets_more_pass_but_never_before_the_head() -> None:
    world = stopped_head().given(a_job("later", cpu=1, deadline=400, created=1))
    assert world.admits() == ""
    assert world.finished("long").admits() == "head"


def test_it_is_one_after_the_other_that_pass() -> None:
    world = stopped_head().given(a_job("a", cpu=1, deadline=100, created=1))
    world.given(a_job("b", cpu=1, deadline=200, created=2))
    assert world.admits() == "a"
    assert world.lands("a").finished("a").later(100).admits() == "b"


def test_who_passes_leaves_the_head_its_place_in_the_limits() -> None:
    world = stopped_head(action_concurrency=2).given(a_job("short", cpu=1, deadline=10, created=1))
    assert world.admits() == ""
    world.when(a_queue(environments="big", head_of_line="Backfill", action_concurrency=3, generation=2))
    assert world.admits() == "short"


def test_who_starts_a_run_leaves_the_head_its_place_among_the_runs() -> None:
    world = stopped_head(run_concurrency=2).given(a_job("short", cpu=1, deadline=10, created=1))
    assert world.admits() == ""
    world.given(a_job("same", cpu=1, deadline=10, created=2, run_label="r"))
    world.given(a_job("mate", run_label="r", state=JobState.ACTIVE, environment="big"))
    world.when(a_queue(environments="big", head_of_line="Backfill", run_concurrency=3, generation=2))
    assert world.admits() == "same"


def test_many_that_cannot_pass_do_not_hide_one_that_can() -> None:
    """Those that are alike are looked at once."""
    world = stopped_head().given(*(a_job(f"j{i:04}", cpu=2, created=1 + i) for i in range(1_000)))
    assert world.given(a_job("short", cpu=1, deadline=10, created=5_000)).admits() == "short"


# ---- a claim that changes, after others have passed the head


def passed_head(cpu: int) -> World:
    """Of 6 cores 3 are used. A Job has passed the head of its queue, and behind that stands the head of an equal."""
    world = World().given(an_environment("big", "cpu=6"), running("runs", 2, None, queue="else"))
    world.given(
        a_queue("one", environments="big", head_of_line="Backfill"), a_queue("two", environments="big")
    )
    world.given(a_job("head", "one", cpu=cpu), a_job("behind", "two", cpu=6))
    assert world.admits() == ""
    assert world.given(a_job("passes", "one", cpu=1, deadline=10, created=1)).admits() == "passes"
    return world.lands("passes")


def test_who_comes_to_the_head_claims_room_before_those_behind_look() -> None:
    """The head before could never fit and claimed nothing. What has passed it costs its queue no turn."""
    world = passed_head(99).given(a_job("next", "one", cpu=4, created=2)).deleted("head")
    assert world.changed("behind", request=asks("cpu=1")).admits() == ""
    assert world.finished("runs").admits() == "next behind"


def test_a_head_that_asks_for_less_claims_room_before_those_behind_look() -> None:
    world = passed_head(99).changed("head", request=asks("cpu=4"))
    assert world.changed("behind", request=asks("cpu=1")).admits() == ""
    assert world.finished("runs").admits() == "head behind"


def test_a_head_that_blocks_from_now_on_does_so_before_those_behind_look() -> None:
    world = passed_head(5).when(a_queue("one", environments="big", generation=2))
    assert world.changed("behind", request=asks("cpu=1"), deadline=10).admits() == ""


# ---- the proof


@dataclass
class Stage:
    """What has been when a Job comes to the head, and what comes after."""

    rooms: dict[str, str]
    running: list[Job] = field(default_factory=list)
    head: Job | None = None
    later: list[tuple[int, Job]] = field(default_factory=list)
    """Jobs behind the head, and after how many ends each comes."""
    spec: dict[str, Any] = field(default_factory=dict)
    ends: list[tuple[int, bool]] = field(default_factory=list)
    """Which of the active Jobs is the next to end, and whether early."""


def shadow(capacity: str, tenants: list[Job], head: Job) -> float:
    """When a head fits into a room at the latest: by trying every moment at which a deadline is."""
    limits = {name: parse_quantity(text) for name, text in amounts(capacity).items()}

    def fits(at: float) -> bool:
        there = [job for job in tenants if job.deadline is None or job.started_at + job.deadline > at]
        return all(
            sum(dict(job.request.total).get(name, 0) for job in [*there, head]) <= limit
            for name, limit in limits.items()
        )

    moments = [float(job.started_at + job.deadline) for job in tenants if job.deadline is not None]
    return min((at for at in moments if fits(at)), default=inf)


ENDS = st.one_of(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.none())


@st.composite
def stages(draw: st.DrawFn, /) -> Stage:
    """Rooms in which almost all is used, a head that asks for most of one, and small Jobs behind it."""

    def ask(least: int, most: int) -> Request:
        memory = draw(st.sampled_from([0, 0, 1, 3]))
        return asks(f"cpu={draw(st.integers(least, most))}" + (f" memory={memory}Gi" if memory else ""))

    names = ("big", "other")[: draw(st.sampled_from([1, 1, 2]))]
    stage = Stage({})
    for name in names:
        memory = draw(st.sampled_from(["", " memory=8Gi"]))
        stage.rooms[name] = f"cpu={draw(st.integers(5, 7))}{memory}"
        for i in range(draw(st.integers(1, 3))):
            queue = draw(st.sampled_from(["gold", "low", "peer"]))
            here: dict[str, Any] = {"environment": name, "started_at": 100, "deadline": draw(ENDS)}
            stage.running.append(a_job(f"{name}{i}", queue, state=JobState.ACTIVE, request=ask(1, 3), **here))
    stage.head = a_job("head", created=10, request=ask(4, 6), deadline=draw(ENDS))
    for i in range(draw(st.integers(1, 7))):
        queue = draw(st.sampled_from(["gold", "gold", "low", "peer"]))
        how: dict[str, Any] = {"project": draw(st.sampled_from(["lab", "else"])), "deadline": draw(ENDS)}
        job = a_job(f"later{i}", queue, created=11 + i, request=ask(1, 3), **how)
        stage.later.append((draw(st.sampled_from([0, 0, 0, 1, 2])), job))
    stage.spec = {
        "action_concurrency": draw(st.sampled_from([0, 0, 0, 3, 5])),
        "run_concurrency": draw(st.sampled_from([0, 0, 0, 4])),
        "fairness": draw(st.sampled_from(["RoundRobin", "ShuffleInterleave"])),
    }
    stage.ends = draw(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=8))
    return stage


class Play:
    """A world in which Jobs end by their deadlines."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.world = World()
        self.active: dict[str, Job] = {}
        self.passed: list[str] = []
        names = " ".join(stage.rooms)
        for name, capacity in stage.rooms.items():
            self.world.given(an_environment(name, capacity))
        self.world.given(a_queue(environments=names, head_of_line="Backfill", **stage.spec))
        for job in stage.running:
            self._let_run(job)
        assert stage.head is not None
        self.world.given(stage.head)
        self.admitted = self._decide()
        low = a_queue("low", environments=names, priority=1)
        self.world.given(low, a_queue("peer", environments=names, head_of_line="Backfill"))

    @property
    def reservation(self) -> float:
        head = self.stage.head
        assert head is not None
        return min(
            shadow(capacity, [job for job in self.active.values() if job.environment == name], head)
            for name, capacity in self.stage.rooms.items()
        )

    def go_on(self) -> None:
        """Let Jobs come and end until the head is admitted, or nothing ends any more."""
        for step in range(60):
            for _, job in [entry for entry in self.stage.later if entry[0] == step]:
                self.world.given(job)
            self.admitted = self.admitted or self._decide()
            if self.admitted or not self._end_one(step):
                return

    def _end_one(self, step: int) -> bool:
        """Let one Job end: early, or in any case by its deadline."""
        world = self.world
        bounded = {name: job.started_at + job.deadline for name, job in self.active.items() if job.deadline}
        which, early = self.stage.ends[step % len(self.stage.ends)] if self.stage.ends else (0, False)
        if early and self.active:
            name = sorted(self.active)[which % len(self.active)]
            world.now = min([world.now + which, *bounded.values()])
        elif bounded:
            name = min(bounded, key=lambda name: (bounded[name], name))
            world.now = max(world.now, bounded[name])
        else:
            return False
        del self.active[name]
        world.finished(name)
        return True

    def _decide(self) -> bool:
        """Return whether the head is admitted."""
        for decision in self.world.of(Admit):
            name = decision.job.name
            self.world.lands(name).changed(name, started_at=int(self.world.now))
            self.active[name] = self.world.jobs[name]
            if name == "head":
                return True
            self.passed.append(name)
        return False

    def _let_run(self, job: Job) -> None:
        """Let a Job run from the beginning, if there is room for it."""
        assert job.environment is not None
        there = [other for other in self.active.values() if other.environment == job.environment]
        limits = amounts(self.stage.rooms[job.environment])
        for name, text in limits.items():
            used = sum(dict(other.request.total).get(name, 0) for other in [*there, job])
            if used > parse_quantity(text):
                return
        self.active[job.name] = job
        self.world.given(job)


@settings(max_examples=examples(300, 5_000), suppress_health_check=list(HealthCheck))
@given(stage=stages())
def test_whatever_passes_the_head_is_admitted_no_later_than_was_certain(stage: Stage) -> None:
    play = Play(stage)
    if play.admitted or play.world.status().head is None:
        return
    reservation = play.reservation
    play.go_on()
    if reservation < inf:
        assert play.admitted, f"not admitted at {play.world.now}, by {reservation} it was certain"
        assert play.world.now <= reservation, f"admitted at {play.world.now}, by {reservation} it was certain"


@pytest.mark.parametrize("queue", ["gold", "peer", "low"])
def test_the_proof_sees_jobs_pass(queue: str) -> None:
    """Without this one the proof would hold for an engine that lets nobody pass."""
    stage = Stage({"big": "cpu=4"}, [running("run0", 3, 30)], a_job("head", cpu=4))
    stage.later = [(0, a_job("later0", queue, cpu=1, deadline=20, created=11))]
    play = Play(stage)
    assert play.reservation == 130
    play.go_on()
    assert play.passed == ["later0"]
    assert play.admitted
    assert play.world.now == 130
