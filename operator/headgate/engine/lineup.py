"""Who stands in line in one queue, and in which order: lanes, fairness and execution mode put together.

It knows nothing of limits or rooms: it answers who is next, and who else there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.engine.candidates import Candidates
from headgate.engine.fairness import FAIRNESS, FairShare
from headgate.engine.lanes import Lane
from headgate.engine.order import EXECUTION_MODES
from headgate.engine.shares import identifier_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from headgate.engine.candidates import Class
    from headgate.engine.fairness import Fairness
    from headgate.engine.job import Job
    from headgate.engine.moment import Moment
    from headgate.engine.runs import Run
    from headgate.engine.shares import Shares


_RETURNED: Final = "*"
"""A name that no project and no share can have."""


class Lineup:
    """The Jobs of one queue that nothing about themselves holds back."""

    def __init__(self, seed: str, moment: Moment, runs: Mapping[str, Run]) -> None:
        self._seed = seed
        self._moment = moment
        self._runs = runs
        self._lanes: dict[str, Lane] = {}
        self._shares: Shares | None = None
        self._fairness: Fairness = FAIRNESS["RoundRobin"](seed)
        self._key = EXECUTION_MODES["FIFO"]
        self._candidates: Candidates | None = None
        self.returned = Lane(_RETURNED, self._key)
        """Jobs that were sent back from a cluster that is lost: they go before all others."""

    @property
    def by_class(self) -> bool:
        """Whether it keeps what waits by what it asks for."""
        return self._candidates is not None

    @property
    def joined(self) -> int:
        """How many of those in line belong to a run that is active."""
        return sum(lane.joined for lane in self._lanes.values()) + self.returned.joined

    def arrange(self, execution_mode: str, fairness: str, shares: Shares | None, *, by_class: bool) -> None:
        """Begin anew, empty, in this order; with shares, they take the place of projects and of fairness."""
        self._key = EXECUTION_MODES[execution_mode]
        self._shares = shares
        self._fairness = (
            FairShare(shares, self._moment) if shares is not None else FAIRNESS[fairness](self._seed)
        )
        self._candidates = Candidates(self._key) if by_class else None
        self._lanes.clear()
        self.returned = Lane(_RETURNED, self._key)
        for run in self._runs.values():
            run.lanes.clear()

    def add(self, job: Job) -> bool:
        """Put a Job in its place; return whether it is one that may pass where others like it could not."""
        if job.requeued:
            lane = self.returned
        else:
            name = self.lane_name(job)
            known = self._lanes.get(name)
            lane = known if known is not None else self._lanes.setdefault(name, Lane(name, self._key))
        lane.add(job, self._runs.get(job.run_key))
        first = self._candidates is not None and self._candidates.add(lane, job)
        self._changed(lane)
        return first

    def step_out(self, job: Job) -> Lane | None:
        """Take a Job out, if it stands there; who calls this calls `left` with the lane in the end."""
        lane = job.lane
        if lane is not None:
            if self._candidates is not None:
                self._candidates.remove(lane, job)
            lane.remove(job)
        return lane

    def left(self, lane: Lane) -> None:
        """Take note that a Job has left a lane for good."""
        self._changed(lane)
        if not lane.waiting and lane is not self.returned:
            del self._lanes[lane.name]

    def next(self, *, joined_only: bool) -> Job | None:
        """Return who is next, only from active runs if asked, or None."""
        lane = self._fairness.next(joined_only=joined_only)
        return lane.first(joined_only=joined_only) if lane else None

    def next_beside(self, job: Job, *, joined_only: bool) -> Job | None:
        """Return who is next in the lane of a Job, wherever that Job itself is now."""
        lane = self.returned if job.requeued else self._lanes.get(self.lane_name(job))
        return lane.first(joined_only=joined_only) if lane else None

    def classes(self) -> Iterator[Class]:
        """Yield the classes of what waits, lane by lane in the order of fairness."""
        if self._candidates is not None:
            yield from self._candidates.of(self.returned)
            for lane in self._fairness.order():
                yield from self._candidates.of(lane)

    def served(self, lane: Lane) -> None:
        """Take note that a Job of a lane goes."""
        if lane is not self.returned:
            self._fairness.served(lane)

    def take_turns(self, since: Mapping[str, float]) -> None:
        """Let lanes stand in the order in which they were last served, or have waited since, in seconds by name."""
        if self._fairness.by_turns:
            lanes = [self._lanes[name] for name in since if name in self._lanes]
            for lane in sorted(lanes, key=lambda lane: (since[lane.name], lane.turn)):
                self._fairness.served(lane)

    def run_turned(self, run: Run) -> None:
        """Take note that a run became active, or ceased to be."""
        for lane in list(run.lanes):
            lane.run_turned(run)
            self._changed(lane)

    def share_changed(self, job: Job) -> None:
        """Take note that the share of a Job uses more or less than before."""
        lane = self._lanes.get(identifier_of(job))
        if lane is not None and lane.waiting:
            self._fairness.changed(lane)

    def reweigh(self) -> None:
        """Take note that the weights of shares changed."""
        if isinstance(self._fairness, FairShare):
            self._fairness.reweigh()

    def _changed(self, lane: Lane) -> None:
        if lane is not self.returned:
            self._fairness.changed(lane)

    def lane_name(self, job: Job) -> str:
        """Return the project of a Job, or the share where a scheduling policy rules."""
        return job.project if self._shares is None else identifier_of(job)


def forget_places(jobs: Iterable[Job]) -> None:
    """Let Jobs forget where they stood in a line that is arranged anew."""
    for job in jobs:
        job.lane = job.entry = job.candidate = None
