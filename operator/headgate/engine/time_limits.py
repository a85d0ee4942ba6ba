"""How long a Job may stand at the head of its queue: `spec.timeLimitActions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.api.jobqueue import TimeLimitAction
    from headgate.engine.job import Job
    from headgate.engine.queue import Queue
    from headgate.engine.room import Head


def due(queue: Queue, job: Job, reason: str) -> float | None:
    """Return when a Job at the head will have been there too long for a reason (seconds), or None.

    None also where it is not, or no longer, at the head for that reason.
    """
    head = queue.head
    if head is None or head.job is not job or head.reason != reason:
        return None
    action = _action(queue, reason)
    return head.since + action.max_time_seconds if action else None


def message(queue: Queue, head: Head) -> str:
    """Say why a Job at the head is ended."""
    action = _action(queue, head.reason)
    assert action is not None
    return (
        f'at the head of JobQueue "{queue.name}" for more than {action.max_time_seconds} s ({head.reason}: '
        f"{head.message}); spec.timeLimitActions says {action.action}"
    )


def _action(queue: Queue, reason: str) -> TimeLimitAction | None:
    if queue.resource is None:
        return None
    actions = queue.resource.spec.time_limit_actions
    return next((action for action in actions if action.reason == reason), None)
