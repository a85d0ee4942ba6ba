"""Finding a Job its room: which environments it may go to, which has room, and if none, why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headgate.api.quantity import format_quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.engine.environments import Environment
    from headgate.engine.job import Job
    from headgate.engine.queue import Queue
    from headgate.engine.room import Kept, Rank, Room

NO_MATCH = "NoMatchingEnvironment"
TOO_LARGE = "ExceedsEnvironmentMaximum"
NO_ROOM = "InsufficientCapacity"

BACKFILL_LIMIT = 128
"""How many Jobs are looked at behind a head that does not fit, of each class the first, when something has changed."""


class Fit(NamedTuple):
    """Where a Job of a queue could ever go."""

    rooms: tuple[Room, ...]
    """In the order in which they are tried."""
    reason: str
    """Why it has to wait if it does not fit now."""
    message: str


class Placing:
    """Finds rooms for the Jobs of one pool's queues."""

    def __init__(self, predecessor: Callable[[str, str], str | None]) -> None:
        self._predecessor = predecessor
        """Environment in which a Job (namespace, name) runs or ran."""

    def fit(self, queue: Queue, job: Job) -> Fit:
        """Return the rooms that match a Job and could hold it."""
        reasons: list[str] = []
        too_large: list[str] = []
        rooms: list[Room] = []
        closed: list[str] = []
        kept = queue.kept
        for environment in queue.options.environments:
            assert environment.resource is not None
            why = job.constraints.contradicts(environment.resource.spec.selector)
            if why is not None:
                reasons.append(f"{environment.name}: {why}")
                continue
            why = _excess(environment, job, kept)
            if why is not None:
                too_large.append(why)
                continue
            open_rooms = [room for room in queue.options.rooms if room.environment == environment.name]
            rooms.extend(open_rooms)
            if not open_rooms:
                closed.append(f"{environment.name}: no cluster that the queue may reach is healthy")
        if rooms or closed:
            return Fit(self._by_affinity(queue, job, rooms), NO_ROOM, "; ".join(closed))
        if too_large:
            return Fit((), TOO_LARGE, "; ".join(too_large))
        return Fit((), NO_MATCH, "; ".join(reasons))

    def find(
        self, queue: Queue, job: Job, fit: Fit, rank: Rank, now: float, *, passing: bool = False
    ) -> Room | None:
        """Return the first room that a Job fits into now and that nobody ahead keeps it from, or None."""
        kept = queue.kept
        for room in fit.rooms:
            if (
                room.lacks(job.request.total, queue.name, kept) is None
                and room.bars(rank, job, now, passing=passing) is None
            ):
                return room
        return None

    def pass_by(self, queue: Queue, head: Job, rank: Rank, now: float) -> tuple[Job, Room] | None:
        """Return a Job behind the head that may go before it, and where to, or None."""
        hopeless: set[tuple[int, int | None, int]] = set()
        for job in queue.behind(head, BACKFILL_LIMIT):
            kind = (id(job.request), job.deadline, id(job.constraints))
            if kind in hopeless:
                continue
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

    def _by_affinity(self, queue: Queue, job: Job, rooms: list[Room]) -> tuple[Room, ...]:
        """Put the environment in which its predecessor ran first, or last, as the queue wants it."""
        if job.retry_of is not None and queue.resource is not None:
            before = self._predecessor(job.namespace, job.retry_of)
            warm = queue.resource.spec.retry_affinity == "PreferWarmest"
            rooms = sorted(rooms, key=lambda room: (room.environment == before) is not warm)
        return tuple(rooms)


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
