"""What the slow model has been told, and what that amounts to: Jobs, runs, queues, clusters.

It is kept as it was told: every answer is a scan of all of it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from headgate.engine import kinship
from headgate.engine.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.engine.slow_room import Place

    from headgate.api.clusterpool import ClusterPool
    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.api.jobqueue import JobQueue
    from headgate.api.meta import Resource
    from headgate.api.schedulingpolicy import SchedulingPolicy
    from headgate.engine.engine import Engine
    from headgate.engine.environments import ScaleReading
    from headgate.engine.job import Job

STRANDED_SECONDS = 60.0
RunKey = tuple[str, str]
"""Queue and key of the run in it."""


class Admission(NamedTuple):
    """An admission that was decided."""

    version: int
    cluster: str
    environment: str | None


@dataclass
class Health:
    """How a cluster is, by what was told."""

    remote: bool
    state: str
    """Running; Pending: not known, or silent for a while; Unknown: gone, if it is a remote one for too long."""
    silent_since: float | None = None


class Told:
    """All that an engine was told, and the admissions that it decided."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self.engine = engine
        self._now = clock
        self.jobs: dict[str, Job] = {}
        """Every Job that was told and not told gone, finished ones too, as last told."""
        self.queues: dict[str, JobQueue] = {}
        self.pools: dict[str, ClusterPool] = {}
        self.turned: dict[str, float] = {}
        """When each pool came, or came to be of another kind."""
        self.told_at: dict[str, float] = {}
        """When each Job was told first, by UID."""
        self.health: dict[tuple[str, str], Health] = {}
        """By pool and cluster."""
        self.environments: dict[str, ComputeEnvironment] = {}
        self.policies: dict[str, SchedulingPolicy] = {}
        self.readings: dict[str, ScaleReading] = {}
        """What each scale said when it was last read."""
        self.assumed: dict[str, Admission] = {}
        """Admissions decided and not known to have come to nothing."""
        self.decided: dict[str, float] = {}
        """When each admission was decided, also after the watch has shown it."""
        self.anchors: dict[RunKey, set[str]] = defaultdict(set)
        self.ended_in: dict[str, str] = {}
        """The run, by its key, of each Job that has finished, as it was then."""
        self.open: dict[str, int] = {}
        """resourceVersion of the write under way, by UID."""
        self.found_finished: set[str] = set()
        """Jobs that had finished when they were told for the first time."""
        self.succeeded: set[tuple[str, str]] = set()
        """Namespace and name of every Job that was seen to succeed."""
        self.failed: dict[tuple[str, str], set[str]] = defaultdict(set)
        """UIDs by namespace and name of Jobs that were seen to end in another way, and may still be there."""

    @property
    def now(self) -> float:
        return self._now()

    def settle(self) -> None:
        """See to what follows from a fact: here, that runs end."""
        live = {self.key(job.uid) for job in self.live()}
        for key in list(self.anchors):
            if key not in live:
                del self.anchors[key]

    # ---- facts

    def tell_job(self, job: Job) -> None:
        known = self.jobs.get(job.uid)
        if known is not None and job.resource_version <= known.resource_version:
            return
        self.told_at.setdefault(job.uid, self.now)
        was_live = known is not None and known.state is not JobState.FINISHED
        key = self.key(job.uid) if was_live else None
        if known is None and job.state is JobState.FINISHED:
            self.found_finished.add(job.uid)
        self.jobs[job.uid] = job
        self.assumed.pop(job.uid, None)
        self.open.pop(job.uid, None)
        named = (job.namespace, job.name)
        if job.state is JobState.FINISHED:
            if job.uid not in self.ended_in:
                self.ended_in[job.uid] = (key or self.key(job.uid))[1]
            if job.result == "succeeded":
                self.succeeded.add(named)
            else:
                self.failed[named].add(job.uid)
        if key is not None and known is not None:
            finished_admitted = job.state is JobState.FINISHED and job.admitted_at is not None
            if finished_admitted and known.queue == job.queue:
                self.anchors[key].add(job.uid)
        self.settle()

    def tell_gone(self, uid: str) -> None:
        self.jobs.pop(uid, None)
        self.ended_in.pop(uid, None)
        self.found_finished.discard(uid)
        self.assumed.pop(uid, None)
        self.open.pop(uid, None)
        for uids in self.failed.values():
            uids.discard(uid)
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
        self.queue_changed(known, queue)
        self.settle()

    def queue_changed(self, before: JobQueue | None, after: JobQueue) -> None:
        """See to what follows from another spec, where memory is concerned."""

    def tell_queue_gone(self, name: str) -> None:
        self.queues.pop(name, None)
        self.queue_gone(name)
        self.settle()

    def queue_gone(self, name: str) -> None:
        """See to what follows from the end of a queue, where memory is concerned."""

    def tell_environment(self, name: str, environment: ComputeEnvironment | None) -> None:
        if environment is None:
            self.environments.pop(name, None)
            self.readings.pop(name, None)
        else:
            self.environments[name] = environment
        self.settle()

    def tell_policy(self, name: str, policy: SchedulingPolicy | None) -> None:
        if policy is None:
            self.policies.pop(name, None)
        else:
            self.policies[name] = policy
        self.settle()

    def tell_reading(self, name: str, reading: ScaleReading | None) -> None:
        if reading is not None:
            self.readings[name] = reading
        self.settle()

    def tell_pool(self, name: str, pool: ClusterPool | None) -> None:
        before = self.pools.pop(name, None)
        if pool is not None and before is not None and _is_older(pool, before):
            pool = before
        known = {key: self.health.pop(key) for key in list(self.health) if key[0] == name}
        if pool is not None:
            self.pools[name] = pool
            written = {one.name: one.not_ready_since for one in pool.status.clusters}
            for member in pool.spec.clusters:
                remote = not member.local
                health = known.get((name, member.name))
                if health is None or health.remote is not remote:
                    since = seconds(written.get(member.name)) or None
                    health = Health(remote, "Pending", since) if remote else Health(remote, "Running")
                self.health[name, member.name] = health
            if before is None or before.spec.remote is not pool.spec.remote:
                self.turned[name] = self.now
                self.pool_turned(name)
        self.settle()

    def pool_turned(self, name: str) -> None:
        """See to what follows from a pool that comes, or that is of another kind, where memory is concerned."""

    def tell_probe(self, pool: str, cluster: str, *, answers: bool) -> None:
        health = self.health.get((pool, cluster))
        if health is None:
            return
        if answers:
            health.state, health.silent_since = "Running", None
        else:
            if health.silent_since is None:
                health.silent_since = self.now
            patience = self.pools[pool].spec.lost_after_seconds if health.remote else 0
            health.state = "Unknown" if self.now >= health.silent_since + patience else "Pending"
        self.settle()

    def tell_held(self, pool: str, cluster: str) -> None:
        health = self.health.get((pool, cluster))
        if health is not None and health.state == "Running":
            health.state = "Pending"
        self.settle()

    def tell_loaded(self) -> None:
        """A full list: what finished while another Job of its run was there already goes on in that one."""
        self.settle()
        for uid in self.found_finished:
            job, key = self.jobs[uid], self.key(uid)
            live = [other for other in self.live() if self.key(other.uid) == key]
            if job.admitted_at is not None and any(
                (other.created, other.resource_version) < (job.finished_at, job.resource_version)
                for other in live
            ):
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
        return self.assumed[job.uid].cluster if job.uid in self.assumed else job.cluster or ""

    def environment_of(self, job: Job) -> str | None:
        return self.assumed[job.uid].environment if job.uid in self.assumed else job.environment

    def place_of(self, job: Job) -> Place | None:
        """Environment and cluster of an active Job, if it was admitted to an environment."""
        environment = self.environment_of(job)
        return (environment, self.cluster_of(job)) if environment is not None else None

    def end_of(self, job: Job) -> float:
        """When an active Job ends at the latest."""
        if job.deadline is None:
            return inf
        start = job.started_at or self.decided.get(job.uid) or seconds(job.admitted_at)
        return start + job.deadline

    def key(self, uid: str) -> RunKey:
        """The run a Job belongs to: by its label, with the admitted Job that owns it, or alone.

        Owners may have owners: it belongs to the run of the topmost, if that is not too many levels above.
        """
        queue = self.jobs[uid].queue
        line = [self.jobs[uid]]
        while (owner := self._admitted_owner(line[-1])) is not None and line[-1].uid not in self.ended_in:
            line.append(owner)
            if owner.uid not in self.ended_in and len(line) > kinship.MOST_LEVELS + 1:
                return queue, _own_key(line[0])
        return queue, self.ended_in.get(line[-1].uid) or _own_key(line[-1])

    def _admitted_owner(self, job: Job) -> Job | None:
        """The admitted Job with which a Job counts that has no label of its own."""
        owner = self.jobs.get(job.owner_uid or "") if job.run_label is None else None
        if owner is not None and (owner.state is JobState.ACTIVE or self._was_admitted(owner)):
            return owner
        return None

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
        return [
            name for name in wanted if members[name] and self.health[queue.spec.pool, name].state == "Running"
        ]

    def pool_of(self, job: Job) -> str:
        """The pool that a Job was accepted into, or its queue's; empty where nobody has told of either."""
        queue = self.queues.get(job.queue)
        return job.pool or (queue.spec.pool if queue is not None else "")

    def is_given_up(self, pool: str, cluster: str) -> bool:
        """Whether the Jobs of a pool go back to their queues from a cluster."""
        if pool not in self.pools or self.pools[pool].spec.on_cluster_lost != "Requeue":
            return False
        health = self.health.get((pool, cluster))
        return health is None or (health.remote and health.state == "Unknown")

    def is_stranded(self, job: Job) -> bool:
        """Whether a Job was not made for the clusters of its queue's pool."""
        queue = self.queues.get(job.queue)
        pool = self.pools.get(queue.spec.pool) if queue is not None else None
        return pool is not None and job.managed is not pool.spec.remote

    def has_waited_in_vain(self, job: Job) -> bool:
        """Whether a Job was not made for the clusters that its queue's pool has had for a minute."""
        queue = self.queues[job.queue]
        turned_at, told_at = self.turned[queue.spec.pool], self.told_at[job.uid]
        return (
            self.is_stranded(job)
            and self.pool_of(job) == queue.spec.pool
            and self.now >= max(turned_at, told_at) + STRANDED_SECONDS
        )

    def waits_for(self, job: Job) -> list[str]:
        """The names of the Jobs that a Job depends on and that have not succeeded.

        Who was sent back waits for none: all of them had succeeded when it was let through.
        """
        if job.requeued:
            return []
        return [name for name in job.depends_on if (job.namespace, name) not in self.succeeded]

    def ring(self, job: Job) -> bool:
        """Whether a Job waits, over whatever others that wait too, for itself."""
        live = {(other.namespace, other.name): other for other in self.live() if not self.is_active(other)}
        reached: set[str] = set()
        ahead = self.waits_for(job)
        while ahead:
            name = ahead.pop()
            other = live.get((job.namespace, name))
            if other is None or name in reached:
                continue
            if other.uid == job.uid:
                return True
            reached.add(name)
            ahead += self.waits_for(other)
        return False

    def depends_on_failed(self, job: Job) -> bool:
        return not job.requeued and any(self.failed.get((job.namespace, name)) for name in job.depends_on)

    def predecessor(self, job: Job) -> Place | None:
        """Where the Job that this one repeats runs or ran, if it is still there; no two have one name here."""
        for other in self.jobs.values():
            if (other.namespace, other.name) == (job.namespace, job.retry_of):
                cluster = self.cluster_of(other)
                return (self.environment_of(other) or "", cluster) if cluster else None
        return None


def _own_key(job: Job) -> str:
    return job.uid if job.run_label is None else f"{job.namespace}/{job.run_label}"


def _is_older(resource: Resource, other: Resource) -> bool:
    one, two = resource.metadata, other.metadata
    return one.uid == two.uid and int(one.resource_version) < int(two.resource_version)


def seconds(stamp: str | None) -> float:
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
