"""Why a Job waits: everything that holds it, what each is, since when, and what would let it go.

It reads what the engine decides by and decides nothing itself. What it says of the order and of room holds once the
engine has let through all that can go now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headgate.api.names import DEPENDS_ON_ANNOTATION, HOLD_ANNOTATION, PAUSED_BY_ANNOTATION, SHARES_MAX
from headgate.api.times import seconds
from headgate.engine.job import JobState
from headgate.engine.stuck import misplaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.engine.engine import Engine
    from headgate.engine.job import Job
    from headgate.engine.queue import Queue


class Hold(NamedTuple):
    """One thing that keeps a Job from going."""

    reason: str
    message: str
    """What it is, in a sentence."""
    remedy: str
    """What would let the Job go on."""
    since: float | None = None
    """Since when, in seconds since the epoch, where that is known."""


def holds(engine: Engine, job: Job) -> list[Hold]:
    """Return what holds a waiting Job: what is wrong with itself first, then its queue, its limits, and room."""
    queue = engine.queues[job.queue]
    if queue.resource is None:
        return [*_own(engine, queue, job), _queue_missing(job)]
    return [*_own(engine, queue, job), *_closed(queue), *_limits(queue, job), *_room(queue, job)]


def _own(engine: Engine, queue: Queue, job: Job) -> Iterator[Hold]:
    if job.state is not JobState.WAITING:
        return
    if job.error is not None:
        yield Hold("InvalidJob", job.error, "correct it on the Job")
    elsewhere = misplaced(queue, job)
    if elsewhere is not None:
        yield Hold(*elsewhere, "delete the Job and create it anew")
    if job.canceling or job.doomed is not None:
        reason, message = job.doomed or ("Ending", "it is being cancelled or deleted")
        yield Hold(reason, message, "nothing: it ends")
    elif job.excess:
        limit = queue.depth.limit
        yield Hold("QueueFull", f"the queue was full when it came: spec.depth is {limit}", "nothing: it ends")
    if job.held:
        yield Hold("Held", f'annotation {HOLD_ANNOTATION} is "true"', "remove the annotation")
    if job.stopping:
        yield Hold("Stopping", "what it was before it was sent back is being taken back", "a moment")
    if job.depending:
        unmet = engine.unmet(job)
        yield Hold(
            "Depends",
            f"{DEPENDS_ON_ANNOTATION}: {', '.join(unmet)} has not succeeded yet",
            "it goes on when they succeed",
        )
    if job.retry_at:
        yield Hold(
            "Refused", job.noticed or "the API server refused its admission", "it is tried again by itself"
        )
    if queue.shares is not None and not queue.shares.takes(job):
        yield Hold(
            "TooManyShares",
            f"{SHARES_MAX} other share identifiers have live Jobs in the queue, which is the most",
            "it goes on when one of them has none any more",
        )


def _queue_missing(job: Job) -> Hold:
    message = f'JobQueue "{job.queue}" does not exist'
    return Hold("QueueNotFound", message, "create it, or put the label of another queue on the Job")


def _closed(queue: Queue) -> Iterator[Hold]:
    assert queue.resource is not None
    spec = queue.resource.spec
    if not queue.lifecycle.admits:
        yield Hold(queue.lifecycle.state, f"the queue is {queue.lifecycle.state}", "use another queue")
    if queue.paused:
        by = queue.resource.metadata.annotations.get(PAUSED_BY_ANNOTATION)
        note = f": {spec.dispatch.note}" if spec.dispatch.note else ""
        known = queue.resource.status.dispatch
        since = seconds(known.paused_at or "") if known is not None else None
        yield Hold(
            "Paused",
            f"the queue is paused{f' by {by}' if by else ''}{note}",
            "set spec.dispatch.paused of the queue to false",
            since,
        )
    stall = queue.stall
    if stall is not None:
        yield Hold(stall.reason, stall.message, "the queue goes on by itself when that is put right")


def _limits(queue: Queue, job: Job) -> Iterator[Hold]:
    assert queue.resource is not None
    spec = queue.resource.spec
    if 0 < spec.action_concurrency <= queue.active:
        yield Hold(
            "ActionLimit",
            f"active Jobs of the queue: {queue.active}, and spec.actionConcurrency is {spec.action_concurrency}",
            "it goes on when some of them finish, or when the limit is raised",
        )
    if queue.joined_only and not queue.is_joined(job):
        yield Hold(
            "RunLimit",
            f"active runs of the queue: {queue.active_runs}, and spec.runConcurrency is {spec.run_concurrency}",
            "it goes on when one of them ends, or when the limit is raised",
        )


def _room(queue: Queue, job: Job) -> Iterator[Hold]:
    head = queue.head
    if head is None:
        return
    if head.job is job:
        yield Hold(head.reason, head.message, "it goes on when there is room", head.since)
        return
    behind = f"{head.job.namespace}/{head.job.name}, which is next and does not fit ({head.reason}: {head.message})"
    if queue.backfills:
        message = f"it cannot pass Job {behind} without putting that one off, or finds no room itself"
    else:
        message = f"it stands behind Job {behind}"
    remedy = "it goes on when that one goes" + (
        "" if queue.backfills else ", or passes it where spec.headOfLine is Backfill"
    )
    yield Hold("BehindHead", message, remedy, head.since)
