"""Finding a Job its room: which environments it may go to, which has room, and if none, why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headgate.api.quantity import format_quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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

    def __init__(
        self,
        environments: Mapping[str, Environment],
        predecessor: Callable[[str, str], str | None],
    ) -> None:
        self._environments = environments
        self._predecessor = predecessor
        """Environment in which a Job (namespace, name) runs or ran."""

    def fit(self, queue: Queue, job: Job) -> Fit:
        """Return the rooms that match a Job and could hold it."""
        reasons: dict[str, str] = {}
        too_large: dict[str, str] = {}
        rooms: list[Room] = []
        kept = queue.kept
        for room in queue.options.rooms:
            name = room.environment
            if name in reasons:
                continue
            why = self._contradiction(name, job)
            if why is not None:
                reasons[name] = why
                continue
            why = self._excess(room, job, kept)
            if why is not None:
                too_large[name] = why
            else:
                rooms.append(room)
        if rooms:
            return Fit(self._by_affinity(queue, job, rooms), NO_ROOM, "")
        if too_large:
            return Fit((), TOO_LARGE, "; ".join(too_large.values()))
        return Fit((), NO_MATCH, "; ".join(reasons.values()))

    def find(self, queue: Queue, job: Job, fit: Fit, rank: Rank, now: float) -> Room | None:
        """Return the first room that a Job fits into now and that nobody ahead keeps it from, or None."""
        kept = queue.kept
        for room in fit.rooms:
            if room.lacks(job.request.total, kept) is None and room.bars(rank, job, now) is None:
                return room
        return None

    def pass_by(self, queue: Queue, head: Job, rank: Rank, now: float) -> tuple[Job, Room] | None:
        """Return a Job behind the head that may go before it, and where to, or None."""
        for job in queue.behind(head, BACKFILL_LIMIT):
            room = self.find(queue, job, self.fit(queue, job), rank, now)
            if room is not None:
                return job, room
        return None

    def why(self, queue: Queue, job: Job, fit: Fit, rank: Rank, now: float) -> str:
        """Say what a Job waits for that does not fit now, environment by environment."""
        if not fit.rooms:
            return fit.message
        kept = queue.kept
        parts = []
        for room in fit.rooms:
            where = f"{room.environment} on {room.cluster}"
            lacking = room.lacks(job.request.total, kept)
            if lacking is not None:
                asked = dict(job.request.total)[lacking]
                bound = room.limit[lacking]
                free = max(bound - kept.of(bound) - room.used.get(lacking, 0), 0)
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

    def _contradiction(self, name: str, job: Job) -> str | None:
        resource = self._environments[name].resource
        assert resource is not None
        why = job.constraints.contradicts(resource.spec.selector)
        return f"{name}: {why}" if why else None

    def _excess(self, room: Room, job: Job, kept: Kept) -> str | None:
        """Say what the Job asks for beyond what the room could ever give it."""
        resource = self._environments[room.environment].resource
        assert resource is not None
        shape = dict(resource.spec.shape_amounts)
        for name, amount in job.request.pod:
            if name in shape and amount > shape[name]:
                return (
                    f"a Pod asks for {format_quantity(name, amount)} {name}, "
                    f"a machine of {room.environment} has {format_quantity(name, shape[name])}"
                )
        for name, amount in job.request.total:
            bound = room.capacity.get(name)
            if bound is not None and amount > bound:
                return (
                    f"the Job asks for {format_quantity(name, amount)} {name}, "
                    f"{room.environment} has {format_quantity(name, bound)} at most"
                )
            if bound is not None and amount > bound - kept.of(bound):
                return (
                    f"the Job asks for {format_quantity(name, amount)} {name}, {room.environment} has "
                    f"{format_quantity(name, bound - kept.of(bound))} beside what is reserved for other shares"
                )
        return None

    def _by_affinity(self, queue: Queue, job: Job, rooms: list[Room]) -> tuple[Room, ...]:
        """Put the environment in which its predecessor ran first, or last, as the queue wants it."""
        if job.retry_of is not None and queue.resource is not None:
            before = self._predecessor(job.namespace, job.retry_of)
            warm = queue.resource.spec.retry_affinity == "PreferWarmest"
            rooms = sorted(rooms, key=lambda room: (room.environment == before) is not warm)
        return tuple(rooms)
