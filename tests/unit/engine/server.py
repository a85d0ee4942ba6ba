"""A simulated API server with a Job controller, and the independent recorder of section 8.

It knows objects, resourceVersions and what the policies of section 7 refuse. Everything the recorder asserts is
read from the server's own history, never from the engine's words.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tests.builders import a_policy, a_pool, a_queue, an_environment, copy_of, stamp

from headgate.api.clusterpool import ClusterPoolStatus
from headgate.api.computeenvironment import ComputeEnvironmentStatus
from headgate.api.jobqueue_status import JobQueueStatus
from headgate.api.times import timestamp
from headgate.engine.decisions import Admit, Cancel, Requeue
from headgate.engine.environments import ScaleReading
from headgate.engine.job import Job, JobState

if TYPE_CHECKING:
    from headgate.api.clusterpool import ClusterPool
    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.api.job import Outcome
    from headgate.api.jobqueue import JobQueue, JobQueueSpec
    from headgate.api.schedulingpolicy import SchedulingPolicy
    from headgate.engine.decisions import Write

Verdict = Literal["ok", "conflict", "refused"]
Kind = Literal["job", "queue", "pool", "environment", "policy"]
Resources = dict[str, int]

OUTCOME: dict[str, Outcome] = {
    "Canceled": "canceled",
    "QueueFull": "canceled",
    "DependencyFailed": "canceled",
    "DependencyCycle": "canceled",
    "WrongManager": "canceled",
    "TimedOut": "timedOut",
}


class Event(NamedTuple):
    """One line of a watch; `value` is None for what was deleted."""

    name: str
    version: int
    value: Any


class Entry(NamedTuple):
    """How it was when a Job came into its queue."""

    live: int
    generation: int
    version: int


class Tenancy(NamedTuple):
    """What an admission took of a room, and what the room had when that was decided."""

    taken: Resources
    capacity: Resources


class Server:
    """All objects, all watches, one clock."""

    def __init__(self) -> None:
        self.version = 100
        self.now = 1_000.0
        self.jobs: dict[str, Job] = {}
        self.queues: dict[str, JobQueue] = {}
        self.pools: dict[str, ClusterPool] = {}
        self.dead: set[str] = set()
        """Clusters that do not answer."""
        self.kinds: dict[str, list[bool]] = defaultdict(list)
        """By name of a pool: whether its clusters were remote ones, each time that it was created, in order."""
        self.environments: dict[str, ComputeEnvironment] = {}
        self.policies: dict[str, SchedulingPolicy] = {}
        self.scales: dict[str, ScaleReading] = {}
        """What each environment's target has: the replicas asked for, and those that are there."""
        self.events: dict[Kind, list[Event]] = {
            kind: [] for kind in ("job", "queue", "pool", "environment", "policy")
        }
        self.tenancies: dict[str, Tenancy] = {}
        """By UID of the Job."""

        self.specs: dict[str, dict[int, JobQueueSpec]] = {}
        """Every spec that a queue has had, by generation."""
        self.former: dict[str, list[JobQueueSpec]] = {}
        """By name of a queue that was deleted: the specs that were in force then."""
        self.last_terminated: dict[str, int] = {}
        """The version at which a Terminated queue was deleted, by name."""
        self.admitted: set[str] = set()
        self.going: set[tuple[str, str]] = set()
        """Runs by queue and key, from their first admission until none of their Jobs waits or runs."""
        self.entries: dict[tuple[str, str], Entry] = {}
        """By UID of the Job and name of the queue it came into."""
        self.moved: set[str] = set()
        self.relabeled: set[str] = set()
        """Queues of which an active Job was given to another share: who starts anew cannot tell whose its past is."""
        self.ending: dict[str, Outcome] = {}
        """What becomes of each Job that is being cancelled, when the Job controller gets to it."""
        self.finish_version: dict[str, int] = {}
        self.buried: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        """Finished and deleted Jobs by queue and result."""
        self._count = 0

    # ---- users

    def put_pool(self, name: str, clusters: str, *, remote: bool = False, **spec: Any) -> None:
        """Create a pool, or change one: a pool of remote clusters stays one."""
        known = self.pools.get(name)
        if known is None:
            self.kinds[name].append(remote)
        self.version += 1
        self._put_pool(
            a_pool(
                name,
                clusters,
                remote=self.kinds[name][-1],
                uid=known.metadata.uid if known else f"{name}-{self.version}",
                version=self.version,
                status=known.status if known else None,
                **spec,
            )
        )

    def delete_pool(self, name: str) -> None:
        if self.pools.pop(name, None) is not None:
            self._emit("pool", name, None)

    def put_environment(self, name: str, **fields: Any) -> None:
        """Create an environment, or change one."""
        known = self.environments.get(name)
        self.version += 1
        environment = an_environment(
            name,
            uid=known.metadata.uid if known else f"{name}-{self.version}",
            generation=known.metadata.generation + 1 if known else 1,
            version=self.version,
            status=known.status if known else None,
            **fields,
        )
        self._put_environment(environment)
        if environment.spec.scaling is not None:
            self.scales.setdefault(name, ScaleReading(0, 0))

    def delete_environment(self, name: str) -> None:
        if self.environments.pop(name, None) is not None:
            self._emit("environment", name, None)

    def put_policy(self, name: str, **fields: Any) -> None:
        known = self.policies.get(name)
        self.version += 1
        policy = a_policy(
            name,
            uid=known.metadata.uid if known else f"{name}-{self.version}",
            generation=known.metadata.generation + 1 if known else 1,
            version=self.version,
            **fields,
        )
        self.policies[name] = policy
        self.events["policy"].append(Event(name, self.version, policy))

    def delete_policy(self, name: str) -> None:
        if self.policies.pop(name, None) is not None:
            self._emit("policy", name, None)

    def machines_come(self, name: str) -> None:
        """The target of an environment has as many replicas as it is asked for."""
        if name in self.scales:
            self.scales[name] = ScaleReading(self.scales[name].replicas, self.scales[name].replicas)

    def create_queue(self, name: str, **spec: Any) -> None:
        assert name not in self.queues
        self.buried.pop(name, None)
        self.version += 1
        queue = a_queue(name, uid=f"{name}-{self.version}", version=self.version, **spec)
        metadata = queue.metadata.model_copy(update={"creation_timestamp": timestamp(self.now)})
        queue = queue.model_copy(update={"metadata": metadata})
        self.specs[name] = {1: queue.spec}
        self._put_queue(queue)

    def change_queue(self, name: str, **spec: Any) -> None:
        queue = self.queues[name]
        new = queue.spec.model_copy(update=spec)
        if new == queue.spec:
            return
        generation = queue.metadata.generation + 1
        self.version += 1
        metadata = queue.metadata.model_copy(
            update={"generation": generation, "resource_version": str(self.version)}
        )
        self.specs[name][generation] = new
        self._put_queue(queue.model_copy(update={"metadata": metadata, "spec": new}))

    def delete_queue(self, name: str) -> None:
        """Refused, as the policy does it, while anything in it is live."""
        if not self.live(name):
            if self.queues[name].spec.state == "Terminated":
                self.last_terminated[name] = self.version
            self.former[name] = self._in_force(self.queues[name])
            del self.queues[name]
            self._emit("queue", name, None)

    def write_status(self, seen: JobQueue, status: JobQueueStatus) -> JobQueue | None:
        """Write a queue's status if it still is as seen; None if it is not."""
        queue = self.queues.get(seen.name)
        if queue is None or queue.metadata.resource_version != seen.metadata.resource_version:
            return None
        self.version += 1
        metadata = queue.metadata.model_copy(update={"resource_version": str(self.version)})
        queue = queue.model_copy(
            update={"metadata": metadata, "status": JobQueueStatus.model_validate(status.to_dict())}
        )
        self._put_queue(queue)
        return queue

    def write_pool_status(self, seen: ClusterPool, status: ClusterPoolStatus) -> ClusterPool | None:
        """Write a pool's status if it still is as seen; None if it is not."""
        pool = self.pools.get(seen.name)
        if pool is None or pool.metadata.resource_version != seen.metadata.resource_version:
            return None
        self.version += 1
        metadata = pool.metadata.model_copy(update={"resource_version": str(self.version)})
        status = ClusterPoolStatus.model_validate(status.to_dict())
        pool = pool.model_copy(update={"metadata": metadata, "status": status})
        self._put_pool(pool)
        return pool

    def write_environment_status(
        self, seen: ComputeEnvironment, status: ComputeEnvironmentStatus
    ) -> ComputeEnvironment | None:
        """Write an environment's status if it still is as seen; None if it is not."""
        environment = self.environments.get(seen.name)
        if environment is None or environment.metadata.resource_version != seen.metadata.resource_version:
            return None
        self.version += 1
        metadata = environment.metadata.model_copy(update={"resource_version": str(self.version)})
        status = ComputeEnvironmentStatus.model_validate(status.to_dict())
        environment = environment.model_copy(update={"metadata": metadata, "status": status})
        self._put_environment(environment)
        return environment

    def submit(self, queue: str, **fields: Any) -> str:
        """Create a Job. The depth is not checked: the engine sees what slips past a status that lags."""
        self._count += 1
        uid = f"j{self._count:04}"
        self.version += 1
        fields = {"state": JobState.WAITING} | fields
        job = Job(
            uid=uid,
            name=uid,
            queue=queue,
            resource_version=self.version,
            created=int(self.now),
            **fields,
        )
        self._enters(job)
        self._put_job(job)
        return uid

    def update(self, uid: str, **fields: Any) -> None:
        self.version += 1
        before = self.jobs[uid]
        job = copy_of(before, resource_version=self.version, **fields)
        if job.queue != before.queue:
            self._enters(job)
            self.moved.add(uid)
        if before.state is JobState.ACTIVE and (job.share, job.project) != (before.share, before.project):
            self.relabeled.add(job.queue)
        if uid in self.tenancies:
            known, now = self.tenancies[uid], dict(job.request.total)
            less = {name: min(amount, now.get(name, 0)) for name, amount in known.taken.items()}
            self.tenancies[uid] = known._replace(taken=less)
        self._put_job(job)

    def start(self, uid: str) -> None:
        """The Job controller gets to a Job that was let through: it has a startTime."""
        self.update(uid, started_at=int(self.now))

    def finish(self, uid: str, result: Outcome) -> None:
        self.update(uid, state=JobState.FINISHED, result=result, finished_at=int(self.now), canceling=False)
        self.finish_version[uid] = self.version
        self.ending.pop(uid, None)

    def delete(self, uid: str) -> None:
        job = self.jobs.pop(uid)
        if job.result is not None:
            self.buried[job.queue][job.result] += 1
        self.ending.pop(uid, None)
        self._emit("job", uid, None)

    # ---- the operator's writes

    def land(self, write: Write, admitted_at: str = "", capacity: Resources | None = None) -> Verdict:
        """Apply a write, if the Job still is as it was seen.

        With an admission comes what the room had, by all that the operator had been told when it decided.
        """
        job = self.jobs.get(write.job.uid)
        if job is None or job.resource_version != write.resource_version:
            return "conflict"
        if isinstance(write, Admit):
            goes_on = (job.queue, self._run(job)) in self.going
            self._record_admission(job, write)
            self.update(
                job.uid,
                state=JobState.ACTIVE,
                cluster=write.cluster,
                environment=write.environment,
                admitted_at=admitted_at or stamp(self.now),
                started_at=int(self.now) if self.version % 3 else 0,
            )
            self._record_limits(self.jobs[job.uid], goes_on)
            if write.environment is not None:
                self.tenancies[job.uid] = Tenancy(dict(job.request.total), capacity or {})
                self._record_room(write.environment, write.cluster)
            self.going.add((job.queue, self._run(job)))
        elif isinstance(write, Requeue):
            assert job.state is JobState.ACTIVE
            assert job.managed
            assert not job.canceling
            assert job.cluster == write.cluster
            self.admitted.discard(job.uid)
            self.tenancies.pop(job.uid, None)
            if self._runs_alone(job):
                self.going.discard((job.queue, self._run(job)))
            self.update(
                job.uid,
                state=JobState.WAITING,
                cluster=None,
                environment=None,
                admitted_at=None,
                requeued=True,
            )
        elif isinstance(write, Cancel):
            assert job.state is not JobState.FINISHED
            self.ending[job.uid] = OUTCOME[write.reason]
            self.update(job.uid, canceling=True, started_at=job.started_at or int(self.now))
        elif job.state is not JobState.WAITING:
            assert job.state is JobState.UNADMITTED
            self.update(job.uid, state=JobState.WAITING)
        return "ok"

    # ---- the record

    def live(self, queue: str) -> list[Job]:
        return [j for j in self.jobs.values() if j.queue == queue and j.state is not JobState.FINISHED]

    def listed(self) -> list[Job]:
        """All Jobs in the order in which a list tells them."""
        return sorted(self.jobs.values(), key=lambda job: (job.created, job.uid))

    def leftovers(self) -> list[str]:
        """The proxies that were sent back while it was written that they run."""
        return [
            job.uid
            for job in self.jobs.values()
            if job.state is JobState.WAITING and job.managed and job.started_at and not job.canceling
        ]

    def watermark(self, queue: str) -> int:
        """Up to which version of Jobs the written totals are complete."""
        known = self.queues.get(queue)
        accounting = known.status.accounting if known is not None else None
        return int(accounting.resource_version) if accounting is not None else 0

    def is_counted(self, uid: str) -> bool:
        """Whether a finished Job is contained in totals that were written: it may be deleted or changed.

        The documented exception of the totals: a finished Job that goes, or changes, before they are written.
        """
        queue = self.jobs[uid].queue
        return queue not in self.queues or self.finish_version[uid] <= self.watermark(queue)

    def is_exact(self, queue: str) -> bool:
        """Whether an operator that starts now can tell which finished Jobs the written totals contain."""
        watermark = self.watermark(queue)
        return not any(
            self.finish_version[job.uid] <= watermark < job.resource_version
            for job in self.jobs.values()
            if job.queue == queue and job.state is JobState.FINISHED
        )

    def may_be_excess(self, uid: str, name: str) -> bool:
        """Whether the queue was full when the Job came, by a spec that stood then or stands since."""
        entry = self.entries[uid, name]
        return any(
            generation >= entry.generation and 0 < spec.depth <= entry.live
            for generation, spec in self.specs[name].items()
        )

    def was_terminated(self, uid: str, name: str) -> bool:
        """Whether the queue of a Job has been Terminated at any time since the Job came."""
        queue = self.queues.get(name)
        now = queue is not None and queue.spec.state == "Terminated"
        return now or self.last_terminated.get(name, 0) >= self.entries[uid, name].version

    def _record_admission(self, job: Job, write: Admit) -> None:
        cluster, environment = write.cluster, write.environment
        assert job.state is JobState.WAITING, "admitted although it does not wait"
        assert job.uid not in self.admitted, "admitted twice"
        assert not job.canceling
        assert not job.held
        assert not (job.managed and job.started_at), "it is not yet written that it runs no more"
        assert job.error is None
        assert job.requeued or all(self._has_succeeded(job.namespace, name) for name in job.depends_on), (
            "too early"
        )
        self.admitted.add(job.uid)
        queue = self.queues.get(job.queue)
        if queue is None:
            return
        assert job.pool in (None, queue.spec.pool), "through the wall of the pool"
        assert cluster.startswith(queue.spec.pool), "onto a cluster of another pool"
        assert job.managed in self.kinds[queue.spec.pool], "not made for the clusters of the pool"
        assert any(
            not spec.dispatch.paused
            and spec.state != "Terminated"
            and (spec.clusters == ["*"] or cluster in spec.clusters)
            and (environment or "") in ({one.name for one in spec.compute_environments} or {""})
            for spec in self._in_force(queue)
        ), "no spec that may be in force lets it through"

    def _record_limits(self, job: Job, goes_on: bool) -> None:
        """Check the limits; one more Job of a run that goes on does not count against the limit of runs."""
        queue = self.queues.get(job.queue)
        if queue is None:
            return
        active = [other for other in self.live(job.queue) if other.state is JobState.ACTIVE]
        runs = {self._run(other) for other in active}
        assert any(
            (not spec.action_concurrency or len(active) <= spec.action_concurrency)
            and (goes_on or not spec.run_concurrency or len(runs) <= spec.run_concurrency)
            for spec in self._in_force(queue)
        ), f"{len(active)} active, {len(runs)} runs"

    def _record_room(self, environment: str, cluster: str) -> None:
        """Check that what is there fits into what one of those who are there was promised.

        Where a capacity was lowered or a request raised meanwhile, nobody who came before can be blamed.
        """
        there = [
            self.tenancies[job.uid]
            for job in self.jobs.values()
            if job.state is JobState.ACTIVE and (job.environment, job.cluster) == (environment, cluster)
        ]
        for name in {name for tenancy in there for name in tenancy.capacity}:
            if all(name in tenancy.capacity for tenancy in there):
                used = sum(tenancy.taken.get(name, 0) for tenancy in there)
                most = max(tenancy.capacity[name] for tenancy in there)
                assert used <= most, f"{used} {name} used in {environment} on {cluster}, there are {most}"

    def _has_succeeded(self, namespace: str, name: str) -> bool:
        """Whether a Job has ever succeeded. Names are not used twice here."""
        return "succeeded" in self._results(namespace, name)

    def has_ended_badly(self, namespace: str, name: str) -> bool:
        """Whether a Job has ever ended without success."""
        return bool(self._results(namespace, name) - {"succeeded"})

    def _results(self, namespace: str, name: str) -> set[Outcome]:
        jobs = (event.value for event in self.events["job"] if event.name == name)
        return {job.result for job in jobs if job is not None and job.namespace == namespace and job.result}

    def _in_force(self, queue: JobQueue) -> list[JobQueueSpec]:
        """The specs under which an admission that lands now may have been decided.

        That is the promise of status.observedGeneration: nothing decided under an older one can still land, of this
        queue or of the one before it of that name. While there is none, nothing is promised: the operator may not
        have been told yet that there is another queue.
        """
        observed = queue.status.observed_generation or 0
        specs = [spec for generation, spec in self.specs[queue.name].items() if generation >= observed]
        return specs if observed else specs + self.former.get(queue.name, [])

    def _run(self, job: Job) -> str:
        """The run of a Job, or a coarser one where its owner is gone: who counts these never counts too many."""
        if job.run_label is not None:
            return f"{job.namespace}/{job.run_label}"
        owner = self.jobs.get(job.owner_uid or "")
        if owner is None:
            return job.owner_uid or job.uid
        never_admitted = owner.admitted_at is None and not owner.requeued
        return job.uid if never_admitted else self._run(owner)

    def _runs_alone(self, job: Job) -> bool:
        """Whether no other Job was ever of the same run."""
        others = (event.value for event in self.events["job"] if event.name != job.uid)
        return self._run(job) not in {self._run(other) for other in others if other is not None}

    def _enters(self, job: Job) -> None:
        queue = self.queues.get(job.queue)
        generation = queue.metadata.generation if queue is not None else 1
        self.entries[job.uid, job.queue] = Entry(len(self.live(job.queue)), generation, self.version)

    def _put_job(self, job: Job) -> None:
        self.jobs[job.uid] = job
        self.events["job"].append(Event(job.uid, job.resource_version, job))
        self._end_runs()

    def _end_runs(self) -> None:
        live = [job for job in self.jobs.values() if job.state is not JobState.FINISHED]
        # A Job that runs may have been given to another owner, with those that it owns.
        self.going |= {(job.queue, self._run(job)) for job in live if job.state is JobState.ACTIVE}
        self.going &= {(job.queue, self._run(job)) for job in live}

    def _put_queue(self, queue: JobQueue) -> None:
        self.queues[queue.name] = queue
        self.events["queue"].append(Event(queue.name, int(queue.metadata.resource_version), queue))

    def _put_pool(self, pool: ClusterPool) -> None:
        self.pools[pool.name] = pool
        self.events["pool"].append(Event(pool.name, int(pool.metadata.resource_version), pool))

    def _put_environment(self, environment: ComputeEnvironment) -> None:
        self.environments[environment.name] = environment
        self.events["environment"].append(Event(environment.name, self.version, environment))

    def _emit(self, kind: Kind, name: str, value: Any) -> None:
        self.version += 1
        self.events[kind].append(Event(name, self.version, value))
        self._end_runs()


def as_read(job: Job) -> Job:
    """A record of a Job as the edge makes it: what was sent back is held until it is written that it runs no more."""
    leftover = job.managed and job.state is JobState.WAITING and job.started_at > 0
    return copy_of(job, held=job.held or leftover)
