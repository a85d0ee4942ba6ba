"""What the status of a queue and of a pool should say.

Statuses are computed whole, from what the engine holds, and compared with what stands in the API server: an
unchanged world causes no write, and a status that somebody mangled is put right by the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.api.clusterpool import ClusterPoolStatus, PoolClusterStatus
from headgate.api.jobqueue_status import (
    Accounting,
    DepthUsage,
    DispatchStatus,
    HeadStatus,
    JobCounts,
    JobQueueStatus,
    QueueCluster,
    QueueEnvironmentStatus,
    ShareStatus,
    Usage,
)
from headgate.api.meta import Condition, set_condition
from headgate.api.names import CONDITION_ACCEPTING as ACCEPTING
from headgate.api.names import CONDITION_DISPATCHING as DISPATCHING
from headgate.api.names import CONDITION_READY as READY
from headgate.api.names import CONDITION_RECONCILING as RECONCILING
from headgate.api.names import CONDITION_STALLED as STALLED
from headgate.api.names import CREATED_BY_ANNOTATION, PAUSED_BY_ANNOTATION
from headgate.api.times import precise_timestamp, timestamp
from headgate.engine.messages import CONDITION_MESSAGE_MAX, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.engine.occupancy import Occupancy
    from headgate.engine.pool import Pool
    from headgate.engine.queue import Queue

ON_THE_WAY: Final = frozenset({"Draining", "Sealing", "Terminating"})


class Aspect(NamedTuple):
    """A condition before it has a time."""

    type: str
    holds: bool
    reason: str
    message: str


def queue_status(queue: Queue, observed_version: int, now: str) -> JobQueueStatus:
    """Return the status of a queue that has a JobQueue.

    `observed_version` is the newest resourceVersion of Jobs taken in; `now` is an RFC 3339 time. Times and the
    watermark of the status that stands in the API server are kept as long as nothing else changes.
    """
    assert queue.resource is not None
    spec, metadata, before = queue.resource.spec, queue.resource.metadata, queue.resource.status
    finished = queue.tally.by_result
    clusters = queue.pool_clusters or {}
    status = JobQueueStatus(
        state=queue.lifecycle.state,
        jobs=JobCounts(
            total=queue.live + sum(finished.values()),
            waiting=queue.waiting,
            active=queue.active,
            succeeded=finished["succeeded"],
            failed=finished["failed"],
            canceled=finished["canceled"],
            timed_out=finished["timedOut"],
        ),
        runs=Usage(active=queue.active_runs, limit=spec.run_concurrency),
        actions=Usage(active=queue.active, limit=spec.action_concurrency),
        depth=DepthUsage(current=queue.live, limit=spec.depth),
        clusters=[
            QueueCluster(name=name, state=clusters[name].shown_state, active=queue.active_on.get(name, 0))
            for name in queue.reach.names
        ],
        compute_environments=[
            QueueEnvironmentStatus(name=one.name, order=one.order, active=queue.active_in.get(one.name, 0))
            for one in sorted(spec.compute_environments, key=lambda one: one.order)
        ],
        shares=_shares(queue),
        head=_head(queue),
        dispatch=_dispatch(queue, before, now),
        created_by=metadata.annotations.get(CREATED_BY_ANNOTATION),
        drained_at=(before.drained_at or now) if queue.lifecycle.state == "Drained" else None,
        last_admitted_at=queue.last_admitted_at,
        accounting=before.accounting,
        observed_generation=queue.observed_generation,
        conditions=conditions_of(before.conditions, _aspects(queue), queue.observed_generation, now),
    )
    floor = queue.depth.floor
    accounting = before.accounting
    if (
        status == before
        and not queue.tally.stale_watermark
        and accounting is not None
        and accounting.resource_version.isdecimal()
        and accounting.depth_floor == floor
    ):
        return before
    accounting = Accounting(resource_version=str(observed_version), depth_floor=floor)
    return status.model_copy(update={"accounting": accounting})


def pool_status(pool: Pool, occupancy: Occupancy, now: str) -> ClusterPoolStatus:
    """Return the status of a pool that has a ClusterPool; `now` is an RFC 3339 time."""
    assert pool.resource is not None
    before = pool.resource.status
    probed = {cluster.name: cluster for cluster in before.clusters}
    clusters = []
    for name, cluster in (pool.clusters or {}).items():
        fresh = PoolClusterStatus(
            name=name,
            state=cluster.shown_state,
            version=cluster.version or None,
            message=shortened(cluster.message) or None,
            active=occupancy.on(pool.name, name),
            not_ready_since=timestamp(cluster.silent_since) if cluster.silent_since is not None else None,
        )
        known = probed.get(name)
        # The time of the probe that found something new: one of every probe would be a write of every probe.
        same = (
            known is not None
            and known.model_copy(update={"active": fresh.active, "last_probe_time": None}) == fresh
        )
        since = known.last_probe_time if known is not None and same else now
        clusters.append(fresh.model_copy(update={"last_probe_time": since}))
    generation = pool.resource.metadata.generation
    return ClusterPoolStatus(
        clusters=clusters,
        queues=len(pool.queues),
        observed_generation=generation,
        conditions=conditions_of(before.conditions, _pool_aspects(pool), generation, now),
    )


def _head(queue: Queue) -> HeadStatus | None:
    head = queue.head
    if head is None:
        return None
    return HeadStatus(
        namespace=head.job.namespace,
        name=head.job.name,
        uid=head.job.uid,
        reason=head.reason,
        message=shortened(head.message),
        since=timestamp(head.since),
    )


def _shares(queue: Queue) -> list[ShareStatus]:
    """Return what is known of each share as of the last change of its own: time alone changes no status."""
    if queue.shares is None:
        return []
    return [
        ShareStatus(
            identifier=share.identifier,
            waiting=share.waiting,
            active=share.active,
            usage=f"{share.running + share.average:.6f}",
            average=f"{share.average:.6f}",
            usage_at=precise_timestamp(share.at),
        )
        for share in queue.shares.notable()
    ]


def _dispatch(queue: Queue, before: JobQueueStatus, now: str) -> DispatchStatus:
    assert queue.resource is not None
    spec = queue.resource.spec.dispatch
    if not spec.paused:
        return DispatchStatus(paused=False)
    known = before.dispatch
    return DispatchStatus(
        paused=True,
        paused_by=queue.resource.metadata.annotations.get(PAUSED_BY_ANNOTATION),
        paused_at=known.paused_at if known is not None and known.paused_at else now,
        note=spec.note or None,
    )


def _aspects(queue: Queue) -> list[Aspect]:
    assert queue.resource is not None
    name, state, stall = queue.name, queue.lifecycle.state, queue.stall
    broken = queue.broken
    problem = ("InvalidSpec", broken) if broken else stall
    on_the_way = state in ON_THE_WAY
    if on_the_way:
        progress = f"{queue.live} live Jobs are left"
        if queue.paused and queue.waiting:
            progress += f"; the queue is paused, so {queue.waiting} of them wait and it makes no progress"
    else:
        progress = f"the queue is {state.lower()}"
    return [
        Aspect(READY, False, *problem) if problem else Aspect(READY, True, state, progress),
        Aspect(ACCEPTING, True, state, "new Jobs are accepted")
        if queue.lifecycle.accepts
        else Aspect(ACCEPTING, False, state, f'new Jobs are refused: JobQueue "{name}" is {state}'),
        _dispatching(queue, state),
        Aspect(RECONCILING, on_the_way, state, progress),
        Aspect(STALLED, True, *problem)
        if problem
        else Aspect(STALLED, False, "AsWanted", "nothing is in the way"),
    ]


def _dispatching(queue: Queue, state: str) -> Aspect:
    assert queue.resource is not None
    spec, stall = queue.resource.spec, queue.stall
    if not queue.lifecycle.admits:
        return Aspect(DISPATCHING, False, state, f"the queue is {state}: no Job is admitted")
    if queue.paused:
        by = queue.resource.metadata.annotations.get(PAUSED_BY_ANNOTATION)
        who = f" by {by}" if by else ""
        why = f": {spec.dispatch.note}" if spec.dispatch.note else ""
        return Aspect(
            DISPATCHING, False, "Paused", f"paused{who}{why}; set spec.dispatch.paused to false to go on"
        )
    if stall is not None:
        return Aspect(DISPATCHING, False, *stall)
    return Aspect(DISPATCHING, True, "Open", "waiting Jobs are admitted as the limits allow")


def _pool_aspects(pool: Pool) -> list[Aspect]:
    clusters = (pool.clusters or {}).values()
    takers = sum(cluster.takes_jobs for cluster in clusters)
    if pool.broken:
        problem: tuple[str, str] | None = ("InvalidSpec", pool.broken)
    elif not clusters:
        problem = (
            "NoClusters",
            "spec.clusters is empty: add a cluster, for example {name: local, local: true}",
        )
    elif not takers:
        problem = ("NoHealthyCluster", "no cluster of the pool is enabled and healthy")
    else:
        problem = None
    return health_aspects(problem, "Available", f"{takers} of {len(clusters)} clusters take Jobs")


def health_aspects(problem: tuple[str, str] | None, reason: str, message: str) -> list[Aspect]:
    """Return Ready, Reconciling and Stalled of an object that has a problem, or that is as it should be."""
    return [
        Aspect(READY, False, *problem) if problem else Aspect(READY, True, reason, message),
        Aspect(RECONCILING, False, "Settled", message),
        Aspect(STALLED, True, *problem)
        if problem
        else Aspect(STALLED, False, "AsWanted", "nothing is in the way"),
    ]


def conditions_of(
    before: Iterable[Condition], aspects: Iterable[Aspect], generation: int, now: str
) -> list[Condition]:
    """Return the conditions of an object with these aspects put in; `now` is an RFC 3339 time."""
    conditions = list(before)
    for aspect in aspects:
        new = Condition(
            type=aspect.type,
            status="True" if aspect.holds else "False",
            observed_generation=generation,
            last_transition_time=now,
            reason=aspect.reason,
            message=shortened(aspect.message, CONDITION_MESSAGE_MAX),
        )
        conditions = set_condition(conditions, new)
    return conditions
