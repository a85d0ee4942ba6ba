"""How many of a queue's Jobs finished, and how: exact through any crash, although finished Jobs get deleted.

The status keeps the totals together with the resourceVersion up to which the Jobs' history is contained in them.
A restarted operator adds exactly those finished Jobs that changed after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headgate.engine.job import RESULTS

if TYPE_CHECKING:
    from headgate.api.job import Outcome
    from headgate.engine.job import Job


@dataclass(slots=True)
class Finished:
    """A finished Job that still exists."""

    result: Outcome
    resource_version: int
    run_key: str | None
    """Key of the run it keeps active, None if it was never admitted."""
    finished_at: int


@dataclass(slots=True)
class Tally:
    """Finished Jobs of one queue by result."""

    by_result: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(RESULTS, 0))
    present: dict[str, Finished] = field(default_factory=dict)
    """Those that still exist, by UID: what has been deleted costs no memory."""
    watermark: int = 0
    """Finished Jobs at or below this resourceVersion are contained in totals that were read from a status."""
    stale_watermark: bool = False
    """A counted Job changed since the last written status: the watermark there has to move."""

    def restore(self, totals: dict[Outcome, int], watermark: int) -> None:
        """Start from the totals of a status; what is present and newer than its watermark comes on top."""
        self.watermark = watermark
        self.by_result = dict(totals)
        for job in self.present.values():
            if job.resource_version > watermark:
                self.by_result[job.result] += 1

    def finish(self, job: Job, run_key: str | None) -> None:
        """Count a finished Job once, however often it is seen."""
        assert job.result is not None
        known = self.present.get(job.uid)
        if known is not None:
            self.stale_watermark |= job.resource_version > known.resource_version
            known.resource_version = max(known.resource_version, job.resource_version)
            return
        self.present[job.uid] = Finished(job.result, job.resource_version, run_key, job.finished_at)
        if job.resource_version > self.watermark:
            self.by_result[job.result] += 1
