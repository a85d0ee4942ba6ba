"""The engine alone: no API server, no asyncio, one thread.

The world is kept as it is while decisions are taken: each admitted Job is seen to run, then to finish, is deleted, and
a new one takes its place at the end of the line. Only the decisions are timed: asking for 32, and telling the engine
that each was carried out. What the watch brings (four facts a Job) is timed apart.

Where queues name a compute environment it is always full: whoever waits for it is woken as Jobs finish. For backfill
each queue has a Job at its head that does not fit as long as another one runs, and everything else passes it. For wide
backfill there are many such queues, and as many Jobs as are said run beside, each with a deadline of its own: all of
them have to end before a head fits.

CPU time of the thread, not the clock on the wall: neighbours on the machine shall not count.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from statistics import median
from time import thread_time
from typing import TYPE_CHECKING, Final, Literal

from headgate.api.clusterpool import ClusterPool, ClusterPoolSpec, PoolMember
from headgate.api.computeenvironment import ComputeEnvironment, ComputeEnvironmentSpec
from headgate.api.jobqueue import JobQueue, JobQueueSpec, QueueEnvironment
from headgate.api.jobqueue_status import JobQueueStatus
from headgate.api.meta import Metadata
from headgate.api.requests import request_of
from headgate.api.schedulingpolicy import FairShare, SchedulingPolicy, SchedulingPolicySpec, Share
from headgate.engine.decisions import Admit
from headgate.engine.engine import Engine
from headgate.engine.job import Job, JobState

if TYPE_CHECKING:
    from headgate.api.requests import Request

BATCH: Final = 32
"""Decisions asked for at a time, as the dispatcher does."""
NOW: Final = 1_800_000_000.0
ADMITTED_AT: Final = "2027-01-15T08:00:00.000000Z"
BATCH_SECONDS: Final = 0.01
"""How far the engine's time moves with each batch."""
CORES: Final = 2 * BATCH
"""The capacity of the environment; Jobs ask for one core."""

LONG_SECONDS: Final = 1_000_000
"""How long a Job at least runs that runs beside."""

Kind = Literal["plain", "environments", "fair share", "backfill", "wide backfill"]
GROWTHS: Final[dict[Kind, str]] = {
    "environments": "environments_growth",
    "fair share": "fair_share_growth",
    "backfill": "backfill_growth",
    "wide backfill": "backfill_wide_growth",
}
"""The figure of each kind: a decision with all that waits, or runs beside, over one with a hundredth of it."""


@dataclass(frozen=True)
class Shape:
    """A number of Jobs and how they are spread."""

    waiting: int
    queues: int
    projects: int
    kind: Kind = "plain"
    beside: int = 0
    """Jobs that run all the time."""

    @property
    def environment(self) -> str | None:
        """The compute environment of its queues, if they have one."""
        return "cores" if self.backfills or self.kind == "environments" else None

    @property
    def backfills(self) -> bool:
        """Whether Jobs pass the heads of its queues."""
        return self.kind in ("backfill", "wide backfill")

    @property
    def cores(self) -> int:
        """The capacity of the environment: all but a batch of it is used by what runs beside, if anything does."""
        return self.beside + BATCH if self.beside else CORES


@dataclass(frozen=True)
class Cost:
    """CPU seconds for one decision, and for the facts of one Job's life."""

    decision: float
    facts: float


class World:
    """An engine full of waiting Jobs."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._serial = count()
        self._versions = count(1)
        self._now = NOW
        self.engine = Engine()
        self.engine.pool_changed(_pool())
        self.engine.environment_changed(_environment(shape.cores), NOW)
        self.engine.scheduling_policy_changed(_policy(shape.projects), NOW)
        for number in range(shape.queues):
            self.engine.queue_changed(_queue(number, shape), NOW)
        jobs: list[Job] = []
        if shape.backfills:
            jobs += [self._long(number) for number in range(shape.beside)] or [self._half()]
            jobs += [self._job(number, JobState.WAITING, cores=shape.cores) for number in range(shape.queues)]
        jobs += [self._next() for _ in range(shape.waiting)]
        self.engine.listed(jobs, next(self._versions), NOW)

    def run(self, decisions: int) -> Cost:
        """Take so many decisions and return what one costs."""
        engine = self.engine
        deciding = telling = 0.0
        taken = 0
        while taken < decisions:
            self._now += BATCH_SECONDS
            began = thread_time()
            decided_on = engine.decide(BATCH, self._now)
            admissions = [decision for decision in decided_on if isinstance(decision, Admit)]
            for admission in admissions:
                engine.admitted(admission, ADMITTED_AT, self._now)
            decided = thread_time()
            if not admissions:
                raise RuntimeError("the engine has nothing to admit: the benchmark measures nothing")
            taken += len(admissions)
            lives = [self._life(admission.job) for admission in admissions]
            prepared = thread_time()
            for active, finished in lives:
                engine.job_seen(active, self._now)
                engine.job_seen(finished, self._now)
                engine.job_gone(finished.uid, next(self._versions), self._now)
                engine.job_seen(self._next(), self._now)
            telling += thread_time() - prepared
            deciding += decided - began
            # Who writes statuses empties these.
            engine.dirty_queues.clear()
            engine.dirty_pools.clear()
            engine.dirty_environments.clear()
        return Cost(deciding / taken, telling / taken)

    def _next(self) -> Job:
        return self._job(next(self._serial), JobState.WAITING)

    def _life(self, job: Job) -> tuple[Job, Job]:
        serial = int(job.name)
        return self._job(serial, JobState.ACTIVE), self._job(serial, JobState.FINISHED)

    def _half(self) -> Job:
        """Return a Job that uses half of the environment for ever: it has no deadline."""
        job = self._job(next(self._serial), JobState.ACTIVE, cores=CORES // 2)
        job.deadline = None
        return job

    def _long(self, number: int) -> Job:
        """Return a Job that runs beside, for longer than all before it."""
        job = self._job(next(self._serial), JobState.ACTIVE)
        job.deadline = LONG_SECONDS + number
        return job

    def _job(self, serial: int, state: JobState, *, cores: int = 1) -> Job:
        shape = self._shape
        queue = serial % shape.queues
        project = serial // shape.queues % shape.projects
        admitted = state is not JobState.WAITING
        return Job(
            uid=f"{serial:08x}-0000-4000-8000-{cores:012x}",
            namespace=f"team-{project}",
            name=str(serial),
            queue=f"queue-{queue}",
            resource_version=next(self._versions),
            # A head of line is older than all that passes it.
            created=serial if cores == 1 else 0,
            state=state,
            project=f"team-{project}",
            pool="default",
            cluster="local" if admitted else None,
            environment=shape.environment if admitted else None,
            request=_request(cores),
            deadline=600,
            admitted_at=ADMITTED_AT if admitted else None,
            result="succeeded" if state is JobState.FINISHED else None,
        )


def growth(kind: Kind, waiting: int) -> list[Shape]:
    """Return the two shapes of which the growth of a kind is made, the small one first."""
    if kind == "wide backfill":
        return [
            Shape(waiting // 50, 50, 10, kind, beside) for beside in (waiting // 2_000 or 1, waiting // 20)
        ]
    return [Shape(jobs, 10, 10, kind) for jobs in (waiting // 100, waiting)]


def measure(shapes: list[Shape], *, decisions: int, rounds: int) -> list[Cost]:
    """Return the median cost for each shape, measured in turn: round by round, not shape by shape."""
    worlds = [World(shape) for shape in shapes]
    gc.collect()
    # As the operator does once it has listed everything.
    gc.freeze()
    try:
        for world in worlds:
            world.run(BATCH)
        samples = [[world.run(decisions) for world in worlds] for _ in range(rounds)]
    finally:
        gc.unfreeze()
    return [
        Cost(median(cost.decision for cost in costs), median(cost.facts for cost in costs))
        for costs in zip(*samples, strict=True)
    ]


def _pool() -> ClusterPool:
    return ClusterPool(
        metadata=Metadata(name="default", uid="pool", resource_version="1", generation=1),
        spec=ClusterPoolSpec(clusters=[PoolMember(name="local", local=True, state="Enabled")]),
    )


def _environment(cores: int) -> ComputeEnvironment:
    return ComputeEnvironment(
        metadata=Metadata(name="cores", uid="cores", resource_version="1", generation=1),
        spec=ComputeEnvironmentSpec(type="OnDemand", capacity={"cpu": str(cores)}),
    )


def _policy(shares: int) -> SchedulingPolicy:
    weights = [Share(identifier=f"team-{number}", weight_factor=1.0 + number) for number in range(shares)]
    return SchedulingPolicy(
        metadata=Metadata(name="fair", uid="fair", resource_version="1", generation=1),
        spec=SchedulingPolicySpec(fair_share=FairShare(share_decay_seconds=3600, shares=weights)),
    )


def _queue(number: int, shape: Shape) -> JobQueue:
    name = f"queue-{number}"
    environments = [QueueEnvironment(name=shape.environment, order=1)] if shape.environment else []
    return JobQueue(
        metadata=Metadata(name=name, uid=name, resource_version=str(number + 1), generation=1),
        # Limits that are checked and never reached: what runs is gone before the next decision.
        spec=JobQueueSpec(
            run_concurrency=1000,
            action_concurrency=1000,
            depth=0,
            compute_environments=environments,
            head_of_line="Backfill" if shape.backfills else "Block",
            scheduling_policy="fair" if shape.kind == "fair share" else None,
        ),
        status=JobQueueStatus(),
    )


@lru_cache
def _request(cores: int) -> Request:
    container = {"resources": {"requests": {"cpu": str(cores)}}}
    return request_of({"spec": {"template": {"spec": {"containers": [container]}}}})
