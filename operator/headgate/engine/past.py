"""What an earlier operator left in a JobQueue's status: the part of the past that a list of Jobs cannot tell."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Self

from headgate.api.times import seconds
from headgate.engine.depth import EVERYBODY
from headgate.engine.job import RESULTS

if TYPE_CHECKING:
    from headgate.api.job import Outcome
    from headgate.api.jobqueue import JobQueue


@dataclass(slots=True, frozen=True)
class Past:
    """The memory of a queue, as far as it was written down."""

    totals: dict[Outcome, int]
    watermark: int
    """The resourceVersion of Jobs up to which the totals are complete."""
    state: str
    last_admitted_at: str | None
    depth_floor: int
    """Live Jobs that were accepted under a higher depth than the present one, or an upper bound of it."""
    shares: tuple[tuple[str, float, float], ...] = ()
    """What each share had used: identifier, decayed average in weighted cores, and when that was (seconds)."""
    head: tuple[str, str, float] | None = None
    """The Job that was at the head and did not fit: UID, reason, and since when (seconds)."""

    @classmethod
    def of(cls, queue: JobQueue) -> Self:
        """Read it from a JobQueue; what is missing or makes no sense counts as never written.

        Without a watermark the totals cannot be continued: the finished Jobs that still exist are counted anew.
        """
        status = queue.status
        shares = tuple(
            (share.identifier, average, at)
            for share in status.shares
            if (average := _number(share.average)) is not None
            and (at := seconds(share.usage_at or "")) is not None
        )
        head = None
        if status.head is not None and (since := seconds(status.head.since or "")) is not None:
            head = (status.head.uid, status.head.reason, since)
        totals: dict[Outcome, int] = dict.fromkeys(RESULTS, 0)
        watermark = floor = 0
        accounting = status.accounting
        if status.jobs is not None and accounting is not None and accounting.resource_version.isdecimal():
            watermark = int(accounting.resource_version)
            jobs = status.jobs
            totals = {
                "succeeded": jobs.succeeded,
                "failed": jobs.failed,
                "canceled": jobs.canceled,
                "timedOut": jobs.timed_out,
            }
            floor = accounting.depth_floor
        if (status.observed_generation or 1) != queue.metadata.generation:
            # The spec changed since: nobody knows who came under a higher depth, so nobody is turned away.
            floor = EVERYBODY
        return cls(totals, watermark, status.state or "Active", status.last_admitted_at, floor, shares, head)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None
