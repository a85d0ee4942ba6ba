"""Finding a Job its room: which environments it may go to, which has room, and if none, why."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from headgate.api.quantity import format_quantity
from headgate.engine.placement import choose

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.engine.environments import Environment
    from headgate.engine.job import Job
    from headgate.engine.occupancy import Occupancy
    from headgate.engine.placement import Place
    from headgate.engine.queue import Queue
    from headgate.engine.room import Kept, Rank, Room

NO_MATCH = "NoMatchingEnvironment"
TOO_LARGE = "ExceedsEnvironmentMaximum"
NO_ROOM = "InsufficientCapacity"

BACKFILL_LIMIT = 128
"""How many Jobs are looked at behind a head that does not fit, of each class the first, when something has changed."""


class Fit(NamedTuple):
    """Where a Job of a queue could ever go."""

    groups: tuple[tuple[Room, ...], ...]
    """Rooms in the order in which they are tried; those of a group are equals, of which the best is taken."""
    reason: str
    """Why it has to wait if it does not fit now."""
    message: str

    @property
    def rooms(self) -> tuple[Room, ...]:
        """All of these rooms."""
        return self.groups[0] if len(self.groups) == 1 else tuple(chain.from_iterable(self.groups))


class Placing:
    """Finds rooms for the Jobs of one pool's queues."""

    def __init__(
        self, pool: str, predecessor: Callable[[str, str], Place | None], occupancy: Occupancy
    ) -> None:
        self._pool = pool
        self._predecessor = predecessor
        """Where a Job (namespace, name) runs or ran."""
        self._occupancy = occupancy
        self.looks_left = 1
        """How many Jobs may still be looked at in one go, room by room: no question shall take long."""

    def cluster(self, queue: Queue, job: Job) -> str:
        """Return the cluster for a Job of a queue without environments that reaches at least one."""
        return choose(queue.reach, self._pool, self._occupancy, self._distance(queue, job))

    def fit(self, queue: Queue, job: Job) -> Fit:
        """Return the rooms that match a Job and could hold it."""
        reasons: list[str] = []
        too_large: list[str] = []
        groups: list[tuple[Room, ...]] = []
        closed: list[str] = []
        kept = queue.kept
        for environment, rooms in zip(queue.options.environments, queue.options.groups, strict=True):
            assert environment.resource is not None
            why = job.constraints.contradicts(environment.resource.spec.selector)
            if why is not None:
                reasons.append(f"{environment.name}: {why}")
                continue
            why = _excess(environment, job, kept)
            if why is not None:
                too_large.append(why)
                continue
            if rooms:
                groups.append(rooms)
            else:
                closed.append(f"{environment.name}: no cluster that the queue may reach is healthy")
        if groups or closed:
            return Fit(self._by_affinity(queue, job, groups), NO_ROOM, "; ".join(closed))
        if too_large:
            return Fit((), TOO_LARGE, "; ".join(too_large))
        return Fit((), NO_MATCH, "; ".join(reasons))

    def find(
        self, queue: Queue, job: Job, fit: Fit, rank: Rank, now: float, *, passing: bool = False
    ) -> Room | None:
        """Return the best room that a Job fits into now and that nobody ahead keeps it from, or None.

        Of the first group in which there is any: the one that is used least, then the one in the cluster with the
        fewest active Jobs, then the first by the cluster's name.
        """
        kept, total = queue.kept, job.request.total
        for group in fit.groups:
            self.looks_left -= len(group)
            open_rooms = [
                room
                for room in group
                if room.lacks(total, queue.name, kept) is None
                and room.bars(rank, job, now, passing=passing) is None
            ]
            if len(open_rooms) > 1:
                pool, occupancy = self._pool, self._occupancy
                return min(
                    open_rooms,
                    key=lambda room: (room.load(total), occupancy.on(pool, room.cluster), room.cluster),
                )
            if open_rooms:
                return open_rooms[0]
        return None

    def pass_by(self, queue: Queue, head: Job, rank: Rank, now: float) -> tuple[Job, Room] | None:
        """Return a Job behind the head that may go before it, and where to, or None."""
        hopeless: set[tuple[int, int | None, int]] = set()
        rooms, kept = queue.options.rooms, queue.kept
        for job in queue.behind(head, BACKFILL_LIMIT):
            kind = (id(job.request), job.deadline, id(job.constraints))
            if kind in hopeless:
                continue
            # Most have no room, whatever else they ask for: what is quickly said comes first.
            self.looks_left -= len(rooms)
            if any(
                room.lacks(job.request.total, queue.name, kept) is None
                and room.bars(rank, job, now, passing=True) is None
                for room in rooms
            ):
                room = self.find(queue, job, self.fit(queue, job), rank, now, passing=True)
                if room is not None:
                    return job, room
            hopeless.add(kind)
        return None

    def why(self, queue: Queue, job: Job, fit: Fit, rank: Rank, now: float) -> str:
        """Say what a Job waits for that does not fit now, environment by environment."""
        if not fit.rooms:
            return fit.message
        kept = queue.kept
        parts = []
        for room in fit.rooms:
            where = f"{room.environment} on {room.cluster}"
            lacking = room.lacks(job.request.total, queue.name, kept)
            if lacking is not None:
                asked = dict(job.request.total)[lacking]
                free = room.free_for(lacking, queue.name, kept)
                parts.append(
                    f"{where} has {format_quantity(lacking, free)} {lacking} free, "
                    f"the Job asks for {format_quantity(lacking, asked)}"
                )
                continue
            ahead = room.bars(rank, job, now)
            if ahead is not None:
                other = f"{ahead.job.namespace}/{ahead.job.name} of queue {ahead.queue.name}"
                parts.append(f"{where} is kept for Job {other}, which is ahead")
        return "; ".join(parts)

    def _by_affinity(
        self, queue: Queue, job: Job, groups: list[tuple[Room, ...]]
    ) -> tuple[tuple[Room, ...], ...]:
        """Put the rooms closest to where its predecessor ran first, or last, as the queue wants it."""
        distance = self._distance(queue, job)
        if distance is None:
            return tuple(groups)
        apart: dict[tuple[int, int], list[Room]] = {}
        for order, group in enumerate(groups):
            for room in group:
                apart.setdefault((distance(room.cluster, room.environment), order), []).append(room)
        return tuple(tuple(apart[key]) for key in sorted(apart))

    def _distance(self, queue: Queue, job: Job) -> Callable[..., int] | None:
        """Return how far a cluster, or an environment in it, is from where a Job wants to be; None if it is all one."""
        if job.retry_of is None or queue.resource is None:
            return None
        before = self._predecessor(job.namespace, job.retry_of)
        if before is None:
            return None
        sign = -1 if queue.resource.spec.retry_affinity == "PreferWarmest" else 1
        return lambda cluster, environment=None: sign * before.closeness(environment, cluster)


def _excess(environment: Environment, job: Job, kept: Kept) -> str | None:
    """Say what a Job asks for beyond what an environment could ever give it, None if it could."""
    assert environment.resource is not None
    name = environment.name
    shape = dict(environment.resource.spec.shape_amounts)
    for resource, amount in job.request.pod:
        if resource in shape and amount > shape[resource]:
            return (
                f"a Pod asks for {format_quantity(resource, amount)} {resource}, "
                f"an instance of {name} has {format_quantity(resource, shape[resource])}"
            )
    capacity = environment.capacity
    for resource, amount in job.request.total:
        bound = capacity.get(resource)
        if bound is None or amount <= bound - kept.of(bound):
            continue
        most = format_quantity(resource, bound - kept.of(bound))
        beside = " beside what is kept for other shares" if amount <= bound else ""
        return f"the Job asks for {format_quantity(resource, amount)} {resource}, {name} has {most} at most{beside}"
    return None
