"""The depth of a queue: how many live Jobs it holds.

The API server refuses what comes above it, but from a status that lags: what slipped past is found here. Jobs that
were accepted stay accepted when the depth is lowered, so the bar follows them down as they finish.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.engine.job import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.engine.job import Job

EVERYBODY: Final = 2**31
"""A floor above any number of Jobs: all that are there were accepted."""

_SWEEP_SLACK = 64


class Depth:
    """Arrivals of one queue, and which of them came when it was full."""

    __slots__ = ("_arrivals", "_clock", "_limited_at", "accepted", "excess", "floor", "limit")

    def __init__(self) -> None:
        self.limit = 0
        self.floor = 0
        """Live Jobs that were accepted under an earlier, higher limit."""
        self.accepted = 0
        """Live Jobs that are not excess."""
        self.excess: dict[str, Job] = {}
        """Jobs that came when the queue was full and are to be cancelled, by UID."""
        self._arrivals: list[tuple[int, Job]] = []
        self._clock = 0
        self._limited_at = 0

    def start(self, limit: int, floor: int, jobs: Iterable[Job]) -> bool:
        """Begin anew with the Jobs already there, in order of arrival; return whether one is too many.

        `floor` is how many were accepted under an earlier, higher limit. Before the Jobs of a first list have all
        arrived it is above them; `settle` afterwards.
        """
        self.limit = limit
        self.floor = floor
        self._limited_at = 0
        self.accepted = 0
        self.excess.clear()
        self._arrivals.clear()
        for job in jobs:
            job.accepted = job.excess = False
            self.arrive(job)
        return bool(self.excess)

    def set_limit(self, limit: int, version: int) -> list[Job]:
        """Set the limit (0: none) and return the excess Jobs it makes room for.

        `version` is the resourceVersion at which the limit was seen: Jobs of an earlier one came under the limit
        before, in whatever order the two are told.
        """
        if limit == self.limit:
            return []
        self._limited_at = version
        self.floor = max(self.floor, self.accepted)
        self.limit = limit
        if self.floor <= limit:
            self.floor = 0
        return self.fill()

    def fill(self) -> list[Job]:
        """Accept excess Jobs, the earliest first, as far as there is room, and return them."""
        freed = []
        undecided = (job for job in self.excess.values() if job.doomed is None)
        for job in sorted(undecided, key=lambda job: job.arrival):
            if not self._has_room():
                break
            del self.excess[job.uid]
            job.excess = False
            self._accept(job)
            freed.append(job)
        return freed

    def arrive(self, job: Job) -> Job | None:
        """Take in a Job and return the one that is too many, if one is: the latest that still waits.

        A waiting Job that is being cancelled takes no place: after a restart it is not known why it was, and it
        must not push out another one.
        """
        if job.arrival == 0:
            self._clock += 1
            job.arrival = self._clock
        if job.canceling and job.state is not JobState.ACTIVE:
            return None
        full = not self._has_room()
        self._accept(job)
        if full and job.resource_version < self._limited_at:
            self.floor = self.accepted
            return None
        if not full:
            return None
        latest = self._latest_waiting()
        if latest is not None:
            self.accepted -= 1
            latest.accepted = False
            latest.excess = True
            self.excess[latest.uid] = latest
        return latest

    def reject(self, job: Job) -> None:
        """Take note that an excess Job is being cancelled: there is nothing more to do about it."""
        self.excess.pop(job.uid, None)

    def leave(self, job: Job) -> None:
        """Let go of a Job that is live no more, or moved to another queue."""
        self.excess.pop(job.uid, None)
        job.excess = False
        job.arrival = 0
        if job.accepted:
            job.accepted = False
            self.accepted -= 1
            self.settle()

    def settle(self) -> None:
        """Let the bar of Jobs accepted under a higher limit follow those that are left."""
        self.floor = min(self.floor, self.accepted)
        if self.floor <= self.limit:
            self.floor = 0

    def _has_room(self) -> bool:
        return self.limit == 0 or self.accepted < max(self.limit, self.floor)

    def _accept(self, job: Job) -> None:
        self.accepted += 1
        job.accepted = True
        self._arrivals.append((job.arrival, job))
        if len(self._arrivals) > 2 * self.accepted + _SWEEP_SLACK:
            self._arrivals = [(arrival, job) for arrival, job in self._arrivals if _waits(arrival, job)]

    def _latest_waiting(self) -> Job | None:
        while self._arrivals and not _waits(*self._arrivals[-1]):
            self._arrivals.pop()
        return self._arrivals[-1][1] if self._arrivals else None


def _waits(arrival: int, job: Job) -> bool:
    return job.arrival == arrival and job.accepted and job.state not in (JobState.ACTIVE, JobState.FINISHED)
