"""Why a Job waits, and who goes next: the operator's own engine, told of all that there is, says what it would do.

What only the operator sees, such as whether a cluster answers, is taken from the statuses that it writes; that there is
an operator at all, from its Lease.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from headgate.api.clusterpool import ClusterPool
from headgate.api.computeenvironment import ComputeEnvironment
from headgate.api.jobqueue import JobQueue
from headgate.api.meta import explain as explain_error
from headgate.api.names import DEPENDS_ON_ANNOTATION, HOLD_ANNOTATION, QUEUE_LABEL
from headgate.api.schedulingpolicy import SchedulingPolicy
from headgate.api.times import seconds
from headgate.client._errors import ForbiddenError
from headgate.client._leader import find_leader
from headgate.engine.engine import Engine
from headgate.engine.environments import ScaleReading
from headgate.engine.explain import explain, past_runtimes
from headgate.engine.holds import Hold
from headgate.engine.job import JobState
from headgate.engine.top import top
from headgate.kube.jobs import job_from
from headgate.kube.paths import JOBS
from headgate.kube.resources import path_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from headgate.api.meta import Resource
    from headgate.client._connection import Connection, Json
    from headgate.engine.explain import Explanation
    from headgate.engine.job import Job
    from headgate.engine.top import QueueLine

R = TypeVar("R", bound="Resource")

AT_ONCE_SECONDS: Final = 30.0
"""After how long it is strange that a Job still waits which nothing holds, where nobody can see who leads."""
SET_BY: Final = {"Held": HOLD_ANNOTATION, "Depends": DEPENDS_ON_ANNOTATION}
"""What holds a Job because of an annotation on it."""


async def why(connection: Connection, raw: Json) -> Explanation | None:
    """Explain a live Job, None if it is not there any more; raises `HeadgateError`."""
    uid: str = raw["metadata"]["uid"]
    world = await Snapshot.of(connection)
    leaderless = await _leaderless(connection, world.now)

    def answer() -> tuple[Explanation | None, bool]:
        engine = world.engine()
        if uid not in engine.jobs:
            return None, False
        waits = engine.jobs[uid].state is JobState.WAITING
        return explain(engine, uid, world.now, world.past), waits

    # It may take a second or two.
    told, waits = await asyncio.to_thread(answer)
    if told is None or not waits:
        return told
    told = replace(told, holds=tuple(dated(told.holds, raw)))
    if leaderless is not None:
        ahead = tuple(replace(one, seconds=None) for one in told.ahead)
        return replace(told, holds=(leaderless, *told.holds), ahead=ahead, estimate=None)
    if not told.holds and told.estimate == 0 and world.now - told.created > AT_ONCE_SECONDS:
        return replace(told, holds=(_strange(),))
    return told


async def lines(connection: Connection, queues: Sequence[str], limit: int) -> dict[str, QueueLine]:
    """Return the first places in the lines of queues; raises `HeadgateError`."""
    world = await Snapshot.of(connection)
    leaderless = await _leaderless(connection, world.now)

    def answer() -> dict[str, QueueLine]:
        return {
            name: top(world.engine(again=name != queues[-1]), name, world.now, world.past, limit)
            for name in queues
        }

    told = await asyncio.to_thread(answer)
    if leaderless is None:
        return told
    return {name: _without_leader(line, leaderless) for name, line in told.items()}


@dataclass
class Snapshot:
    """All that an engine is told, as it was at one time."""

    now: float
    pools: list[ClusterPool] = field(default_factory=list)
    environments: list[ComputeEnvironment] = field(default_factory=list)
    policies: list[SchedulingPolicy] = field(default_factory=list)
    queues: list[JobQueue] = field(default_factory=list)
    broken: dict[type[Any], dict[str, str]] = field(default_factory=dict)
    """What makes no sense, by kind and name, and why."""
    jobs: list[Job] = field(default_factory=list)
    version: int = 0
    past: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """The runtimes of each queue's Jobs."""

    @classmethod
    async def of(cls, connection: Connection) -> Snapshot:
        """Ask for everything; raises `HeadgateError`."""
        world = cls(time.time())
        world.pools = [one async for one in world._all(connection, ClusterPool)]
        world.environments = [one async for one in world._all(connection, ComputeEnvironment)]
        world.policies = [one async for one in world._all(connection, SchedulingPolicy)]
        world.queues = [one async for one in world._all(connection, JobQueue)]
        async for page in connection.pages(JOBS, labelSelector=QUEUE_LABEL):
            world.version = int(page["metadata"]["resourceVersion"])
            world.jobs.extend(map(job_from, page["items"]))
        world.past = past_runtimes(world.jobs)
        return world

    def engine(self, *, again: bool = False) -> Engine:
        """Return an engine that knows all of it, to be used up; `again`: it is not the last one."""
        engine = Engine()
        self._tell_pools(engine)
        self._tell_environments(engine)
        for policy in self.policies:
            engine.scheduling_policy_changed(policy, self.now)
        for queue in self.queues:
            engine.queue_changed(queue, self.now)
        for kind, tell in (
            (ClusterPool, engine.pool_broken),
            (ComputeEnvironment, engine.environment_broken),
            (SchedulingPolicy, engine.scheduling_policy_broken),
            (JobQueue, engine.queue_broken),
        ):
            for name, message in self.broken.get(kind, {}).items():
                tell(name, message)
        engine.listed(map(replace, self.jobs) if again else self.jobs, self.version, self.now)
        return engine

    def _tell_pools(self, engine: Engine) -> None:
        for pool in self.pools:
            engine.pool_changed(pool)
            for cluster in pool.status.clusters:
                if cluster.state == "Running":
                    engine.cluster_answered(pool.name, cluster.name, cluster.version or "", self.now)
                elif cluster.not_ready_since is not None:
                    engine.cluster_silent(pool.name, cluster.name, cluster.message or "", self.now)

    def _tell_environments(self, engine: Engine) -> None:
        for environment in self.environments:
            engine.environment_changed(environment, self.now)
            scaling = environment.status.scaling
            if scaling is not None:
                known = scaling.state != "Unknown"
                reading = ScaleReading(scaling.replicas, scaling.ready_replicas) if known else None
                engine.environment_scaled(environment.name, reading, scaling.message, self.now)

    async def _all(self, connection: Connection, model: type[R]) -> AsyncIterator[R]:
        """Yield the objects of a kind; of one that makes no sense, remember that."""
        async for raw in connection.objects(path_of(model)):
            try:
                yield model.parse(raw)
            except ValidationError as error:
                self.broken.setdefault(model, {})[raw["metadata"]["name"]] = explain_error(error)


async def _leaderless(connection: Connection, now: float) -> Hold | None:
    """Return what holds everything where no operator leads, as far as the user may see that."""
    try:
        leader = await find_leader(connection)
    except ForbiddenError:
        return None
    if leader is None or leader.leads(now):
        return None
    who = f", {leader.holder} was the last" if leader.holder else ""
    message = f"no operator leads{who}: nothing is admitted"
    remedy = f"look why Lease {leader.namespace}/{leader.lease} is not renewed: headgate doctor says more"
    return Hold("NoOperator", message, remedy, leader.renewed)


def _without_leader(line: QueueLine, hold: Hold) -> QueueLine:
    places = (replace(place, seconds=None, holds=(hold, *place.holds)) for place in line.places)
    return replace(line, places=tuple(places))


def _strange() -> Hold:
    message = "it could go now: if it still waits in a moment, perhaps no operator leads"
    return Hold("NotYetAdmitted", message, "headgate doctor says whether one leads")


def dated(holds: Iterable[Hold], raw: Json) -> Iterable[Hold]:
    """Yield what holds a Job, with since when its annotations are as they are."""
    for hold in holds:
        annotation = SET_BY.get(hold.reason)
        since = None if annotation is None or hold.since is not None else _set_at(raw, annotation)
        yield hold if since is None else hold._replace(since=since)


def _set_at(raw: Json, annotation: str) -> float | None:
    """Return since when at the latest an annotation is as it is: who set it did nothing else after that."""
    times = [
        seconds(entry.get("time") or "")
        for entry in raw["metadata"].get("managedFields") or ()
        if f"f:{annotation}" in (_fields(entry).get("f:metadata") or {}).get("f:annotations", {})
    ]
    return min((at for at in times if at is not None), default=None)


def _fields(entry: Json) -> Json:
    return entry.get("fieldsV1") or {}
