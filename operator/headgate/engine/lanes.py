"""The waiting Jobs of one project, or of one share, in one queue.

A lane keeps two lines: Jobs that would start a run, and Jobs whose run is active already. When the queue has no
room for another run, only the second moves: children must not wait behind a run that cannot start until they
are done. Jobs that share a run stand as one group with its best Job in front, so that a run of any size changes
lines with one move.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headgate.engine.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.engine.job import Job
    from headgate.engine.line import Entry
    from headgate.engine.runs import Run


@dataclass(slots=True, eq=False)
class Group:
    """The waiting Jobs of one run in one lane."""

    run: Run
    jobs: Line[Job] = field(default_factory=Line)
    entry: Entry | None = None


@dataclass(slots=True, eq=False)
class Seat:
    """A lane's place in one rotation."""

    lane: Lane
    entry: Entry | None = None


class Lane:
    """One project's or share's Jobs that may go, in the order of the execution mode."""

    __slots__ = (
        "_fresh",
        "_joined",
        "_key",
        "groups",
        "joined",
        "name",
        "seat",
        "seat_joined",
        "slot",
        "turn",
        "waiting",
    )

    def __init__(self, name: str, key: Callable[[Job], Entry]) -> None:
        self.name = name
        """The project, or the share identifier where a scheduling policy rules."""
        self._key = key
        self._fresh: Line[Job | Group] = Line()
        self._joined: Line[Job | Group] = Line()
        self.groups: dict[str, Group] = {}
        self.waiting = 0
        """Jobs in the lane."""
        self.joined = 0
        """Those among them whose run is active."""
        self.seat = Seat(self)
        self.seat_joined = Seat(self)
        self.turn = 0
        self.slot = -1

    def add(self, job: Job, run: Run | None) -> None:
        """Let a Job join; `run` is None for a Job that is a run of its own and not active."""
        job.lane = self
        self.waiting += 1
        if run is None:
            self._fresh.add(self._key(job), job)
            return
        group = self.groups.get(run.key)
        if group is None:
            group = self.groups[run.key] = Group(run)
            run.lanes[self] = None
        if run.is_active:
            self.joined += 1
        group.jobs.add(self._key(job), job)
        if group.jobs.first() is job:
            self._place(group)

    def remove(self, job: Job) -> None:
        """Let a Job that stands in this lane step out."""
        job.lane = None
        self.waiting -= 1
        group = self.groups.get(job.run_key)
        if group is None:
            self._fresh.discard(job)
            return
        was_first = group.jobs.first() is job
        group.jobs.discard(job)
        if group.run.is_active:
            self.joined -= 1
        if was_first:
            self._place(group)

    def run_turned(self, run: Run) -> None:
        """Move a run's group after the run became active, or ceased to be; O(log n) whatever its size."""
        group = self.groups[run.key]
        (self._fresh if run.is_active else self._joined).discard(group)
        self.joined += len(group.jobs) if run.is_active else -len(group.jobs)
        self._place(group)

    def first(self, *, joined_only: bool) -> Job | None:
        """Return the Job that goes next, only from active runs if asked, or None."""
        best = self._joined.first()
        if not joined_only:
            fresh = self._fresh.first()
            # Entries of different members differ before the member is reached: keys are total.
            if best is None or (fresh is not None and fresh.entry < best.entry):  # type: ignore[operator]
                best = fresh
        return best.jobs.first() if isinstance(best, Group) else best

    def _place(self, group: Group) -> None:
        line = self._joined if group.run.is_active else self._fresh
        line.discard(group)
        first = group.jobs.first()
        if first is None:
            del self.groups[group.run.key]
            del group.run.lanes[self]
        else:
            line.add(self._key(first), group)
