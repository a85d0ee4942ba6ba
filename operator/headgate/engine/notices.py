"""What happened to an object that a person would ask about, read from two of its statuses.

Comparing statuses instead of remembering what was said makes it right through a restart: nothing is told twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.api.meta import find_condition
from headgate.api.names import CONDITION_STALLED as STALLED
from headgate.engine.decisions import Notice

if TYPE_CHECKING:
    from typing import Literal

    from headgate.api.clusterpool import ClusterPool, ClusterPoolStatus
    from headgate.api.jobqueue import JobQueue
    from headgate.api.jobqueue_status import JobQueueStatus


def queue_notices(queue: JobQueue, after: JobQueueStatus) -> list[Notice]:
    """Return what to tell of a JobQueue whose status becomes `after`."""
    before = queue.status
    notices = _stall_notices("JobQueue", queue, before, after)

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
    return _stall_notices("ClusterPool", pool, pool.status, after)


def _stall_notices(
    kind: Literal["JobQueue", "ClusterPool"],
    resource: JobQueue | ClusterPool,
    before: JobQueueStatus | ClusterPoolStatus,
    after: JobQueueStatus | ClusterPoolStatus,
) -> list[Notice]:
    old, new = find_condition(before.conditions, STALLED), find_condition(after.conditions, STALLED)
    was_stalled, is_stalled = (
        old is not None and old.status == "True",
        new is not None and new.status == "True",
    )
    if new is not None and is_stalled and (not was_stalled or old is None or old.reason != new.reason):
        return [_notice(kind, resource, "Warning", new.reason, new.message)]
    if was_stalled and not is_stalled:
        return [_notice(kind, resource, "Normal", "Healed", "nothing is in the way any more")]
    return []


def _notice(
    kind: Literal["JobQueue", "ClusterPool"],
    resource: JobQueue | ClusterPool,
    type_: Literal["Normal", "Warning"],
    reason: str,
    message: str,
) -> Notice:
    return Notice(kind, None, resource.metadata.name, resource.metadata.uid, type_, reason, message)
