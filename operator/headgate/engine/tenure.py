"""Since when the Job at the head of a queue stands there for its reason, also through what interrupts that.

Time limits measure how long something was missing for a Job. While its queue lets nothing through (it is paused or
stalled, or at its own limits) nobody knows whether it would still be: the time stands still, and goes on if the same
Job is found at the head for the same reason afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from headgate.engine.head import Head
    from headgate.engine.job import Job


class _Kept(NamedTuple):
    uid: str
    reason: str
    since: float
    stopped_at: float | None
    """None where the time goes on."""


class Tenure:
    """The last head of a queue that finds its place anew."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: _Kept | None = None

    def restore(self, written: tuple[str, str, float] | None) -> None:
        """Start from what an earlier operator wrote: UID, reason, and since when (seconds)."""
        self._kept = _Kept(*written, None) if written is not None else None

    def keep(self, head: Head) -> None:
        """Remember a head whose queue moves to another place; its time goes on."""
        self._kept = _Kept(head.job.uid, head.reason, head.since, None)

    def stop(self, head: Head, now: float) -> None:
        """Remember a head whose queue lets nothing through from `now` (seconds) on."""
        self._kept = _Kept(head.job.uid, head.reason, head.since, now)

    def end(self) -> None:
        """Forget the last head: it has gone."""
        self._kept = None

    def since(self, job: Job, reason: str, now: float) -> float:
        """Return since when a Job is at the head for a reason that is found to be so `now` (seconds)."""
        kept, self._kept = self._kept, None
        if kept is None or (kept.uid, kept.reason) != (job.uid, reason):
            return now
        return kept.since if kept.stopped_at is None else kept.since + now - kept.stopped_at
