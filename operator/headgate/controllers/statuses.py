"""Statuses: written when they changed, and at most once a second for each object."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from headgate.api.times import timestamp
from headgate.controllers.kinds import KINDS
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.resources import read, replace_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.controllers.kind import Kind
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

Key = tuple[str, str]
"""Kind and name of an object."""


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
        due = [(kind, name) for kind in KINDS for name in self._take(kind, now)]
        if due:
            await asyncio.gather(*(self._write(kind, name) for kind, name in due))

    def _take(self, kind: Kind[Any], now: float) -> list[str]:
        dirty = kind.dirty(self._engine)
        taken = [name for name in dirty if self._not_before.get((kind.name, name), 0.0) <= now]
        for name in taken:
            del dirty[name]
        return taken

    async def _write(self, kind: Kind[Any], name: str) -> None:
        key = (kind.name, name)
        async with self._slots:
            try:
                wrote = await self._write_if_changed(kind, name)
            except ApiError as error:
                if error.status == 404:
                    return
                self._metrics.api_error("status", error)
                if error.status != 409:
                    logger.warning("the status of %s %s is not written: %s", *key, error)
                await self._again(kind, name, reread=error.status == 409)
            except UNREACHABLE as error:
                self._metrics.api_error("status", error)
                await self._again(kind, name)
            except Exception:
                # One object whose status cannot be computed must not keep the others from theirs.
                logger.exception("the status of %s %s cannot be computed", *key)
                self._metrics.unreadable.inc()
            else:
                self._failures.pop(key, None)
                if wrote:
                    self._metrics.status_writes.labels(kind.name).inc()
                    self._not_before[key] = self._clock() + INTERVAL_SECONDS
                else:
                    self._not_before.pop(key, None)

    async def _write_if_changed(self, kind: Kind[Any], name: str) -> bool:
        before = kind.known(self._engine, name)
        if before is None:
            return False
        after = kind.status(self._engine, name, timestamp(self._clock()))
        if after == before.status:
            return False
        with kind.writing(self._engine, name):
            resource = await replace_status(self._api, before, after.to_dict())
        for notice in kind.notices(before, after):
            self._events.record(notice)
        kind.changed(self._engine, resource, self._clock())
        return True

    async def _again(self, kind: Kind[Any], name: str, *, reread: bool = False) -> None:
        key = (kind.name, name)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._not_before[key] = self._clock() + min(INTERVAL_SECONDS * 2 ** (failures - 1), LONGEST_SECONDS)
        kind.dirty(self._engine)[name] = None
        if not reread:
            return
        # Somebody else wrote: take in what stands there now instead of waiting for the watch to tell.
        try:
            kind.changed(self._engine, await read(self._api, kind.model, name), self._clock())
        except (ApiError, *UNREACHABLE, ValueError) as error:
            logger.info("cannot read %s %s again: %s", *key, error)
