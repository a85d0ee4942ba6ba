"""How fast a queue goes: what comes and what ends, seen from its counters, and when it would be empty at that."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from headgate.api.jobqueue import JobQueue

WINDOW: Final = 60.0
"""Over how many seconds it is measured."""
SOONEST: Final = 3.0
"""After how many seconds of looking on it can be told at all."""


@dataclass
class Pace:
    """Looks at the counters of one queue. Times are in seconds of any clock that only goes forward."""

    _samples: deque[tuple[float, int, int]] = field(default_factory=deque)

    def observe(self, now: float, queue: JobQueue) -> None:
        """Take note of the counters as they are."""
        jobs = queue.status.jobs
        if jobs is None:
            return
        ended = jobs.succeeded + jobs.failed + jobs.canceled + jobs.timed_out
        self._samples.append((now, jobs.total, ended))

    def ending(self, now: float) -> float | None:
        """Return how many Jobs end in a second, None where it is too soon to tell."""
        return self._rate(now, 2)

    def coming(self, now: float) -> float | None:
        """Return how many Jobs come in a second, None where it is too soon to tell."""
        return self._rate(now, 1)

    def empty_in(self, now: float, live: int) -> float | None:
        """Return in how many seconds a queue with so many live Jobs would be empty: an estimate.

        None where it cannot be told, or where no fewer come than end.
        """
        if live == 0:
            return 0.0
        ending, coming = self.ending(now), self.coming(now)
        if ending is None or coming is None or ending <= coming:
            return None
        return live / (ending - coming)

    def _rate(self, now: float, which: int) -> float | None:
        while len(self._samples) > 1 and self._samples[1][0] <= now - WINDOW:
            self._samples.popleft()
        if not self._samples:
            return None
        first, last = self._samples[0], self._samples[-1]
        # What was before the window holds where it begins.
        length = min(now - first[0], WINDOW)
        if length < SOONEST:
            return None
        return max(0, last[which] - first[which]) / length
