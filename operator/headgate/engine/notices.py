"""What happened to an object that a person would ask about, read from two of its statuses.

Comparing statuses instead of remembering what was said makes it right through a restart: nothing is told twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.api.meta import find_condition
from headgate.api.names import CONDITION_READY as READY
from headgate.api.names import CONDITION_STALLED as STALLED
from headgate.engine.decisions import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from headgate.api.clusterpool import ClusterPool, ClusterPoolStatus
    from headgate.api.computeenvironment import ComputeEnvironment, ComputeEnvironmentStatus
    from headgate.api.jobqueue import JobQueue
    from headgate.api.jobqueue_status import JobQueueStatus
    from headgate.api.meta import Condition, Resource
    from headgate.api.schedulingpolicy import SchedulingPolicy, SchedulingPolicyStatus
    from headgate.engine.decisions import ResourceKind


def queue_notices(queue: JobQueue, after: JobQueueStatus) -> list[Notice]:
    """Return what to tell of a JobQueue whose status becomes `after`."""
    before = queue.status
    notices = _stall_notices("JobQueue", queue, before.conditions, after.conditions)

    def tell(reason: str, message: str) -> None:
        notices.append(_notice("JobQueue", queue, "Normal", reason, message))

    if after.state is not None and after.state != (before.state or "Active"):
        live = after.depth.current if after.depth else 0
        message = (
            f"{live} live Jobs are left" if after.state.endswith("ing") else f"the queue is {after.state}"
        )
        tell(after.state, message)
    was_paused = before.dispatch is not None and before.dispatch.paused
    if after.dispatch is not None and after.dispatch.paused != was_paused:
        if after.dispatch.paused:
            by = f" by {after.dispatch.paused_by}" if after.dispatch.paused_by else ""
            tell("Paused", f"paused{by}" + (f": {after.dispatch.note}" if after.dispatch.note else ""))
        else:
            tell("Resumed", "waiting Jobs are admitted again")
    return notices


def pool_notices(pool: ClusterPool, after: ClusterPoolStatus) -> list[Notice]:
    """Return what to tell of a ClusterPool whose status becomes `after`."""
    return _stall_notices("ClusterPool", pool, pool.status.conditions, after.conditions)


def environment_notices(environment: ComputeEnvironment, after: ComputeEnvironmentStatus) -> list[Notice]:
    """Return what to tell of a ComputeEnvironment whose status becomes `after`."""
    before = environment.status.conditions
    notices = _stall_notices("ComputeEnvironment", environment, before, after.conditions)
    was, now = _reason(before, READY), _reason(after.conditions, READY)
    if was is not None and (was == "Disabled") is not (now == "Disabled"):
        if now == "Disabled":
            message = "no new Jobs are sent there, those that run there go on"
            notices.append(_notice("ComputeEnvironment", environment, "Normal", "Disabled", message))
        elif now == "Valid":
            message = "Jobs are sent there again"
            notices.append(_notice("ComputeEnvironment", environment, "Normal", "Enabled", message))
    return notices


def policy_notices(policy: SchedulingPolicy, after: SchedulingPolicyStatus) -> list[Notice]:
    """Return what to tell of a SchedulingPolicy whose status becomes `after`."""
    return _stall_notices("SchedulingPolicy", policy, policy.status.conditions, after.conditions)


def _stall_notices(
    kind: ResourceKind, resource: Resource, before: Iterable[Condition], after: Iterable[Condition]
) -> list[Notice]:
    old, new = find_condition(before, STALLED), find_condition(after, STALLED)
    was_stalled, is_stalled = (
        old is not None and old.status == "True",
        new is not None and new.status == "True",
    )
    if new is not None and is_stalled and (not was_stalled or old is None or old.reason != new.reason):
        return [_notice(kind, resource, "Warning", new.reason, new.message)]
    if was_stalled and not is_stalled:
        return [_notice(kind, resource, "Normal", "Healed", "nothing is in the way any more")]
    return []


def _reason(conditions: Iterable[Condition], type_: str) -> str | None:
    condition = find_condition(conditions, type_)
    return condition.reason if condition else None


def _notice(
    kind: ResourceKind,
    resource: Resource,
    type_: Literal["Normal", "Warning"],
    reason: str,
    message: str,
) -> Notice:
    return Notice(kind, None, resource.metadata.name, resource.metadata.uid, type_, reason, message)
