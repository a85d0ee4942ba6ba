"""The waiting Jobs of a queue by what they ask for, so that a search for one that fits skips all that are alike.

Jobs of the same request, deadline and constraints fit, or not, together. A hundred thousand Jobs that wait behind one
that does not fit are, on most days, a handful of classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headgate.engine.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headgate.api.constraints import Constraints
    from headgate.api.requests import Request
    from headgate.engine.job import Job
    from headgate.engine.lanes import Lane
    from headgate.engine.line import Entry

Key = tuple[int, int | None, int]


@dataclass(slots=True, eq=False)
class Candidate:
    """A waiting Job's place in its class."""

    job: Job
    kind: Class
    entry: Entry | None = None


@dataclass(slots=True, eq=False)
class Class:
    """Jobs of one lane that are alike."""

    key: Key
    request: Request
    constraints: Constraints
    jobs: Line[Candidate] = field(default_factory=Line)
    entry: Entry | None = None


@dataclass(slots=True, eq=False)
class _LaneClasses:
    classes: dict[Key, Class] = field(default_factory=dict)
    order: Line[Class] = field(default_factory=Line)


class Candidates:
    """The classes of one queue, lane by lane."""

    def __init__(self, order: Callable[[Job], Entry]) -> None:
        self._order = order
        self._lanes: dict[Lane, _LaneClasses] = {}

    def add(self, lane: Lane, job: Job) -> bool:
        """Take in a Job that has joined a lane; return whether it is the first of its class."""
        classes = self._lanes.get(lane)
        if classes is None:
            classes = self._lanes[lane] = _LaneClasses()
        key = (id(job.request), job.deadline, id(job.constraints))
        kind = classes.classes.get(key)
        if kind is None:
            kind = classes.classes[key] = Class(key, job.request, job.constraints)
        job.candidate = candidate = Candidate(job, kind)
        kind.jobs.add(self._order(job), candidate)
        if kind.jobs.first() is not candidate:
            return False
        classes.order.discard(kind)
        classes.order.add(self._order(job), kind)
        return True

    def remove(self, lane: Lane, job: Job) -> None:
        """Let go of a Job that leaves its lane; its request is still what it was."""
        candidate = job.candidate
        if candidate is None:
            return
        job.candidate = None
        classes, kind = self._lanes[lane], candidate.kind
        was_first = kind.jobs.first() is candidate
        kind.jobs.discard(candidate)
        if not was_first:
            return
        classes.order.discard(kind)
        first = kind.jobs.first()
        if first is not None:
            classes.order.add(self._order(first.job), kind)
            return
        del classes.classes[kind.key]
        if not classes.classes:
            del self._lanes[lane]

    def of(self, lane: Lane) -> Iterator[Class]:
        """Yield the classes of a lane, in the order of the first Job of each."""
        classes = self._lanes.get(lane)
        return classes.order.ordered() if classes else iter(())
