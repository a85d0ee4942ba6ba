"""Why a Job waits, and who goes next: the operator's own engine, told of all that there is, says what it would do.

What only the operator sees, such as whether a cluster answers, is taken from the statuses that it writes.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from headgate.api.clusterpool import ClusterPool
from headgate.api.computeenvironment import ComputeEnvironment
from headgate.api.jobqueue import JobQueue
from headgate.api.meta import explain as explain_error
from headgate.api.names import QUEUE_LABEL
from headgate.api.schedulingpolicy import SchedulingPolicy
from headgate.engine.engine import Engine
from headgate.engine.environments import ScaleReading
from headgate.engine.explain import explain, usual_runtimes
from headgate.engine.top import top
from headgate.kube.jobs import job_from
from headgate.kube.paths import JOBS
from headgate.kube.resources import path_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from headgate.api.meta import Resource
    from headgate.client._connection import Connection
    from headgate.engine.explain import Explanation
    from headgate.engine.job import Job
    from headgate.engine.top import QueueLine

T = TypeVar("T")
R = TypeVar("R", bound="Resource")


async def why(connection: Connection, uid: str) -> Explanation | None:
    """Explain a live Job, None if there is none of this UID (any more); raises `HeadgateError`."""

    def answer(engine: Engine, now: float, runtimes: Mapping[str, float]) -> Explanation | None:
        return explain(engine, uid, now, runtimes) if uid in engine.jobs else None

    return await _ask(connection, answer)


async def line(connection: Connection, queue: str, limit: int) -> QueueLine:
    """Return the first places in the line of a queue; raises `HeadgateError`."""

    def answer(engine: Engine, now: float, runtimes: Mapping[str, float]) -> QueueLine:
        return top(engine, queue, now, runtimes, limit)

    return await _ask(connection, answer)


async def _ask(connection: Connection, answer: Callable[[Engine, float, Mapping[str, float]], T]) -> T:
    """Return what an engine answers that knows everything, at a time and with the usual runtimes of queues."""
    engine = Engine()
    now = time.time()
    await _tell_resources(connection, engine, now)
    jobs, version = await _jobs(connection)

    def compute() -> T:
        runtimes = usual_runtimes(jobs)
        engine.listed(jobs, int(version), now)
        return answer(engine, now, runtimes)

    # It may take a second or two.
    return await asyncio.to_thread(compute)


async def _tell_resources(connection: Connection, engine: Engine, now: float) -> None:
    async for pool in _all(connection, ClusterPool, engine.pool_broken):
        engine.pool_changed(pool)
        for cluster in pool.status.clusters:
            if cluster.state == "Running":
                engine.cluster_answered(pool.name, cluster.name, cluster.version or "", now)
            elif cluster.not_ready_since is not None:
                engine.cluster_silent(pool.name, cluster.name, cluster.message or "", now)
    async for environment in _all(connection, ComputeEnvironment, engine.environment_broken):
        engine.environment_changed(environment, now)
        scaling = environment.status.scaling
        if scaling is not None:
            known = scaling.state != "Unknown"
            reading = ScaleReading(scaling.replicas, scaling.ready_replicas) if known else None
            engine.environment_scaled(environment.name, reading, scaling.message, now)
    async for policy in _all(connection, SchedulingPolicy, engine.scheduling_policy_broken):
        engine.scheduling_policy_changed(policy, now)
    async for queue in _all(connection, JobQueue, engine.queue_broken):
        engine.queue_changed(queue, now)


async def _all(
    connection: Connection, model: type[R], broken: Callable[[str, str], None]
) -> AsyncIterator[R]:
    """Yield the objects of a kind; of one that makes no sense, the engine is told that."""
    async for raw in connection.objects(path_of(model)):
        try:
            yield model.parse(raw)
        except ValidationError as error:
            broken(raw["metadata"]["name"], explain_error(error))


async def _jobs(connection: Connection) -> tuple[list[Job], str]:
    """Return all Jobs of queues, and the version of the list."""
    jobs: list[Job] = []
    version = "0"
    async for page in connection.pages(JOBS, labelSelector=QUEUE_LABEL):
        version = page["metadata"]["resourceVersion"]
        jobs.extend(map(job_from, page["items"]))
    return jobs, version
