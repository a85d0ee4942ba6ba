"""Room: what one environment offers in one cluster, what of it is used, and who waits for it.

Room goes in the order of the pool: a Job at the head of its queue that does not fit claims the rooms it waits for,
and whoever stands behind it takes nothing there that the claim does not let go.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.engine.job import end_of
from headgate.engine.releases import Releases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headgate.api.quantity import Amounts
    from headgate.engine.head import Head
    from headgate.engine.job import Job
    from headgate.engine.releases import End

Rank = tuple[int, int]
"""Place of a queue in its pool: negated priority, then turn. Lower goes first."""


class Kept(NamedTuple):
    """The part of a capacity that a queue must leave free, as a fraction."""

    numerator: int
    denominator: int

    def of(self, capacity: int) -> int:
        """Return what is kept of a capacity, rounded down."""
        return capacity * self.numerator // self.denominator


NOTHING_KEPT: Final = Kept(0, 1)
_NONE: Final[Mapping[str, int]] = {}


class Room:
    """One environment in one cluster."""

    __slots__ = (
        "_ends",
        "_releases",
        "active",
        "capacity",
        "cluster",
        "environment",
        "limit",
        "newest",
        "used",
        "used_by",
        "version",
        "waiters",
    )

    def __init__(self, environment: str, cluster: str) -> None:
        self.environment = environment
        self.cluster = cluster
        self.capacity: Mapping[str, int] = {}
        """The most that Jobs may ever request together; a resource that is not named has no bound."""
        self.limit: Mapping[str, int] = {}
        """The most that they may request now: less than the capacity while the environment is not scaled up."""
        self.used: dict[str, int] = {}
        self.used_by: dict[str, dict[str, int]] = {}
        """What each queue uses of it."""
        self.active = 0
        self.waiters: list[tuple[Rank, Head]] = []
        """Blocked queues that could use the room, in the order of the pool."""
        self.version = 0
        """Rises with every change of the limit or of what is used."""
        self.newest: Job | None = None
        """The Job that has come with the latest change, if one has."""
        self._ends: dict[End, Job] = {}
        """The active Jobs that have a deadline."""
        self._releases: dict[str | None, Releases] = {}
        """What they give back and when, all of them (None) or those of one queue, as far as anybody has asked."""

    def add(self, job: Job) -> None:
        """Count an active Job in."""
        self._count(job, 1)
        self.newest = job
        job.ends_at = end_of(job)
        if job.ends_at < inf:
            end = (job.ends_at, job.uid)
            self._ends[end] = job
            for whose in self._releases.keys() & {None, job.queue}:
                self._releases[whose].add(end, job.request.total)

    def remove(self, job: Job) -> None:
        """Count a Job out that was counted in, with the same request."""
        self._count(job, -1)
        self.newest = None
        if job.ends_at < inf:
            end = (job.ends_at, job.uid)
            del self._ends[end]
            for whose in self._releases.keys() & {None, job.queue}:
                self._releases[whose].remove(end)

    def set_limits(self, capacity: Mapping[str, int], limit: Mapping[str, int]) -> bool:
        """Set what there is; return whether that changes anything."""
        if (self.capacity, self.limit) == (capacity, limit):
            return False
        if self.limit.keys() != limit.keys():
            self._releases.clear()
        self.capacity, self.limit = capacity, limit
        self.version += 1
        self.newest = None
        return True

    def lacks(self, amounts: Amounts, queue: str, kept: Kept = NOTHING_KEPT) -> str | None:
        """Return the first resource of which too little is free now for a queue, or None if all of it fits.

        `kept` is the part that all Jobs of the queue together leave alone.
        """
        limit, used, mine = self.limit, self.used, self.used_by.get(queue, _NONE)
        for name, amount in amounts:
            bound = limit.get(name)
            if bound is None:
                continue
            if amount > bound - used.get(name, 0) or amount > bound - kept.of(bound) - mine.get(name, 0):
                return name
        return None

    def load(self, amounts: Amounts) -> float:
        """Return the largest part of any of these resources that would be in use with this much more of each."""
        used, limit = self.used, self.limit
        return max(
            ((used.get(name, 0) + amount) / bound for name, amount in amounts if (bound := limit.get(name))),
            default=0.0,
        )

    def free(self, name: str) -> int | None:
        """Return how much of a resource is free now, None where it has no bound; never below 0."""
        bound = self.limit.get(name)
        return None if bound is None else max(bound - self.used.get(name, 0), 0)

    def free_for(self, name: str, queue: str, kept: Kept) -> int:
        """Return how much of a resource that has a bound a queue may take now; never below 0."""
        bound = self.limit[name]
        mine = self.used_by.get(queue, _NONE).get(name, 0)
        return max(min(bound - self.used.get(name, 0), bound - kept.of(bound) - mine), 0)

    def releases(self, queue: str | None = None) -> Releases:
        """Return when its active Jobs give back what they use of what is limited, or those of one queue."""
        releases = self._releases.get(queue)
        if releases is None:
            jobs = {end: job.request.total for end, job in self._ends.items() if queue in (None, job.queue)}
            releases = self._releases[queue] = Releases(self.limit, jobs)
        return releases

    def line_up(self, head: Head) -> None:
        """Have a head wait here, in its place in the order of the pool."""
        insort(self.waiters, (head.rank, head), key=_rank)

    def step_out(self, head: Head) -> None:
        """Have a head wait here no more."""
        del self.waiters[bisect_left(self.waiters, head.rank, key=_rank)]

    def heads(self, rank: Rank | None = None) -> Iterator[Head]:
        """Yield those who wait here in the order of the pool, from a rank on if one is given. They must not change."""
        start = 0 if rank is None else bisect_left(self.waiters, rank, key=_rank)
        return (head for _, head in islice(self.waiters, start, None))

    def bars(self, rank: Rank, job: Job, now: float, *, passing: bool = False) -> Head | None:
        """Return the claim that keeps a Job out of here, or None: one ahead of its queue's rank.

        Where the Job is `passing` the head of its own queue, that one's claim counts too.
        """
        for place, head in self.waiters:
            if place > rank or (place == rank and not passing):
                break
            if not head.lets(self, job, now):
                return head
        return None

    def _count(self, job: Job, sign: int) -> None:
        mine = self.used_by.setdefault(job.queue, {})
        for name, amount in job.request.total:
            _change(self.used, name, sign * amount)
            _change(mine, name, sign * amount)
        if not mine:
            del self.used_by[job.queue]
        self.active += sign
        self.version += 1


def _rank(waiter: tuple[Rank, Head]) -> Rank:
    return waiter[0]


def _change(amounts: dict[str, int], name: str, change: int) -> None:
    left = amounts.get(name, 0) + change
    if left:
        amounts[name] = left
    else:
        del amounts[name]
