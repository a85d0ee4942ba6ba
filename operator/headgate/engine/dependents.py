"""What becomes of Jobs that wait for others: they go on, or are cancelled, or a person is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.api.names import DEPENDS_ON_ANNOTATION, REASON_DEPENDENCY_CYCLE, REASON_DEPENDENCY_FAILED
from headgate.engine.dependencies import Dependencies
from headgate.engine.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headgate.engine.job import Job
    from headgate.engine.stuck import StuckJobs
    from headgate.engine.timers import Timers

NOT_FOUND_SECONDS: Final = 5.0
"""How long a Job may be there before those it depends on, before a person is told."""
_REASONS: Final = (REASON_DEPENDENCY_CYCLE, REASON_DEPENDENCY_FAILED)


class Dependents:
    """Follows up on what `Dependencies` finds."""

    def __init__(
        self,
        live: Mapping[str, Job],
        stuck: StuckJobs,
        timers: Timers,
        doom: Callable[[Job, str, str], None],
        spare: Callable[[Job], None],
    ) -> None:
        self.index = Dependencies()
        self._live = live
        self._stuck = stuck
        self._timers = timers
        self._doom = doom
        self._spare = spare

    def take_in(self, job: Job, now: float, *, waits: bool) -> None:
        """Find out what a Job's dependencies come to, after it came or its annotation changed.

        What it was to be cancelled for before counts no more. A ring counts only where all of it waits.
        """
        in_ring = _is_in_ring(job)
        if job.doomed is not None and job.doomed[0] in _REASONS:
            job.doomed = None
        ring = self.index.add(job)
        if ring and waits:
            names = " -> ".join(member.name for member in [*ring, ring[0]])
            message = f"{DEPENDS_ON_ANNOTATION}: each waits for the next: {names}"
            for member in ring:
                self._doom(member, REASON_DEPENDENCY_CYCLE, message)
            return
        if in_ring:
            self._open_ring(job)
        if job.depending:
            self._expect(job, now)

    def gone(self, job: Job, now: float) -> None:
        """Take note that a live Job was deleted: others may wait for one of that name to come back."""
        for dependent in self.index.waiting_for(job):
            self._expect(dependent, now)

    def is_doomed(self, job: Job) -> bool:
        """Have a waiting Job cancelled if one that it depends on did not succeed; return whether that is so."""
        failed = self.index.failed(job)
        if failed is None or job.state is not JobState.WAITING:
            return False
        message = f'{DEPENDS_ON_ANNOTATION}: Job "{failed}" finished and did not succeed'
        self._doom(job, REASON_DEPENDENCY_FAILED, message)
        return True

    def _open_ring(self, job: Job) -> None:
        """Spare those who were in a ring with a Job that is in none any more."""
        stack = [job]
        while stack:
            for dependent in self.index.waiting_for(stack.pop()):
                if _is_in_ring(dependent) and not self.index.ring(dependent):
                    dependent.doomed = None
                    self._spare(dependent)
                    stack.append(dependent)

    def _expect(self, job: Job, now: float) -> None:
        self._timers.at(now + NOT_FOUND_SECONDS, lambda _: self._tell_if_missing(job))

    def _tell_if_missing(self, job: Job) -> None:
        if self._live.get(job.uid) is job and (missing := self.index.missing(job)):
            self._stuck.dependencies_missing(job, missing)


def _is_in_ring(job: Job) -> bool:
    return job.doomed is not None and job.doomed[0] == REASON_DEPENDENCY_CYCLE
