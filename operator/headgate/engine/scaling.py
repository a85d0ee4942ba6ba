"""How many instances an environment needs."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.engine.environments import added
from headgate.engine.placing import NO_ROOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from headgate.api.quantity import Amounts
    from headgate.engine.environments import Environment
    from headgate.engine.job import Job
    from headgate.engine.placing import Placing
    from headgate.engine.queue import Queue
    from headgate.engine.room import Room

MOST_CLASSES: Final = 1000
"""Classes of waiting Jobs that are looked at in all queues together: what they do not tell, the next look does."""
LEAST_CLASSES: Final = 10
"""Those that are looked at in each queue, however many queues there are."""


class Demand:
    """What the waiting Jobs of a pool's queues would use, room by room."""

    def __init__(self) -> None:
        self._planned: dict[Room, dict[str, int]] = {}

    def plan(self, queue: Queue, placing: Placing, most: int) -> None:
        """Put as many of a queue's waiting Jobs into its rooms as its limits let go and the rooms could ever hold.

        Who is at the head comes first, and takes a place under the limits also where no room could ever hold it; behind
        such a Job another one goes only where the queue backfills. It looks at `most` classes of them.
        """
        head = queue.next()
        if head is None:
            return
        left = queue.room_left()
        for place, (job, alike) in enumerate(islice(_in_order(head, queue), most)):
            if left == 0:
                return
            fit = placing.fit(queue, job)
            if fit.reason != NO_ROOM and not queue.backfills:
                return
            asked = alike if left is None else min(alike, left)
            planned = 0
            for room in fit.rooms:
                planned += self._fill(room, job.request.total, asked - planned)
            if left is not None:
                left -= planned if place else 1

    def of(self, environment: Environment) -> dict[str, int]:
        """Return what is used, and planned, in all rooms of an environment, by resource, in billionths."""
        return added(self._planned.get(room) or room.used for room in environment.rooms.values())

    def _fill(self, room: Room, amounts: Amounts, count: int) -> int:
        """Plan up to `count` Jobs of this request into a room; return how many it holds."""
        planned = self._planned.setdefault(room, dict(room.used))
        for name, amount in amounts:
            bound = room.capacity.get(name)
            if bound is not None:
                count = min(count, max(bound - planned.get(name, 0), 0) // amount)
        for name, amount in amounts:
            planned[name] = planned.get(name, 0) + amount * count
        return count


def _in_order(head: Job, queue: Queue) -> Iterator[tuple[Job, int]]:
    """Yield the Job at the head of a queue, then one of each class behind it with how many are like that."""
    yield head, 1
    own = head.candidate.kind if head.candidate is not None else None
    for kind in queue.classes():
        first = kind.jobs.first()
        alike = len(kind.jobs) - (kind is own)
        if first is not None and alike:
            yield first.job, alike


def needed(shape: Amounts, demand: Mapping[str, int]) -> int:
    """Return how many instances of a shape hold a demand together, resource by resource."""
    return max((-(-demand.get(name, 0) // size) for name, size in shape), default=0)


class Wanted(NamedTuple):
    """How many instances an environment should have."""

    replicas: int
    why: str


def plan(
    environments: Mapping[str, Environment],
    queues: Iterable[Queue],
    placing: Mapping[str, Placing],
    now: float,
) -> list[tuple[Environment, Wanted]]:
    """Return how many instances each environment that scales should have; `placing` is by name of the pool."""
    scaled = {name: one for name, one in environments.items() if one.target is not None}
    if not scaled:
        return []
    users: dict[str, list[Queue]] = defaultdict(list)
    demand = Demand()
    contenders = []
    for queue in sorted((queue for queue in queues if queue.has_environments), key=_priority):
        named = queue.names_environments
        for name in named:
            users[name].append(queue)
        if queue.waiting and not named.isdisjoint(scaled):
            contenders.append(queue)
    most = max(MOST_CLASSES // max(len(contenders), 1), LEAST_CLASSES)
    for queue in contenders:
        assert queue.resource is not None
        demand.plan(queue, placing[queue.resource.spec.pool], most)
    return [
        (environment, wanted(environment, users[name], demand, now)) for name, environment in scaled.items()
    ]


def _priority(queue: Queue) -> tuple[int, str]:
    return (-queue.resource.spec.priority_value if queue.resource else 0, queue.name)


def wanted(environment: Environment, queues: list[Queue], demand: Demand, now: float) -> Wanted:
    """Return how many instances an environment should have at `now` (seconds), within its bounds.

    It grows with what waits; it shrinks only when none of the queues that use it has had a live Job for long enough,
    and never below what is admitted.
    """
    assert environment.resource is not None
    spec = environment.resource.spec
    scaling = spec.scaling
    assert scaling is not None
    least = max(scaling.min, needed(spec.shape_amounts, environment.used))
    most = max(scaling.max, least)
    if any(queue.live for queue in queues) or any(room.active for room in environment.rooms.values()):
        environment.idle_since = None
    else:
        # Jobs may have come and gone since this was last asked.
        idle_since = now if environment.idle_since is None else environment.idle_since
        environment.idle_since = max(idle_since, *(queue.last_live for queue in queues), 0.0)
    waits = idle_timeout(environment, queues)
    if environment.idle_since is not None and waits is not None and now >= environment.idle_since + waits:
        return Wanted(least, f"no queue that uses it has had a live Job for {waits} s")
    current = environment.reading.replicas if environment.reading else 0
    asked = needed(spec.shape_amounts, demand.of(environment))
    replicas = min(max(least, current, asked), most)
    if replicas < current:
        return Wanted(replicas, f"spec.scaling.max is {scaling.max}")
    if replicas == scaling.min and asked < scaling.min:
        return Wanted(replicas, f"spec.scaling.min is {scaling.min}")
    return Wanted(
        replicas, f"the Jobs that run there or could need {asked}, spec.scaling.max is {scaling.max}"
    )


def idle_timeout(environment: Environment, queues: list[Queue]) -> int | None:
    """Return after how many seconds without live Jobs an environment shrinks, None for never.

    The environment's own time counts, or that of the only queue that uses it, if that is shorter.
    """
    assert environment.resource is not None
    assert environment.resource.spec.scaling is not None
    times = [environment.resource.spec.scaling.idle_timeout_seconds]
    if len(queues) == 1 and queues[0].resource is not None:
        times.append(queues[0].resource.spec.idle_timeout_seconds)
    return min((time for time in times if time > 0), default=None)
