"""Finding Jobs that wait for each other in a ring.

What users write may make chains and meshes of any length, and close or open a ring at one end with every change. So no
fact starts a search of its own: Jobs that may have closed a ring are gathered, and one search after the other goes over
all that those wait for, each Job once, a bounded number of steps at a time.

A ring is found although the Jobs around it change meanwhile: the last of it is gathered when it comes, and from then on
each waits for the next, as long as the ring is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from headgate.engine.job import Job


class _Visit(NamedTuple):
    job: Job
    ahead: Iterator[Job]


class Rings:
    """Searches for rings.

    `ahead` gives the Jobs that one waits for and that may be in a ring with it; those of one that was found are in no
    other.
    """

    def __init__(self, ahead: Callable[[Job], Iterable[Job]]) -> None:
        self._ahead = ahead
        self._suspects: dict[str, Job] = {}
        self._search: Iterator[tuple[Job, ...] | None] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to search for."""
        return self._search is None and not self._suspects

    def suspect(self, job: Job) -> None:
        """Take note that a Job may have closed a ring."""
        self._suspects[job.uid] = job

    def find(self, most: int) -> Iterator[tuple[Job, ...]]:
        """Take so many steps at most; yield each ring that is found, in which each waits for the next.

        Who takes it has `ahead` leave it out from then on.
        """
        for _ in range(most):
            if self._search is None:
                if not self._suspects:
                    return
                self._search = self._steps(list(self._suspects.values()))
                self._suspects.clear()
            try:
                ring = next(self._search)
            except StopIteration:
                self._search = None
            else:
                if ring is not None:
                    yield ring

    def _steps(self, suspects: Iterable[Job]) -> Iterator[tuple[Job, ...] | None]:
        """Walk from each Job over all that it waits for, in depth; yield after each step the ring it closes, if any."""
        walked: set[str] = set()
        for suspect in suspects:
            path = [] if suspect.uid in walked else [_Visit(suspect, iter(self._ahead(suspect)))]
            places = {visit.job.uid: 0 for visit in path}
            while path:
                here = path[-1]
                there = next(here.ahead, None)
                ring = None
                if there is None:
                    path.pop()
                    del places[here.job.uid]
                    walked.add(here.job.uid)
                elif there.uid in walked:
                    pass
                elif there.uid not in places:
                    places[there.uid] = len(path)
                    path.append(_Visit(there, iter(self._ahead(there))))
                elif self._holds(ring := tuple(visit.job for visit in path[places[there.uid] :])):
                    for job in ring:
                        path.pop()
                        del places[job.uid]
                        walked.add(job.uid)
                else:
                    ring = None
                yield ring

    def _holds(self, ring: tuple[Job, ...]) -> bool:
        """Whether it is one, still: the walk may have begun a while ago."""
        return all(
            any(other is after for other in self._ahead(job))
            for job, after in zip(ring, (*ring[1:], ring[0]), strict=True)
        )
