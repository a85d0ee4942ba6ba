"""The engine alone: no API server, no asyncio, one thread.

The world is kept as it is while decisions are taken: each admitted Job is seen to run, then to finish, is deleted, and
a new one takes its place at the end of the line. Only the decisions are timed: asking for 32, and telling the engine
that each was carried out. What the watch brings (four facts a Job) is timed apart.

CPU time of the thread, not the clock on the wall: neighbours on the machine shall not count.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from itertools import count
from statistics import median
from time import thread_time
from typing import Final

from headgate.api.clusterpool import ClusterPool, ClusterPoolSpec, PoolMember
from headgate.api.jobqueue import JobQueue, JobQueueSpec
from headgate.api.jobqueue_status import JobQueueStatus
from headgate.api.meta import Metadata
from headgate.engine.decisions import Admit
from headgate.engine.engine import Engine
from headgate.engine.job import Job, JobState

BATCH: Final = 32
"""Decisions asked for at a time, as the dispatcher does."""
NOW: Final = 1_800_000_000.0
ADMITTED_AT: Final = "2027-01-15T08:00:00.000000Z"


@dataclass(frozen=True)
class Shape:
    """A number of Jobs and how they are spread."""

    waiting: int
    queues: int
    projects: int


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
        self._waiting = 0
        self.engine = Engine()
        self.engine.pool_changed(_pool())
        for number in range(shape.queues):
            self.engine.queue_changed(_queue(number), NOW)
        for _ in range(shape.waiting):
            self._submit()
        self.engine.loaded(NOW)

    def run(self, decisions: int) -> Cost:
        """Take so many decisions and return what one costs."""
        engine = self.engine
        deciding = telling = 0.0
        taken = 0
        while taken < decisions:
            began = thread_time()
            admissions = [decision for decision in engine.decide(BATCH, NOW) if isinstance(decision, Admit)]
            for admission in admissions:
                engine.admitted(admission, ADMITTED_AT, NOW)
            decided = thread_time()
            if not admissions:
                raise RuntimeError("the engine has nothing to admit: the benchmark measures nothing")
            taken += len(admissions)
            lives = [self._life(admission.job) for admission in admissions]
            prepared = thread_time()
            for active, finished in lives:
                engine.job_seen(active, NOW)
                engine.job_seen(finished, NOW)
                engine.job_gone(finished.uid, next(self._versions), NOW)
                self._submit()
            telling += thread_time() - prepared
            deciding += decided - began
            # Who writes statuses empties these.
            engine.dirty_queues.clear()
            engine.dirty_pools.clear()
        return Cost(deciding / taken, telling / taken)

    def _submit(self) -> None:
        self.engine.job_seen(self._job(next(self._serial), JobState.WAITING), NOW)

    def _life(self, job: Job) -> tuple[Job, Job]:
        serial = int(job.name)
        return self._job(serial, JobState.ACTIVE), self._job(serial, JobState.FINISHED)

    def _job(self, serial: int, state: JobState) -> Job:
        queue = serial % self._shape.queues
        project = serial // self._shape.queues % self._shape.projects
        admitted = state is not JobState.WAITING
        return Job(
            uid=f"{serial:08x}-0000-4000-8000-000000000000",
            namespace=f"team-{project}",
            name=str(serial),
            queue=f"queue-{queue}",
            resource_version=next(self._versions),
            created=serial,
            state=state,
            project=f"team-{project}",
            pool="default",
            cluster="local" if admitted else None,
            admitted_at=ADMITTED_AT if admitted else None,
            result="succeeded" if state is JobState.FINISHED else None,
        )


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


def _queue(number: int) -> JobQueue:
    name = f"queue-{number}"
    return JobQueue(
        metadata=Metadata(name=name, uid=name, resource_version=str(number + 1), generation=1),
        # Limits that are checked and never reached: what runs is gone before the next decision.
        spec=JobQueueSpec(run_concurrency=1000, action_concurrency=1000, depth=0),
        status=JobQueueStatus(),
    )
