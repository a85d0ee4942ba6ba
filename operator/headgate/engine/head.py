"""The head of a queue: its next Job, which does not fit, the rooms that it claims, and what it lets others do there.

A head that backfills has a reservation: where and when it fits at the latest. It is found from what the active Jobs of
a room give back, and kept as long as nothing changes there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.engine.room import NOTHING_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headgate.api.quantity import Amounts
    from headgate.engine.job import Job
    from headgate.engine.queue import Queue
    from headgate.engine.room import Kept, Rank, Room

_NONE: Final[Mapping[str, int]] = {}


class Reservation(NamedTuple):
    """Where and when the Job at the head fits at the latest, if every active Job ends by its deadline."""

    room: Room
    at: float
    """Seconds since the epoch; infinite where a Job without a deadline is in the way."""
    spare: Mapping[str, int]
    """What is left there at that time, beside the head: Jobs without an end may use it."""
    own_spare: Mapping[str, int]
    """What Jobs of the head's own queue may use of it, where the queue keeps something for others."""

    def beside(self, job: Job, queue: str) -> Reservation | None:
        """Return what it becomes for a queue's head when a Job comes to the room; None if it is put off."""
        if job.ends_at <= self.at and job.ends_at < inf:
            return self
        demand, own = job.request.total, self.own_spare if job.queue == queue else _NONE
        if not _fits(demand, self.spare) or not _fits(demand, own):
            return None
        return self._replace(
            spare=_without(self.spare, demand), own_spare=_without(own, demand) if own else self.own_spare
        )

    def strictest(self, other: Reservation) -> Reservation:
        """Return what both this and another reservation let go."""
        return self._replace(
            at=min(self.at, other.at),
            spare=_least(self.spare, other.spare),
            own_spare=_least(self.own_spare, other.own_spare),
        )


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
    _reserved: Room | None = None
    """The room of its reservation, when those behind it were last looked at."""
    _strictest: Reservation | None = None
    """The earliest time for which that was reserved since then, and the least that was left over; None if it
    was not always that room."""
    _reservation: Reservation | None = None
    _found: dict[Room, tuple[int, Reservation]] = field(default_factory=dict)
    """When it would fit into each of the rooms that it claims, in their order, and the version of that."""
    _version: int = 0

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
            room.line_up(self)

    def step_out(self) -> None:
        """Wait no more."""
        for room in self.watched:
            room.step_out(self)

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
        version = sum(room.version for room in self.rooms)
        if self._reservation is None or version != self._version:
            self._version = version
            for room in self.rooms:
                self._found[room] = (room.version, self._found_in(room))
            found = min((found for _, found in self._found.values()), key=lambda found: found.at)
            if self._strictest is not None and found is not self._reservation:
                self._strictest = found.strictest(self._strictest) if found.room is self._reserved else None
            self._reservation = found
        return self._reservation

    def let_go(self) -> Room | None:
        """Return the room in which it lets others do more than when they were last looked at, if there is one.

        It lets all of them into one that it has not reserved any more, and more of them into one reserved for later.
        """
        reservation, room = self.reservation(), self._reserved
        is_as_strict = reservation == self._strictest
        self._reserved, self._strictest = reservation.room, reservation
        return None if is_as_strict else room

    def _found_in(self, room: Room) -> Reservation:
        """Return when it fits into a room, which may have changed: what one Job more makes of it is quickly said."""
        version, known = self._found.get(room, (-1, None))
        if known is not None and version == room.version:
            return known
        found = None
        if known is not None and version + 1 == room.version and room.newest is not None:
            found = known.beside(room.newest, self.queue.name)
        return found if found is not None else self._reserve(room)

    def _reserve(self, room: Room) -> Reservation:
        queue, demand, limit = self.queue.name, self.job.request.total, room.limit
        free = {name: bound - room.used.get(name, 0) for name, bound in limit.items()}
        at = _fits_at(demand, free, room)
        own: Mapping[str, int] = _NONE
        if self.kept.numerator:
            mine = room.used_by.get(queue, _NONE)
            own = {name: bound - self.kept.of(bound) - mine.get(name, 0) for name, bound in limit.items()}
            at = max(at, _fits_at(demand, own, room, queue))
            own = _spare(demand, own, room, at, queue)
        return Reservation(room, at, _spare(demand, free, room, at), own)


def _fits_at(demand: Amounts, free: Mapping[str, int], room: Room, queue: str | None = None) -> float:
    """Return when a demand fits into what is free and what is given back: -inf at once, inf nobody knows when."""
    missing = ((name, amount - free[name]) for name, amount in demand if name in free)
    return max(
        (room.releases(queue).first(name, amount) for name, amount in missing if amount > 0), default=-inf
    )


def _spare(
    demand: Amounts, free: Mapping[str, int], room: Room, at: float, queue: str | None = None
) -> Mapping[str, int]:
    """Return what is left at a time of what is free and what has been given back by then, beside a demand."""
    given_back = room.releases(queue).until(at) if at > -inf else _NONE
    return _without({name: amount + given_back.get(name, 0) for name, amount in free.items()}, demand)


def _fits(amounts: Amounts, free: Mapping[str, int]) -> bool:
    return all(amount <= free[name] for name, amount in amounts if name in free)


def _without(amounts: Mapping[str, int], demand: Amounts) -> Mapping[str, int]:
    left = dict(amounts)
    for name, amount in demand:
        if name in left:
            left[name] -= amount
    return left


def _least(amounts: Mapping[str, int], others: Mapping[str, int]) -> Mapping[str, int]:
    return {name: min(amount, others.get(name, amount)) for name, amount in amounts.items()}
