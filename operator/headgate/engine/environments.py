"""Compute environments: which of them a queue may use, in what order, and what stands in the way."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.engine.placement import Stall, resolve
from headgate.engine.room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headgate.api.computeenvironment import ComputeEnvironment, ScaleTargetRef
    from headgate.api.jobqueue import JobQueueSpec
    from headgate.api.requests import Request
    from headgate.engine.job import Job
    from headgate.engine.placement import Cluster, Reach

ON_MACHINES: Final = frozenset({"OnDemand", "Spot"})
"""The types that run on machines; the others are serverless. A queue uses one class of them."""


class ScaleReading(NamedTuple):
    """What a /scale subresource says."""

    replicas: int
    """How many are wanted (spec.replicas)."""
    ready: int
    """How many there are (status.replicas)."""


class Environment:
    """One compute environment, with or without its ComputeEnvironment object: Jobs and queues may come first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.resource: ComputeEnvironment | None = None
        self.broken: str | None = None
        """Why the newest version of the object could not be read: the last good one stays in force."""
        self.reach: Reach | None = None
        """The clusters it is in, None while no object exists."""
        self.rooms: dict[str, Room] = {}
        """By cluster. A room outlives what made it as long as Jobs run there."""
        self.reading: ScaleReading | None = None
        self.unreadable: str | None = None
        """Why its scale cannot be read, or not be set, at present."""
        self.target_missing = False
        """Whether that is because there is no such object."""
        self.wanted: int | None = None
        """The replicas last wanted."""
        self.idle_since: float | None = None
        """Since when none of the queues that use it has a live Job, in seconds since the epoch."""

    @property
    def problem(self) -> Stall | None:
        """Why it is invalid, or None."""
        if self.broken:
            return Stall("InvalidSpec", self.broken)
        scaling = self.resource.spec.scaling if self.resource else None
        if scaling is not None and self.reach is not None and len(self.reach.names) > 1:
            names = ", ".join(self.reach.names)
            message = (
                f"spec.clusters: the environment is in {names}, and spec.scaling.targetRef scales one of them: name "
                "that one, and make an environment for each of the others"
            )
            return Stall("AmbiguousScaling", message)
        stall = self.reach.stall if self.reach else None
        return None if stall is None or stall.reason == "NoHealthyCluster" else stall

    @property
    def takes_jobs(self) -> bool:
        """Whether Jobs may be sent there, if there is room."""
        return self.resource is not None and self.resource.spec.state == "Enabled" and self.problem is None

    @property
    def target(self) -> ScaleTargetRef | None:
        """What is scaled for it, None where nothing is."""
        return self.resource.spec.target if self.resource else None

    @property
    def is_as_wanted(self) -> bool:
        """Whether its scale can be read, and has as many instances as it is to have."""
        reading = self.reading
        wanted = reading.replicas if reading and self.wanted is None else self.wanted
        return reading is not None and not self.unreadable and reading == (wanted, wanted)

    @property
    def idle(self) -> bool:
        """Whether nothing is known of it but its name."""
        return self.resource is None and not any(room.active or room.waiters for room in self.rooms.values())

    @property
    def active(self) -> int:
        """How many active Jobs are there."""
        return sum(room.active for room in self.rooms.values())

    @property
    def used(self) -> dict[str, int]:
        """What they request together, by resource, in billionths."""
        return added(room.used for room in self.rooms.values())

    @property
    def limit(self) -> dict[str, int]:
        """What may be requested together now, by resource, in billionths; one that is missing is not limited."""
        return added(room.limit for room in self.shown_rooms())

    def shown_rooms(self) -> list[Room]:
        """Return its rooms in the clusters it is in, and in those where Jobs still run, by name."""
        names = set(self.reach.names if self.reach else ())
        names.update(name for name, room in self.rooms.items() if room.active)
        return [self.room(name) for name in sorted(names)]

    def room(self, cluster: str) -> Room:
        """Return the room it has in a cluster."""
        room = self.rooms.get(cluster)
        if room is None:
            room = self.rooms[cluster] = Room(self.name, cluster)
            self._limit(room)
        return room

    def set_resource(
        self, resource: ComputeEnvironment | None, clusters: Mapping[str, Cluster] | None
    ) -> list[Room]:
        """Take a version of the object, or None when it is gone; return the rooms that changed."""
        target, self.resource = self.target, resource
        if target != self.target:
            # What was read is the scale of something else.
            self.reading = self.unreadable = self.wanted = self.idle_since = None
            self.target_missing = False
        self.broken = None
        self.resolve(clusters)
        return self._limit_all()

    def resolve(self, clusters: Mapping[str, Cluster] | None) -> None:
        """Find out in which clusters of its pool it is; None if there is no such pool."""
        resource = self.resource
        self.reach = resolve(resource.spec.clusters, resource.spec.pool, clusters) if resource else None

    def scaled(self, reading: ScaleReading | None, message: str | None, *, missing: bool) -> list[Room]:
        """Take what its scale says, None with the reason if that cannot be read; return the rooms that changed."""
        self.unreadable = message
        self.target_missing = missing
        if reading is not None:
            self.reading = reading
        return self._limit_all()

    @property
    def capacity(self) -> Mapping[str, int]:
        """The most that Jobs may ever request together in one cluster."""
        return self._bounds()[0]

    def _limit_all(self) -> list[Room]:
        return [room for room in self.rooms.values() if self._limit(room)]

    def _limit(self, room: Room) -> bool:
        return room.set_limits(*self._bounds())

    def _bounds(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Return what Jobs may ever request together in one cluster, and what they may now."""
        if self.resource is None:
            return {}, {}
        spec = self.resource.spec
        capacity = dict(spec.capacity_amounts)
        if spec.scaling is None:
            return capacity, capacity
        limit = dict(capacity)
        # While it shrinks, some of those that are there are about to go.
        ready = min(*self.reading, spec.scaling.max) if self.reading else 0
        for name, amount in spec.shape_amounts:
            bound = capacity.get(name)
            most, now = amount * spec.scaling.max, amount * ready
            capacity[name] = most if bound is None else min(bound, most)
            limit[name] = now if bound is None else min(bound, now)
        return capacity, limit


class _Left(NamedTuple):
    """A Job that has just left a room, as it was there."""

    job: Job
    request: Request
    ends_at: float


class Environments:
    """All environments, by name, and the rooms in which somebody who waits may find what was not there before."""

    def __init__(self) -> None:
        self.by_name: dict[str, Environment] = {}
        self.dirty: dict[str, None] = {}
        """Environments whose status may have changed; who writes statuses empties it."""
        self._freed: dict[Room, _Left | None] = {}
        self._shifted: dict[Room, None] = {}
        """Rooms in which nothing was freed, but a Job ends at another time than it was to."""

    def known(self, name: str) -> Environment:
        """Return an environment; one that was never heard of is taken note of."""
        environment = self.by_name.get(name)
        if environment is None:
            environment = self.by_name[name] = Environment(name)
        return environment

    def count(self, job: Job, sign: int) -> None:
        """Count an active Job in where it was admitted to, or out."""
        assert job.environment is not None
        room = self.known(job.environment).room(job.cluster or "")
        if sign > 0:
            room.add(job)
            self._returned(room, job)
        else:
            left = _Left(job, job.request, job.ends_at)
            room.remove(job)
            if room.waiters:
                self._freed[room] = None if room in self._freed else left
        self.dirty[job.environment] = None

    def _returned(self, room: Room, job: Job) -> None:
        """Take note that a Job has come to a room: nothing is free that it has left there just before."""
        left = self._freed.get(room)
        if left is None or left.job is not job or left.request is not job.request:
            return
        del self._freed[room]
        if left.ends_at != job.ends_at:
            self._shifted[room] = None

    def freed(self, rooms: Iterable[Room]) -> None:
        """Take note that rooms have changed."""
        self._freed.update(dict.fromkeys((room for room in rooms if room.waiters), None))

    def take_freed(self) -> list[Room]:
        """Return the rooms at which somebody waits and that have changed since this was last asked."""
        freed = list(self._freed)
        self._freed.clear()
        return freed

    def take_shifted(self) -> list[Room]:
        """Return the rooms in which nothing but the end of a Job has changed since this was last asked."""
        shifted = list(self._shifted)
        self._shifted.clear()
        return shifted

    def forget(self, name: str) -> None:
        """Let go of an environment of which nothing is left but the name."""
        if name in self.by_name and self.by_name[name].idle:
            del self.by_name[name]


class Options(NamedTuple):
    """What a queue's `spec.computeEnvironments` come to."""

    environments: tuple[Environment, ...]
    """Those that are enabled, in order."""
    groups: tuple[tuple[Room, ...], ...]
    """The rooms of each of them that its Jobs may use: none where no cluster is healthy."""
    stall: Stall | None

    @property
    def rooms(self) -> tuple[Room, ...]:
        """All of these rooms, in the order of the environments."""
        return tuple(room for group in self.groups for room in group)


def options(spec: JobQueueSpec, reach: Reach, environments: Mapping[str, Environment]) -> Options:
    """Resolve the environments of a queue that reaches these clusters."""
    named = sorted(spec.compute_environments, key=lambda one: one.order)
    found: list[Environment] = []
    for one in named:
        environment = environments.get(one.name)
        stall = _unusable(one.name, environment, spec.pool)
        if stall is not None:
            return Options((), (), stall)
        assert environment is not None
        found.append(environment)
    stall = _mixed(found)
    if stall is not None:
        return Options((), (), stall)
    enabled = [environment for environment in found if environment.takes_jobs]
    if not enabled:
        names = ", ".join(environment.name for environment in found)
        message = f"spec.computeEnvironments: {names} disabled; set spec.state of one of them to Enabled"
        return Options((), (), Stall("NoEnabledEnvironment", message))
    groups = tuple(
        tuple(
            environment.room(cluster)
            for cluster in (environment.reach.open if environment.reach else ())
            if cluster in reach.open
        )
        for environment in enabled
    )
    if not any(groups):
        names = ", ".join(environment.name for environment in enabled)
        message = f"no cluster that the queue may reach and that {names} is in is enabled and healthy"
        return Options((), (), Stall("NoHealthyCluster", message))
    return Options(tuple(enabled), groups, None)


def _unusable(name: str, environment: Environment | None, pool: str) -> Stall | None:
    if environment is None or environment.resource is None:
        message = f'ComputeEnvironment "{name}" does not exist: create it, and the queue goes on by itself'
        return Stall("ComputeEnvironmentNotFound", message)
    if environment.resource.spec.pool != pool:
        message = (
            f'ComputeEnvironment "{name}" is in pool "{environment.resource.spec.pool}", the queue in "{pool}": '
            "a queue uses environments of its own pool"
        )
        return Stall("ComputeEnvironmentInOtherPool", message)
    if environment.problem is not None:
        message = f'ComputeEnvironment "{name}" is Invalid: {environment.problem.message}'
        return Stall("ComputeEnvironmentInvalid", message)
    return None


def _mixed(environments: list[Environment]) -> Stall | None:
    specs = {one.name: one.resource.spec for one in environments if one.resource is not None}
    if len({spec.type in ON_MACHINES for spec in specs.values()}) > 1:
        types = ", ".join(f"{name} is {spec.type}" for name, spec in specs.items())
        message = f"spec.computeEnvironments: {types}; OnDemand and Spot go together, Serverless and ServerlessSpot do"
        return Stall("MixedComputeTypes", message)
    shapes = {name: spec.instance_shape.architecture for name, spec in specs.items()}
    if len({architecture for architecture in shapes.values() if architecture}) > 1:
        each = ", ".join(f"{name} is {architecture}" for name, architecture in shapes.items() if architecture)
        message = f"spec.computeEnvironments: {each}; all of a queue must have one architecture"
        return Stall("MixedArchitectures", message)
    return None


def added(amounts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum, resource by resource."""
    total: dict[str, int] = defaultdict(int)
    for one in amounts:
        for name, amount in one.items():
            total[name] += amount
    return dict(total)


NO_OPTIONS: Final = Options((), (), None)
