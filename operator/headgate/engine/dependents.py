"""What becomes of Jobs that wait for others: they go on, or are cancelled, or a person is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.api.names import DEPENDS_ON_ANNOTATION, REASON_DEPENDENCY_CYCLE, REASON_DEPENDENCY_FAILED
from headgate.engine.dependencies import Dependencies
from headgate.engine.job import JobState
from headgate.engine.messages import enumerated
from headgate.engine.rings import Rings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headgate.engine.dependencies import Named
    from headgate.engine.job import Job
    from headgate.engine.stuck import StuckJobs
    from headgate.engine.timers import Timers

NOT_FOUND_SECONDS: Final = 5.0
"""How long a Job may be there before those it depends on, before a person is told."""
SEARCH_STEPS: Final = 5_000
"""How far a search for rings gets at a time: a few milliseconds."""
SEARCH_PAUSE_SECONDS: Final = 0.05
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
        self._rings = Rings(self._ahead)
        self._ring_of: dict[str, tuple[Job, ...]] = {}
        """By UID of each Job in it."""
        self._is_searching = False
        self._expected: set[Named] = set()
        """Names of Jobs that were deleted and may come back in time."""

    def take_in(self, job: Job, now: float) -> None:
        """Find out what a Job's dependencies come to, after it came, begins to wait, or its annotation changed.

        What it was to be cancelled for before counts no more.
        """
        self._open_ring(job, now)
        if job.doomed is not None and job.doomed[0] in _REASONS:
            job.doomed = None
        self.index.add(job)
        if job.depending:
            self._suspect(job, now)
            self._timers.at(now + NOT_FOUND_SECONDS, lambda _: self._tell_if_missing(job))

    def leave(self, job: Job) -> None:
        """Let go of a Job that is live no more."""
        self._ring_of.pop(job.uid, None)
        self.index.remove(job)

    def gone(self, job: Job, now: float) -> None:
        """Take note that a live Job was deleted: others may wait for one of that name to come back."""
        named = (job.namespace, job.name)
        if self.index.waiting_for(named) and named not in self._expected:
            self._expected.add(named)
            self._timers.at(now + NOT_FOUND_SECONDS, lambda _: self._tell_if_gone(named))

    def is_doomed(self, job: Job) -> bool:
        """Have a waiting Job cancelled if one that it depends on did not succeed; return whether that is so."""
        failed = self.index.failed(job)
        if failed is None or job.state is not JobState.WAITING:
            return False
        message = f'{DEPENDS_ON_ANNOTATION}: Job "{failed}" finished and did not succeed'
        self._doom(job, REASON_DEPENDENCY_FAILED, message)
        return True

    def _ahead(self, job: Job) -> list[Job]:
        """Return the Jobs that one may be in a ring with that is not known yet."""
        if job.uid in self._ring_of:
            return []
        return [other for other in self.index.ahead(job) if other.uid not in self._ring_of]

    def _suspect(self, job: Job, now: float) -> None:
        """Have a Job looked at that may have closed a ring: only one for which others wait can."""
        if not self.index.waiting_for((job.namespace, job.name)):
            return
        self._rings.suspect(job)
        if not self._is_searching:
            self._is_searching = True
            self._timers.at(now, self._search)

    def _search(self, now: float) -> None:
        for ring in self._rings.find(SEARCH_STEPS):
            names = enumerated([*(job.name for job in ring), ring[0].name], " -> ")
            message = f"{DEPENDS_ON_ANNOTATION}: each of {len(ring)} Jobs waits for the next: {names}"
            for job in ring:
                self._ring_of[job.uid] = ring
                self._doom(job, REASON_DEPENDENCY_CYCLE, message)
        self._is_searching = not self._rings.is_settled
        if self._is_searching:
            self._timers.at(now + SEARCH_PAUSE_SECONDS, self._search)

    def _open_ring(self, changed: Job, now: float) -> None:
        """Spare those who were in a ring with a Job that has changed; they may still be, or be in another one."""
        for job in self._ring_of.get(changed.uid, ()):
            if self._ring_of.pop(job.uid, None) is None or job is changed:
                continue
            if job.doomed is not None and job.doomed[0] == REASON_DEPENDENCY_CYCLE:
                job.doomed = None
                self._spare(job)
            self._suspect(job, now)

    def _tell_if_missing(self, job: Job) -> None:
        if self._live.get(job.uid) is job and (missing := self.index.missing(job)):
            self._stuck.dependencies_missing(job, missing)

    def _tell_if_gone(self, named: Named) -> None:
        self._expected.discard(named)
        for job in self.index.waiting_for(named).values():
            self._tell_if_missing(job)
