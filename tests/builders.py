"""What a test is given, in one readable line: queues, pools, Jobs, and a small world around the engine."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from headgate.api.clusterpool import (
    ClusterPool,
    ClusterPoolSpec,
    ClusterPoolStatus,
    KubeconfigSecretRef,
    PoolMember,
)
from headgate.api.computeenvironment import ComputeEnvironment, ComputeEnvironmentStatus
from headgate.api.constraints import constraints_of
from headgate.api.jobqueue import Dispatch, JobQueue, JobQueueSpec
from headgate.api.jobqueue_status import JobQueueStatus
from headgate.api.meta import Metadata
from headgate.api.requests import request_of
from headgate.api.schedulingpolicy import SchedulingPolicy, SchedulingPolicyStatus
from headgate.engine.decisions import Admit, Cancel, Confirm, Decision, Notice, Requeue, Suspend, Write
from headgate.engine.engine import Engine
from headgate.engine.environment_status import environment_status, policy_status
from headgate.engine.environments import ScaleReading
from headgate.engine.job import READ_FIELDS, Job, JobState
from headgate.engine.status import pool_status, queue_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.api.constraints import Constraints
    from headgate.api.requests import Request

Resource = JobQueue | ClusterPool | ComputeEnvironment | SchedulingPolicy

W = TypeVar("W", Admit, Cancel, Suspend, Requeue, Confirm, Notice)
R = TypeVar("R", JobQueue, ClusterPool, ComputeEnvironment, SchedulingPolicy)

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
    environments: str = "",
    **spec: Any,
) -> JobQueue:
    """A queue; environments are names in order, with spaces between them."""
    if environments:
        spec["compute_environments"] = [
            {"order": order, "name": name} for order, name in enumerate(environments.split())
        ]
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


def a_pool(
    name: str = "default",
    clusters: str = "local",
    *,
    disabled: str = "",
    remote: bool = False,
    uid: str | None = None,
    version: int | None = None,
    status: ClusterPoolStatus | None = None,
    **spec: Any,
) -> ClusterPool:
    """A pool; clusters are names with spaces between them, of local clusters or of remote ones."""
    off = disabled.split()
    return ClusterPool(
        metadata=Metadata(
            name=name,
            uid=uid or f"uid-of-{name}",
            resource_version=str(version or next_version()),
            generation=1,
        ),
        spec=ClusterPoolSpec(
            clusters=[
                PoolMember(
                    name=cluster,
                    local=not remote,
                    kubeconfig_secret_ref=KubeconfigSecretRef(namespace="secrets", name=cluster)
                    if remote
                    else None,
                    state="Disabled" if cluster in off else "Enabled",
                )
                for cluster in clusters.split()
            ],
            **spec,
        ),
        status=status or ClusterPoolStatus(),
    )


def an_environment(
    name: str = "big",
    capacity: str = "cpu=4",
    *,
    pool: str = "default",
    clusters: str = "*",
    state: str = "Enabled",
    type: str = "OnDemand",
    shape: str = "",
    architecture: str | None = None,
    node_selector: dict[str, str] | None = None,
    tolerations: Sequence[Mapping[str, Any]] = (),
    scaling: tuple[int, int, int] | None = None,
    generation: int = 1,
    uid: str | None = None,
    version: int | None = None,
    status: ComputeEnvironmentStatus | None = None,
) -> ComputeEnvironment:
    """An environment; capacity and shape as in "cpu=4 memory=8Gi", scaling is (min, max, idle timeout)."""
    spec: dict[str, Any] = {
        "pool": pool,
        "clusters": clusters.split(),
        "state": state,
        "type": type,
        "instanceShape": amounts(shape) | ({"architecture": architecture} if architecture else {}),
        "capacity": amounts(capacity),
        "nodeSelector": node_selector or {},
        "tolerations": list(tolerations),
    }
    if scaling is not None:
        least, most, idle = scaling
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "namespace": "nodes"}
        spec["scaling"] = {"targetRef": target, "min": least, "max": most, "idleTimeoutSeconds": idle}
    metadata = {
        "name": name,
        "uid": uid or f"uid-of-{name}",
        "resourceVersion": str(version or next_version()),
        "generation": generation,
    }
    environment = ComputeEnvironment.model_validate({"metadata": metadata, "spec": spec})
    return environment.model_copy(update={"status": status or ComputeEnvironmentStatus()})


def a_policy(
    name: str = "fair",
    weights: Mapping[str, float] | None = None,
    *,
    decay: int = 0,
    reservation: int = 0,
    generation: int = 1,
    uid: str | None = None,
    version: int | None = None,
    status: SchedulingPolicyStatus | None = None,
) -> SchedulingPolicy:
    """A scheduling policy; weights are weight factors by identifier."""
    shares = [{"identifier": who, "weightFactor": float(factor)} for who, factor in (weights or {}).items()]
    fair_share = {"shareDecaySeconds": decay, "computeReservation": reservation, "shares": shares}
    metadata = {
        "name": name,
        "uid": uid or f"uid-of-{name}",
        "resourceVersion": str(version or next_version()),
        "generation": generation,
    }
    policy = SchedulingPolicy.model_validate({"metadata": metadata, "spec": {"fairShare": fair_share}})
    return policy.model_copy(update={"status": status or SchedulingPolicyStatus()})


def amounts(text: str) -> dict[str, str]:
    """Quantities by resource, from "cpu=4 memory=8Gi"."""
    return dict(pair.split("=") for pair in text.split())


def asks(text: str, *, pods: int = 1) -> Request:
    """The request of a Job with so many pods, of which each asks for "cpu=4 memory=8Gi"."""
    container = {"name": "main", "resources": {"requests": amounts(text)}}
    return request_of({"spec": {"parallelism": pods, "template": {"spec": {"containers": [container]}}}})


def placed(template: Mapping[str, Any] | None = None, **node_selector: str) -> Constraints:
    """The constraints of a Job with this pod template, or with this node selector."""
    return constraints_of({"spec": {"template": {"spec": template or {"nodeSelector": node_selector}}}})


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
    cpu: int | str = 0,
    **fields: Any,
) -> Job:
    """A Job as the watch shows it. Its UID is its name, where none is given."""
    if state is JobState.ACTIVE:
        fields = {"admitted_at": stamp(0.0), "cluster": "local"} | fields
    if state is JobState.FINISHED:
        fields = {"result": "succeeded", "finished_at": created} | fields
    if cpu:
        fields = {"request": asks(f"cpu={cpu}")} | fields
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

    def given(self, *facts: Resource | Job) -> World:
        """Tell the engine facts, in this order; Jobs are told as copies of their own."""
        for fact in facts:
            if isinstance(fact, JobQueue):
                self.engine.queue_changed(fact, self.now)
            elif isinstance(fact, ClusterPool):
                self.engine.pool_changed(fact)
            elif isinstance(fact, ComputeEnvironment):
                self.engine.environment_changed(fact, self.now)
            elif isinstance(fact, SchedulingPolicy):
                self.engine.scheduling_policy_changed(fact, self.now)
            else:
                self.jobs[fact.name] = fact
                self.engine.job_seen(copy_of(fact), self.now)
        return self

    when = given

    def listed(self) -> World:
        """Tell the engine all Jobs at once; one that is not in `jobs` any more is gone."""
        version = max((job.resource_version for job in self.jobs.values()), default=0)
        self.engine.listed(map(copy_of, self.jobs.values()), version, self.now)
        return self

    def told(self, jobs: Sequence[Job], *, in_a_list: bool) -> World:
        """Tell the engine Jobs that were created in this order: one by one, or at once."""
        if not in_a_list:
            return self.given(*jobs)
        self.jobs = {job.name: copy_of(job, created=place) for place, job in enumerate(jobs)}
        return self.listed()

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

    def scaled(self, environment: str, replicas: int, ready: int | None = None) -> World:
        """Tell what the scale of an environment says: how many are asked for, and how many are there."""
        reading = ScaleReading(replicas, replicas if ready is None else ready)
        self.engine.environment_scaled(environment, reading, None, self.now)
        return self

    def answers(self, *clusters: str) -> World:
        """Tell that clusters of the default pool are well."""
        for cluster in clusters:
            self.engine.cluster_answered("default", cluster, "v1.37.2", self.now)
        return self

    def silent(self, *clusters: str, message: str = "no answer") -> World:
        """Tell that clusters of the default pool do not answer."""
        for cluster in clusters:
            self.engine.cluster_silent("default", cluster, message, self.now)
        return self

    def later(self, seconds: float) -> World:
        self.now += seconds
        return self

    def restarted(self, *resources: Resource) -> World:
        """Lose the engine and build a new one from what the API server holds."""
        again = World(pool=not any(isinstance(resource, ClusterPool) for resource in resources))
        again.now = self.now
        again.given(*resources)
        again.jobs = dict(self.jobs)
        return again.listed()

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

    def places(self, limit: int = 100) -> dict[str, str | None]:
        """The Jobs let through by one decision, with the environment each goes to."""
        return {d.job.name: d.environment for d in self.of(Admit, limit)}

    def clusters(self, limit: int = 100) -> dict[str, str]:
        """The Jobs let through by one decision, with the cluster each goes to."""
        return {d.job.name: d.cluster for d in self.of(Admit, limit)}

    def requeues(self, limit: int = 100) -> dict[str, str]:
        """The Jobs to be sent back to their queues now, with the cluster that each comes from."""
        return {d.job.name: d.cluster for d in self.of(Requeue, limit)}

    def scales(self) -> dict[str, int]:
        """The environments to be scaled now, and to how many replicas."""
        return {scale.environment: scale.replicas for scale in self.engine.scales(self.now)}

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
                self.changed(
                    name,
                    state=JobState.ACTIVE,
                    admitted_at=stamp(self.now),
                    cluster=write.cluster,
                    environment=write.environment,
                )
            elif isinstance(write, Suspend):
                self.engine.written(write, self.now)
                self.changed(name, state=JobState.WAITING)
            elif isinstance(write, Requeue):
                self.engine.written(write, self.now)
                self.changed(
                    name,
                    state=JobState.WAITING,
                    admitted_at=None,
                    cluster=None,
                    environment=None,
                    requeued=True,
                )
            else:
                self.engine.written(write, self.now)
                self.changed(name, canceling=True)
        return self

    def confirms_waiting(self, name: str) -> World:
        """The API server accepts an open write that leaves a Job as it is: the watch shows nothing."""
        write = self.open.pop(name)
        assert isinstance(write, Suspend)
        self.engine.written(write, self.now)
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
        after = self._written(known.resource, self.status(queue))
        known.tally.stale_watermark = False
        self.engine.queue_changed(after, self.now)
        return after

    def pool_status(self, pool: str = "default") -> ClusterPoolStatus:
        return pool_status(self.engine.pools[pool], self.engine.occupancy, stamp(self.now))

    def write_pool_status(self, pool: str = "default") -> ClusterPool:
        known = self.engine.pools[pool]
        assert known.resource is not None
        after = self._written(known.resource, self.pool_status(pool))
        self.engine.pool_changed(after)
        return after

    def users(self, environment: str) -> list[str]:
        """The queues that name an environment."""
        queues = [queue.resource for queue in self.engine.queues.values() if queue.resource is not None]
        return [q.name for q in queues for one in q.spec.compute_environments if one.name == environment]

    def environment_status(self, name: str = "big") -> ComputeEnvironmentStatus:
        return environment_status(self.engine.environments[name], len(self.users(name)), stamp(self.now))

    def write_environment_status(self, name: str = "big") -> ComputeEnvironment:
        known = self.engine.environments[name]
        assert known.resource is not None
        after = self._written(known.resource, self.environment_status(name))
        self.engine.environment_changed(after, self.now)
        return after

    def policy_status(self, name: str = "fair") -> SchedulingPolicyStatus:
        return policy_status(self.engine.policies[name], stamp(self.now))

    @staticmethod
    def _written(resource: R, status: Any) -> R:
        metadata = resource.metadata.model_copy(update={"resource_version": str(next_version())})
        return resource.model_copy(update={"metadata": metadata, "status": status})


def copy_of(job: Job, **fields: Any) -> Job:
    """A fresh record of a Job as the API server shows it, without what the engine remembers of it."""
    read = {name: getattr(job, name) for name in READ_FROM_THE_SERVER}
    return Job(**(read | fields))


READ_FROM_THE_SERVER = ("uid", *READ_FIELDS, "result", "finished_at")


def stamp(now: float) -> str:
    """A time as it stands in an annotation or a status: to the microsecond, ordered as a string."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
