"""Room: what one environment offers in one cluster, what of it is used, and who waits for it.

Room goes in the order of the pool: a Job at the head of its queue that does not fit claims the rooms it waits for,
and whoever stands behind it takes nothing there that the claim does not let go.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.engine.job import end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from headgate.api.quantity import Amounts
    from headgate.engine.job import Job
    from headgate.engine.queue import Queue

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
        "active",
        "capacity",
        "cluster",
        "environment",
        "limit",
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
        self._ends: list[tuple[float, str, Job]] = []

    def add(self, job: Job) -> None:
        """Count an active Job in."""
        self._count(job, 1)
        job.ends_at = end_of(job)
        if job.ends_at < inf:
            insort(self._ends, (job.ends_at, job.uid, job))

    def remove(self, job: Job) -> None:
        """Count a Job out that was counted in, with the same request."""
        self._count(job, -1)
        if job.ends_at < inf:
            del self._ends[bisect_left(self._ends, (job.ends_at, job.uid))]

    def set_limits(self, capacity: Mapping[str, int], limit: Mapping[str, int]) -> bool:
        """Set what there is; return whether that changes anything."""
        if (self.capacity, self.limit) == (capacity, limit):
            return False
        self.capacity, self.limit = capacity, limit
        self.version += 1
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

    def ends(self) -> Iterator[tuple[float, Job]]:
        """Yield the active Jobs that have a deadline, with when they end at the latest, the earliest first."""
        return ((end, job) for end, _, job in self._ends)

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


class Reservation(NamedTuple):
    """Where and when the Job at the head fits at the latest, if every active Job ends by its deadline."""

    room: Room
    at: float
    """Seconds since the epoch; infinite where a Job without a deadline is in the way."""
    spare: Mapping[str, int]
    """What is left there at that time, beside the head: Jobs without an end may use it."""
    own_spare: Mapping[str, int]
    """What Jobs of the head's own queue may use of it."""


@dataclass(slots=True, eq=False)
class Head:
    """The Job at the head of a queue that does not fit now, and the rooms it claims."""

    queue: Queue
    job: Job
    rank: Rank
    reason: str
    explain: Callable[[], str]
    """Says what it waits for, as things are when it is asked: most of the time nobody does."""
    since: float
    """When it became the head that waits for this reason, in seconds since the epoch."""
    rooms: tuple[Room, ...] = ()
    """The rooms it claims: those that could hold it, in the order in which it would take them."""
    kept: Kept = NOTHING_KEPT
    backfills: bool = False
    watched: tuple[Room, ...] = ()
    """All rooms of its queue: when one of them gets free, the queue is looked at again."""
    request: object = None
    constraints: object = None
    reserved: Room | None = None
    """The room of its reservation, when it was last looked at."""
    _reservation: Reservation | None = None
    _versions: tuple[int, ...] = ()

    @property
    def message(self) -> str:
        """What it waits for, in a sentence."""
        return self.explain()

    def is_for(self, job: Job) -> bool:
        """Whether it is about this Job, as that and its queue are now."""
        return (
            self.job is job
            and self.request is job.request
            and self.constraints is job.constraints
            and self.kept == self.queue.kept
            and self.backfills == self.queue.backfills
        )

    def same_claim(self, rooms: tuple[Room, ...], queue: Queue) -> bool:
        """Whether it would be the same if it were made anew for the same Job, with these rooms to claim."""
        return self.rooms == rooms and self.rank == queue.rank and self.watched == queue.options.rooms

    def stand(self) -> None:
        """Wait for room, in the order of the pool."""
        for room in self.watched:
            insort(room.waiters, (self.rank, self), key=_rank)

    def step_out(self) -> None:
        """Wait no more."""
        for room in self.watched:
            del room.waiters[bisect_left(room.waiters, self.rank, key=_rank)]

    def lets(self, room: Room, job: Job, now: float) -> bool:
        """Whether a Job behind this one may enter a room: the claim lets it, as EASY backfill does.

        It may if it ends before this one can start, or if it uses only what is left over then.
        D. Lifka, "The ANL/IBM SP Scheduling System", 1995.
        """
        if room not in self.rooms:
            return True
        if not self.backfills:
            return False
        reservation = self.reservation()
        if room is not reservation.room:
            return True
        if job.deadline is not None and now + job.deadline <= reservation.at:
            return True
        demand = job.request.total
        return _fits(demand, reservation.spare) and (
            job.queue != self.queue.name or _fits(demand, reservation.own_spare)
        )

    def reservation(self) -> Reservation:
        """Return the room in which it fits first; among equals the first in its order."""
        versions = tuple(room.version for room in self.rooms)
        if self._reservation is None or versions != self._versions:
            self._versions = versions
            self._reservation = min(map(self._reserve, self.rooms), key=lambda found: found.at)
        return self._reservation

    def _reserve(self, room: Room) -> Reservation:
        queue, demand = self.queue.name, self.job.request.total
        mine = room.used_by.get(queue, _NONE)
        spare = {name: bound - room.used.get(name, 0) for name, bound in room.limit.items()}
        own = {name: bound - self.kept.of(bound) - mine.get(name, 0) for name, bound in room.limit.items()}
        at = -inf
        fits = _fits(demand, spare) and _fits(demand, own)
        for end, job in room.ends():
            if fits and end > at:
                break
            for name, amount in job.request.total:
                if name in spare:
                    spare[name] += amount
                    own[name] += amount if job.queue == queue else 0
            at = end
            fits = fits or (_fits(demand, spare) and _fits(demand, own))
        if not fits:
            at = inf
        for name, amount in demand:
            if name in spare:
                spare[name] -= amount
                own[name] -= amount
        return Reservation(room, at, spare, own)


def _fits(amounts: Amounts, free: Mapping[str, int]) -> bool:
    return all(amount <= free[name] for name, amount in amounts if name in free)


def _rank(waiter: tuple[Rank, Head]) -> Rank:
    return waiter[0]


def _change(amounts: dict[str, int], name: str, change: int) -> None:
    left = amounts.get(name, 0) + change
    if left:
        amounts[name] = left
    else:
        del amounts[name]
