"""What an earlier operator left in a JobQueue's status: the part of the past that a list of Jobs cannot tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

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

    @classmethod
    def of(cls, queue: JobQueue) -> Self:
        """Read it from a JobQueue; what is missing or makes no sense counts as never written.

        Without a watermark the totals cannot be continued: the finished Jobs that still exist are counted anew.
        """
        status = queue.status
        totals: dict[Outcome, int] = dict.fromkeys(RESULTS, 0)
        watermark = floor = 0
        if status is None:
            return cls(totals, watermark, "Active", None, floor)
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
        return cls(totals, watermark, status.state or "Active", status.last_admitted_at, floor)
