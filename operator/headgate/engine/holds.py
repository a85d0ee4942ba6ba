"""Why a Job waits: everything that holds it, what each is, since when, and what would let it go.

It reads what the engine decides by and decides nothing itself. What it says of the order and of room holds once the
engine has let through all that can go now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headgate.api.meta import find_condition
from headgate.api.names import (
    CONDITION_STALLED,
    DEPENDS_ON_ANNOTATION,
    HOLD_ANNOTATION,
    PAUSED_BY_ANNOTATION,
    SHARES_MAX,
)
from headgate.api.times import seconds
from headgate.engine.job import JobState
from headgate.engine.stuck import misplaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headgate.api.jobqueue import JobQueue
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
    """Since when at the latest, in seconds since the epoch, where that is known."""


def holds(engine: Engine, job: Job) -> list[Hold]:
    """Return what holds a waiting Job: what is wrong with itself first, then its queue, its limits, and room."""
    queue = engine.queues[job.queue]
    if queue.resource is None:
        return [*_own(engine, queue, job), queue_missing(job.queue)]
    return [*_own(engine, queue, job), *_closed(queue), *_limits(queue, job), *_room(queue, job)]


def invalid(error: str) -> Hold:
    """Say that something on the Job is wrong."""
    return Hold("InvalidJob", error, "correct it on the Job")


def ending(reason: str = "Ending", message: str = "it is being cancelled or deleted") -> Hold:
    """Say that the Job is on its way out."""
    return Hold(reason, message, "nothing: it ends")


def held() -> Hold:
    """Say that somebody holds the Job."""
    return Hold("Held", f'annotation {HOLD_ANNOTATION} is "true"', "remove the annotation")


def depends(unmet: Iterable[str]) -> Hold:
    """Say that Jobs of these names have not succeeded yet."""
    message = f"{DEPENDS_ON_ANNOTATION}: {', '.join(unmet)} has not succeeded yet"
    return Hold("Depends", message, "it goes on when they succeed")


def queue_missing(name: str) -> Hold:
    """Say that there is no queue of this name."""
    message = f'JobQueue "{name}" does not exist'
    return Hold("QueueNotFound", message, "create it, or put the label of another queue on the Job")


def ended(queue: JobQueue, state: str) -> Hold:
    """Say that the queue admits nothing any more."""
    since = queue.status.drained_at if state == "Drained" else None
    return Hold(state, f"the queue is {state}", "use another queue", seconds(since or ""))


def paused(queue: JobQueue) -> Hold:
    """Say that somebody has paused the queue."""
    by, note = queue.metadata.annotations.get(PAUSED_BY_ANNOTATION), queue.spec.dispatch.note
    told = queue.status.dispatch
    return Hold(
        "Paused",
        f"the queue is paused{f' by {by}' if by else ''}{f': {note}' if note else ''}",
        "set spec.dispatch.paused of the queue to false",
        seconds((told.paused_at if told is not None else None) or ""),
    )


def stalled(queue: JobQueue, reason: str, message: str) -> Hold:
    """Say that the queue cannot let anything through."""
    known = find_condition(queue.status.conditions, CONDITION_STALLED)
    told = known is not None and known.status == "True" and known.reason == reason
    since = seconds(known.last_transition_time) if known is not None and told else None
    return Hold(reason, message, "the queue goes on by itself when that is put right", since)


def action_limit(queue: JobQueue, active: int) -> Hold:
    """Say that as many Jobs of the queue are active as may be."""
    limit = queue.spec.action_concurrency
    return Hold(
        "ActionLimit",
        f"active Jobs of the queue: {active}, and spec.actionConcurrency is {limit}",
        "it goes on when some of them finish, or when the limit is raised",
    )


def run_limit(queue: JobQueue, active: int) -> Hold:
    """Say that as many runs of the queue are active as may be."""
    limit = queue.spec.run_concurrency
    return Hold(
        "RunLimit",
        f"active runs of the queue: {active}, and spec.runConcurrency is {limit}",
        "it goes on when one of them ends, or when the limit is raised",
    )


def no_room(reason: str, message: str, since: float | None) -> Hold:
    """Say that the Job is next, and does not fit."""
    return Hold(reason, message, "it goes on when there is room", since)


def behind_head(queue: JobQueue, head: str, reason: str, message: str, since: float | None) -> Hold:
    """Say that the Job stands behind one that is next and does not fit, and is named here."""
    who = f"{head}, which is next and does not fit ({reason}: {message})"
    if queue.spec.head_of_line == "Backfill":
        told = f"it cannot pass Job {who} without putting that one off, or finds no room itself"
        return Hold("BehindHead", told, "it goes on when that one goes", since)
    remedy = "it goes on when that one goes, or passes it where spec.headOfLine is Backfill"
    return Hold("BehindHead", f"it stands behind Job {who}", remedy, since)


def _own(engine: Engine, queue: Queue, job: Job) -> Iterator[Hold]:
    if job.state is not JobState.WAITING:
        return
    if job.error is not None:
        yield invalid(job.error)
    elsewhere = misplaced(queue, job)
    if elsewhere is not None:
        yield Hold(*elsewhere, "delete the Job and create it anew")
    if job.canceling or job.doomed is not None:
        yield ending(*(job.doomed or ()))
    elif job.excess:
        limit = queue.depth.limit
        yield ending("QueueFull", f"the queue was full when it came: spec.depth is {limit}")
    if job.held:
        yield held()
    if job.stopping:
        yield Hold("Stopping", "what it was before it was sent back is being taken back", "a moment")
    if job.depending:
        yield depends(engine.unmet(job))
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


def _closed(queue: Queue) -> Iterator[Hold]:
    assert queue.resource is not None
    if not queue.lifecycle.admits:
        yield ended(queue.resource, queue.lifecycle.state)
    if queue.paused:
        yield paused(queue.resource)
    stall = queue.stall
    if stall is not None:
        yield stalled(queue.resource, stall.reason, stall.message)


def _limits(queue: Queue, job: Job) -> Iterator[Hold]:
    assert queue.resource is not None
    # Since the last Job went, there can only have been fewer; where there are too many, the limit was lowered since.
    since = seconds(queue.last_admitted_at or "")
    limit, runs = queue.resource.spec.action_concurrency, queue.resource.spec.run_concurrency
    if 0 < limit <= queue.active:
        hold = action_limit(queue.resource, queue.active)
        yield hold._replace(since=since if queue.active == limit else None)
    if queue.joined_only and not queue.is_joined(job):
        hold = run_limit(queue.resource, queue.active_runs)
        yield hold._replace(since=since if queue.active_runs == runs else None)


def _room(queue: Queue, job: Job) -> Iterator[Hold]:
    head = queue.head
    if head is None:
        return
    if head.job is job:
        yield no_room(head.reason, head.message, head.since)
        return
    assert queue.resource is not None
    name = f"{head.job.namespace}/{head.job.name}"
    yield behind_head(queue.resource, name, head.reason, head.message, head.since)
