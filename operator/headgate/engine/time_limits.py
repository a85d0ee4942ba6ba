"""How long a Job may stand at the head of its queue: `spec.timeLimitActions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.api.jobqueue import TimeLimitAction
    from headgate.engine.confirmations import Confirmations
    from headgate.engine.job import Job
    from headgate.engine.queue import Queue
    from headgate.engine.timers import Timers


class TimeLimits:
    """Has the heads of queues looked at when they have been there for too long.

    Before a Job is ended its queue is read anew: the limit may have been changed just before.
    """

    def __init__(self, timers: Timers, confirmations: Confirmations) -> None:
        self._timers = timers
        self._confirmations = confirmations

    def watch(self, queue: Queue) -> None:
        """Have the Job at the head of a queue looked at when its time is over, if there is a limit for it."""
        head = queue.head
        if head is None:
            return
        job, reason = head.job, head.reason
        due = _due(queue, job, reason)
        if due is not None:
            self._timers.at(due, lambda now: self._suspect(queue, job, reason, now))

    def verdict(self, queue: Queue, job: Job, now: float) -> str | None:
        """Return why a Job is to be ended, None if by the newest spec it is not to be."""
        head = queue.head
        due = _due(queue, job, head.reason) if head else None
        action = _action(queue, head.reason) if head else None
        if head is None or action is None or due is None or due > now:
            return None
        return (
            f'at the head of JobQueue "{queue.name}" for more than {action.max_time_seconds} s ({head.reason}: '
            f"{head.message}); spec.timeLimitActions says {action.action}"
        )

    def _suspect(self, queue: Queue, job: Job, reason: str, now: float) -> None:
        due = _due(queue, job, reason)
        if due is not None and due <= now:
            queue.overdue[job.uid] = None
            self._confirmations.want(queue.name)


def _due(queue: Queue, job: Job, reason: str) -> float | None:
    """Return when a Job at the head will have been there too long for a reason (seconds), or None.

    None also where it is not, or no longer, at the head for that reason.
    """
    head = queue.head
    if head is None or head.job is not job or head.reason != reason:
        return None
    action = _action(queue, reason)
    return head.since + action.max_time_seconds if action else None


def _action(queue: Queue, reason: str) -> TimeLimitAction | None:
    if queue.resource is None:
        return None
    actions = queue.resource.spec.time_limit_actions
    return next((action for action in actions if action.reason == reason), None)
