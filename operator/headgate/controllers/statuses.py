"""Statuses: written when they changed, and at most once a second for each object."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from headgate.api.clusterpool import ClusterPool
from headgate.api.jobqueue import JobQueue
from headgate.engine.notices import pool_notices, queue_notices
from headgate.engine.status import pool_status, queue_status
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.resources import read, replace_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.engine.decisions import Notice
    from headgate.engine.engine import Engine
    from headgate.kube.client import Api
    from headgate.kube.events import EventRecorder
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 30.0
"""The longest pause before a status that could not be written is tried again; the pause doubles until then."""
AT_ONCE: Final = 8
"""Statuses written at the same time: few, because Jobs go first."""

Key = tuple[type[JobQueue] | type[ClusterPool], str]


class StatusWriter:
    """Keeps the statuses in the API server at what the engine says."""

    def __init__(
        self, api: Api, engine: Engine, *, events: EventRecorder, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._api = api
        self._engine = engine
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._not_before: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Write what changed until cancelled."""
        while True:
            await self.flush(self._clock())
            await asyncio.sleep(INTERVAL_SECONDS / 10)

    async def flush(self, now: float = float("inf")) -> None:
        """Write every changed status that may be written at `now` (seconds); all of them by default."""
        engine = self._engine
        due = self._take(engine.dirty_queues, JobQueue, now) + self._take(
            engine.dirty_pools, ClusterPool, now
        )
        if due:
            await asyncio.gather(*(self._write(key) for key in due))

    def _take(
        self, dirty: dict[str, None], model: type[JobQueue] | type[ClusterPool], now: float
    ) -> list[Key]:
        taken: list[Key] = [
            (model, name) for name in dirty if self._not_before.get((model, name), 0.0) <= now
        ]
        for _, name in taken:
            del dirty[name]
        return taken

    async def _write(self, key: Key) -> None:
        model, name = key
        async with self._slots:
            try:
                wrote = await (self._write_queue(name) if model is JobQueue else self._write_pool(name))
            except ApiError as error:
                if error.status == 404:
                    return
                self._metrics.api_error("status", error)
                if error.status != 409:
                    logger.warning("the status of %s %s is not written: %s", model.__name__, name, error)
                await self._again(key, reread=error.status == 409)
            except UNREACHABLE as error:
                self._metrics.api_error("status", error)
                await self._again(key)
            except Exception:
                # One object whose status cannot be computed must not keep the others from theirs.
                logger.exception("the status of %s %s cannot be computed", model.__name__, name)
                self._metrics.unreadable.inc()
            else:
                self._failures.pop(key, None)
                if wrote:
                    self._metrics.status_writes.labels(model.__name__).inc()
                    self._not_before[key] = self._clock() + INTERVAL_SECONDS
                else:
                    self._not_before.pop(key, None)

    async def _write_queue(self, name: str) -> bool:
        queue = self._engine.queues.get(name)
        if queue is None or queue.resource is None:
            return False
        before = queue.resource
        after = queue_status(queue, self._engine.observed_version, timestamp(self._clock()))
        if after == before.status:
            return False
        queue.tally.stale_watermark = False
        try:
            resource = await replace_status(self._api, before, after.to_dict())
        except BaseException:
            queue.tally.stale_watermark = True
            raise
        self._tell(queue_notices(before, after))
        self._engine.queue_changed(resource, self._clock())
        return True

    async def _write_pool(self, name: str) -> bool:
        pool = self._engine.pools.get(name)
        if pool is None or pool.resource is None:
            return False
        before = pool.resource
        after = pool_status(pool, timestamp(self._clock()))
        if after == before.status:
            return False
        resource = await replace_status(self._api, before, after.to_dict())
        self._tell(pool_notices(before, after))
        self._engine.pool_changed(resource)
        return True

    async def _again(self, key: Key, *, reread: bool = False) -> None:
        model, name = key
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._not_before[key] = self._clock() + min(INTERVAL_SECONDS * 2 ** (failures - 1), LONGEST_SECONDS)
        (self._engine.dirty_queues if model is JobQueue else self._engine.dirty_pools)[name] = None
        if not reread:
            return
        # Somebody else wrote: take in what stands there now instead of waiting for the watch to tell.
        try:
            if model is JobQueue:
                self._engine.queue_changed(await read(self._api, JobQueue, name), self._clock())
            else:
                self._engine.pool_changed(await read(self._api, ClusterPool, name))
        except (ApiError, *UNREACHABLE, ValueError) as error:
            logger.info("cannot read %s %s again: %s", model.__name__, name, error)

    def _tell(self, notices: list[Notice]) -> None:
        for notice in notices:
            self._events.record(notice)


def timestamp(now: float) -> str:
    """Return seconds since the epoch as an RFC 3339 time of whole seconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
