"""Sections 5 and 6 of the design, slow and obviously right: sort and scan all that was told, at every question.

The model shares no code with the engine. It keeps what the engine was told and only such memory as the design speaks
of: whose turn it is, and which runs go on although nothing of them runs just now. Where the design leaves an order
open (who goes first of those who begin to wait at the same moment) every such order is legal.

What concerns one Job alone and is decided elsewhere (excess over the depth, a cancellation under way, a pause after a
refused write) is read from the engine's record of the Job; other checks watch over it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from headgate.engine.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headgate.api.clusterpool import ClusterPool
    from headgate.api.jobqueue import JobQueue
    from headgate.engine.decisions import Admit
    from headgate.engine.engine import Engine
    from headgate.engine.job import Job

T = TypeVar("T")
RunKey = tuple[str, str]
"""Queue and key of the run in it."""

ORDER: dict[str, Callable[[Job], tuple[int, ...]]] = {
    "FIFO": lambda job: (job.created,),
    "LIFO": lambda job: (-job.created,),
    "PRIORITY": lambda job: (-job.priority, job.created),
}


class SlowModel:
    """What an engine that was told the same should do."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.jobs: dict[str, Job] = {}
        """Every Job that was told and not told gone, finished ones too, as last told."""
        self.queues: dict[str, JobQueue] = {}
        self.pools: dict[str, ClusterPool] = {}
        self.sick: set[tuple[str, str]] = set()
        self.assumed: dict[str, tuple[int, str]] = {}
        """resourceVersion and cluster of admissions decided and not known to have come to nothing."""
        self.anchors: dict[RunKey, set[str]] = defaultdict(set)
        self.open: dict[str, int] = {}
        """resourceVersion of the write under way, by UID."""
        self.found_finished: set[str] = set()
        """Jobs that had finished when they were told for the first time."""
        self._clock = 0
        self._project_turn: dict[tuple[str, str], int] = {}
        self._queue_turn: dict[str, int] = {}

    # ---- facts

    def tell_job(self, job: Job) -> None:
        known = self.jobs.get(job.uid)
        if known is not None and job.resource_version <= known.resource_version:
            return
        was_live = known is not None and known.state is not JobState.FINISHED
        key = self.key(job.uid) if was_live else None
        if known is None and job.state is JobState.FINISHED:
            self.found_finished.add(job.uid)
        self.jobs[job.uid] = job
        self.assumed.pop(job.uid, None)
        self.open.pop(job.uid, None)
        if key is not None and known is not None:
            finished_admitted = job.state is JobState.FINISHED and job.admitted_at is not None
            if finished_admitted and known.queue == job.queue:
                self.anchors[key].add(job.uid)
        self.settle()

    def tell_gone(self, uid: str) -> None:
        self.jobs.pop(uid, None)
        self.found_finished.discard(uid)
        self.assumed.pop(uid, None)
        self.open.pop(uid, None)
        for anchors in self.anchors.values():
            anchors.discard(uid)
        self.settle()

    def tell_queue(self, queue: JobQueue) -> None:
        known = self.queues.get(queue.name)
        if known is not None:
            if int(known.metadata.resource_version) > int(queue.metadata.resource_version):
                return
            if known.metadata.uid != queue.metadata.uid:
                self.tell_queue_gone(queue.name)
                known = None
        self.queues[queue.name] = queue
        if known is None or (known.spec.execution_mode, known.spec.fairness) != (
            queue.spec.execution_mode,
            queue.spec.fairness,
        ):
            # Another order: a new round begins, in which nobody comes first by right.
            for name, project in list(self._project_turn):
                if name == queue.name:
                    del self._project_turn[name, project]
        if known is not None and known.spec.priority_value != queue.spec.priority_value:
            self._queue_turn.pop(queue.name, None)
        self.settle()

    def tell_queue_gone(self, name: str) -> None:
        self.queues.pop(name, None)
        self._queue_turn.pop(name, None)
        self.settle()

    def tell_pool(self, name: str, pool: ClusterPool | None) -> None:
        if pool is None:
            self.pools.pop(name, None)
            self.sick = {(of, cluster) for of, cluster in self.sick if of != name}
        else:
            self.pools[name] = pool
            members = {member.name for member in pool.spec.clusters}
            self.sick = {(of, cluster) for of, cluster in self.sick if of != name or cluster in members}
        self.settle()

    def tell_probe(self, pool: str, cluster: str, healthy: bool) -> None:
        if pool not in self.pools or cluster not in {m.name for m in self.pools[pool].spec.clusters}:
            return
        (self.sick.discard if healthy else self.sick.add)((pool, cluster))
        self.settle()

    def tell_loaded(self) -> None:
        """A full list: what finished while another Job of its run was there already goes on in that one."""
        self.settle()
        for uid in self.found_finished:
            job, key = self.jobs[uid], self.key(uid)
            live = [other for other in self.live() if self.key(other.uid) == key]
            if job.admitted_at is None or not live:
                continue
            first = min(live, key=lambda other: other.resource_version)
            if first.resource_version < job.resource_version and first.created <= job.finished_at:
                self.anchors[key].add(uid)
        self.found_finished.clear()
        self.settle()

    def tell_refused(self, uid: str, version: int) -> None:
        if self.open.get(uid) == version:
            del self.open[uid]
            self.assumed.pop(uid, None)
        self.settle()

    def tell_answered(self, uid: str, version: int) -> None:
        if self.open.get(uid) == version:
            del self.open[uid]
        self.settle()

    # ---- what it amounts to

    def live(self, queue: str | None = None) -> list[Job]:
        return [
            job
            for job in self.jobs.values()
            if job.state is not JobState.FINISHED and queue in (None, job.queue)
        ]

    def is_active(self, job: Job) -> bool:
        return job.state is JobState.ACTIVE or job.uid in self.assumed

    def cluster_of(self, job: Job) -> str:
        return self.assumed[job.uid][1] if job.uid in self.assumed else job.cluster or ""

    def key(self, uid: str) -> RunKey:
        """The run a Job belongs to: by its label, with the admitted Job that owns it, or alone."""
        job = self.jobs[uid]
        if job.run_label is not None:
            return job.queue, f"{job.namespace}/{job.run_label}"
        owner = self.jobs.get(job.owner_uid or "")
        if owner is not None and (self.is_active(owner) or self._was_admitted(owner)):
            return job.queue, self.key(owner.uid)[1]
        return job.queue, job.uid

    @staticmethod
    def _was_admitted(job: Job) -> bool:
        return job.state is JobState.FINISHED and job.admitted_at is not None

    def active_runs(self, queue: str) -> set[RunKey]:
        """Runs with something active, or with something that waits and an anchor in the past."""
        live = self.live(queue)
        keys = {self.key(job.uid) for job in live if self.is_active(job)}
        return keys | {key for job in live if self.anchors.get(key := self.key(job.uid))}

    def clusters(self, queue: JobQueue) -> list[str]:
        """The clusters that may take Jobs of the queue now."""
        pool = self.pools.get(queue.spec.pool)
        if pool is None:
            return []
        members = {member.name: member.state == "Enabled" for member in pool.spec.clusters}
        wanted = list(members) if queue.spec.clusters == ["*"] else queue.spec.clusters
        if any(name not in members for name in wanted):
            return []
        return [name for name in wanted if members[name] and (queue.spec.pool, name) not in self.sick]

    def eligible(self, name: str) -> list[Job]:
        """The waiting Jobs of a queue that nothing about themselves holds back."""
        queue = self.queues.get(name)
        if queue is None:
            return []
        return [
            job
            for job in self.live(name)
            if job.state is JobState.WAITING
            and job.uid not in self.assumed
            and job.uid not in self.open
            and not (job.held or job.canceling or job.error)
            and job.pool in (None, queue.spec.pool)
            and self._free(self.engine.jobs[job.uid])
        ]

    @staticmethod
    def _free(record: Job) -> bool:
        return not (record.excess or record.doomed or record.retry_at)

    def candidates(self, name: str) -> list[Job]:
        """The Jobs of a queue that may legally be the next one."""
        queue = self.queues.get(name)
        if queue is None or queue.spec.dispatch.paused or queue.spec.state == "Terminated":
            return []
        if not self.clusters(queue):
            return []
        active = sum(self.is_active(job) for job in self.live(name))
        if 0 < queue.spec.action_concurrency <= active:
            return []
        jobs = self.eligible(name)
        runs = self.active_runs(name)
        if 0 < queue.spec.run_concurrency <= len(runs):
            jobs = [job for job in jobs if self.key(job.uid) in runs]
        if not jobs:
            return []
        projects = {job.project for job in jobs}
        if queue.spec.fairness == "RoundRobin":
            turn = min(self._project_turn[name, project] for project in projects)
            projects = {project for project in projects if self._project_turn[name, project] == turn}
        order = ORDER[queue.spec.execution_mode]
        return [
            min((job for job in jobs if job.project == project), key=lambda job: (order(job), job.uid))
            for project in sorted(projects)
        ]

    def legal(self, pool: str) -> list[Job]:
        """The Jobs of a pool that may legally be the next one."""
        ready = [q for q in self.queues.values() if q.spec.pool == pool and self.candidates(q.name)]
        if not ready:
            return []
        highest = max(q.spec.priority_value for q in ready)
        contenders = [q for q in ready if q.spec.priority_value == highest]
        turn = min(self._queue_turn[q.name] for q in contenders)
        return [
            job for q in contenders if self._queue_turn[q.name] == turn for job in self.candidates(q.name)
        ]

    def admit(self, decision: Admit) -> None:
        """Check a decision of the engine, and take it over."""
        job = self.jobs[decision.job.uid]
        queue = self.queues[job.queue]
        legal = self.legal(queue.spec.pool)
        assert job in legal, f"{job.uid} is admitted, it should be one of {names(legal)}"
        assert decision.cluster in self.clusters(queue)
        assert decision.resource_version == job.resource_version
        self.assumed[job.uid] = (decision.resource_version, decision.cluster)
        self.open[job.uid] = decision.resource_version
        self._clock += 1
        self._project_turn[job.queue, job.project] = self._clock
        self._queue_turn[job.queue] = self._clock
        self.settle()

    def settle(self) -> None:
        """Let runs end, and let those who have begun to wait join at the end of the round."""
        live = {self.key(job.uid) for job in self.live()}
        for key in list(self.anchors):
            if key not in live:
                del self.anchors[key]
        self._clock += 1
        waiting = {(job.queue, job.project) for name in self.queues for job in self.eligible(name)}
        self._join(self._project_turn, waiting)
        self._join(self._queue_turn, {name for name in self.queues if self.candidates(name)})

    def _join(self, turns: dict[T, int], waiting: set[T]) -> None:
        for member in list(turns):
            if member not in waiting:
                del turns[member]
        for member in waiting:
            turns.setdefault(member, self._clock)


def names(jobs: Iterable[Job]) -> list[str]:
    return sorted(job.uid for job in jobs)
