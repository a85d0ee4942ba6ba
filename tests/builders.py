"""What a test is given, in one readable line: queues, pools, Jobs, and a small world around the engine."""

from __future__ import annotations

from itertools import count
from typing import Any, TypeVar

from headgate.api.clusterpool import ClusterPool, ClusterPoolSpec, PoolMember
from headgate.api.jobqueue import Dispatch, JobQueue, JobQueueSpec
from headgate.api.jobqueue_status import JobQueueStatus
from headgate.api.meta import Metadata
from headgate.engine.decisions import Admit, Cancel, Confirm, Decision, Notice, Suspend, Write
from headgate.engine.engine import Engine
from headgate.engine.job import READ_FIELDS, Job, JobState
from headgate.engine.status import queue_status

W = TypeVar("W", Admit, Cancel, Suspend, Confirm, Notice)

_versions = count(1_000)


def next_version() -> int:
    """A resourceVersion newer than all before it, of whatever object."""
    return next(_versions)


def a_queue(
    name: str = "gold",
    *,
    run_concurrency: int = 0,
    action_concurrency: int = 0,
    generation: int = 1,
    uid: str | None = None,
    version: int | None = None,
    paused: bool = False,
    note: str = "",
    annotations: dict[str, str] | None = None,
    status: JobQueueStatus | None = None,
    **spec: Any,
) -> JobQueue:
    return JobQueue(
        metadata=Metadata(
            name=name,
            uid=uid or f"uid-of-{name}",
            resource_version=str(version or next_version()),
            generation=generation,
            annotations=annotations or {},
        ),
        spec=JobQueueSpec(
            run_concurrency=run_concurrency,
            action_concurrency=action_concurrency,
            dispatch=Dispatch(paused=paused, note=note),
            **spec,
        ),
        status=status or JobQueueStatus(),
    )


def a_pool(name: str = "default", clusters: str = "local", *, disabled: str = "") -> ClusterPool:
    """A pool; clusters are names with spaces between them."""
    off = disabled.split()
    return ClusterPool(
        metadata=Metadata(
            name=name, uid=f"uid-of-{name}", resource_version=str(next_version()), generation=1
        ),
        spec=ClusterPoolSpec(
            clusters=[
                PoolMember(name=cluster, local=True, state="Disabled" if cluster in off else "Enabled")
                for cluster in clusters.split()
            ]
        ),
    )


def a_job(
    name: str = "train",
    queue: str = "gold",
    *,
    created: int = 0,
    state: JobState = JobState.WAITING,
    version: int | None = None,
    namespace: str = "lab",
    project: str | None = None,
    uid: str | None = None,
    **fields: Any,
) -> Job:
    """A Job as the watch shows it. Its UID is its name, where none is given."""
    if state is JobState.ACTIVE:
        fields = {"admitted_at": "2026-01-01T00:00:00.000000Z", "cluster": "local"} | fields
    if state is JobState.FINISHED:
        fields = {"result": "succeeded", "finished_at": created} | fields
    return Job(
        uid=uid or name,
        namespace=namespace,
        name=name,
        queue=queue,
        resource_version=version or next_version(),
        created=created,
        state=state,
        project=project or namespace,
        **fields,
    )


class World:
    """An engine, a clock, and the last sight of every Job: given, when, then."""

    def __init__(self, *, pool: bool = True) -> None:
        self.engine = Engine()
        self.now = 100.0
        self.open: dict[str, Write] = {}
        """The writes under way, by name of the Job."""
        self.jobs: dict[str, Job] = {}
        self.confirms: list[str] = []
        self.notices: list[Notice] = []
        if pool:
            self.engine.pool_changed(a_pool())

    # ---- given, when

    def given(self, *facts: JobQueue | ClusterPool | Job) -> World:
        """Tell the engine facts, in this order; Jobs are told as copies of their own."""
        for fact in facts:
            if isinstance(fact, JobQueue):
                self.engine.queue_changed(fact, self.now)
            elif isinstance(fact, ClusterPool):
                self.engine.pool_changed(fact)
            else:
                self.jobs[fact.name] = fact
                self.engine.job_seen(copy_of(fact), self.now)
        return self

    when = given

    def changed(self, name: str, **fields: Any) -> World:
        """Tell a new version of a Job."""
        return self.given(copy_of(self.jobs[name], resource_version=next_version(), **fields))

    def finished(self, name: str, result: str = "succeeded", *, at: int | None = None) -> World:
        when = int(self.now) if at is None else at
        return self.changed(name, state=JobState.FINISHED, result=result, finished_at=when)

    def deleted(self, *names: str) -> World:
        for name in names:
            self.engine.job_gone(self.jobs.pop(name).uid, next_version(), self.now)
        return self

    def later(self, seconds: float) -> World:
        self.now += seconds
        return self

    def restarted(self, *queues: JobQueue) -> World:
        """Lose the engine and build a new one from what the API server holds."""
        again = World()
        again.now = self.now
        again.given(*queues, *sorted(self.jobs.values(), key=lambda job: (job.created, job.uid)))
        again.engine.loaded(self.now)
        return again

    # ---- then

    def decide(self, limit: int = 100) -> list[Decision]:
        decisions = self.engine.decide(limit, self.now)
        for decision in decisions:
            if isinstance(decision, Notice):
                self.notices.append(decision)
            elif isinstance(decision, Confirm):
                self.confirms.append(decision.queue)
            else:
                self.open[decision.job.name] = decision
        return decisions

    def admits(self, limit: int = 100) -> str:
        """The names of the Jobs let through by one decision, in order."""
        return " ".join(d.job.name for d in self.of(Admit, limit))

    def cancels(self, limit: int = 100) -> dict[str, str]:
        """Jobs to be cancelled now, with the reason."""
        return {d.job.name: d.reason for d in self.of(Cancel, limit)}

    def of(self, kind: type[W], limit: int = 100) -> list[W]:
        return [decision for decision in self.decide(limit) if isinstance(decision, kind)]

    def lands(self, *names: str) -> World:
        """The API server applies the open writes; the answer comes first, then the watch."""
        for name in names:
            write = self.open.pop(name)
            if isinstance(write, Admit):
                self.engine.admitted(write, stamp(self.now), self.now)
                self.changed(name, state=JobState.ACTIVE, admitted_at=stamp(self.now), cluster=write.cluster)
            elif isinstance(write, Suspend):
                self.engine.written(write, self.now)
                self.changed(name, state=JobState.WAITING)
            else:
                self.engine.written(write, self.now)
                self.changed(name, canceling=True)
        return self

    def refuses(self, name: str, why: str = "no") -> World:
        self.engine.refused(self.open.pop(name), why, self.now)
        return self

    def outdates(self, name: str) -> World:
        self.engine.outdated(self.open.pop(name), self.now)
        return self

    def status(self, queue: str = "gold") -> JobQueueStatus:
        return queue_status(self.engine.queues[queue], self.engine.observed_version, stamp(self.now))

    def write_status(self, queue: str = "gold") -> JobQueue:
        """Write the status, as the edge would, and return the queue as the API server then holds it."""
        known = self.engine.queues[queue]
        assert known.resource is not None
        metadata = known.resource.metadata.model_copy(update={"resource_version": str(next_version())})
        after = known.resource.model_copy(update={"metadata": metadata, "status": self.status(queue)})
        known.tally.stale_watermark = False
        self.engine.queue_changed(after, self.now)
        return after


def copy_of(job: Job, **fields: Any) -> Job:
    """A fresh record of a Job as the API server shows it, without what the engine remembers of it."""
    read = {name: getattr(job, name) for name in READ_FROM_THE_SERVER}
    return Job(**(read | fields))


READ_FROM_THE_SERVER = ("uid", *READ_FIELDS, "result", "finished_at")


def stamp(now: float) -> str:
    """A time as it stands in an annotation: to the microsecond, ordered as a string."""
    seconds, micros = divmod(round(now * 1_000_000), 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"2026-01-{1 + hours // 24:02}T{hours % 24:02}:{minute:02}:{second:02}.{micros:06}Z"
