"""Statuses: written when they changed, and at most once a second for each object."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from headgate.api.times import timestamp
from headgate.controllers.kinds import KINDS
from headgate.engine.decisions import Notice
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.resources import replace_status
from headgate.kube.retry import growing

if TYPE_CHECKING:
    from headgate.controllers.context import Context
    from headgate.controllers.kind import Kind
    from headgate.controllers.resync import Resync
    from headgate.kube.client import Api
    from headgate.kube.events import EventRecorder

logger = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 30.0
"""The longest pause before a status that could not be written is tried again; the pause doubles until then."""
AT_ONCE: Final = 8
"""Statuses written at the same time: few, because Jobs go first."""
FORGET_SECONDS: Final = 60.0
"""How often the paces of objects that are gone are dropped."""

Key = tuple[str, str]
"""Kind and name of an object."""


@dataclass(slots=True)
class _Pace:
    """When an object's status may be written again."""

    not_before: float = 0.0
    failures: int = 0


class StatusWriter:
    """Keeps the statuses in the API server at what the engine says."""

    def __init__(self, api: Api, context: Context, resync: Resync, *, events: EventRecorder) -> None:
        self._api = api
        self._context = context
        self._resync = resync
        self._engine = context.engine
        self._events = events
        self._metrics = context.metrics
        self._clock = context.clock
        self._paces: defaultdict[Key, _Pace] = defaultdict(_Pace)
        self._forgot_at = 0.0
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Write what changed until cancelled."""
        while True:
            now = self._clock()
            await self.flush(now)
            if now - self._forgot_at > FORGET_SECONDS:
                self._forget()
                self._forgot_at = now
            await asyncio.sleep(INTERVAL_SECONDS / 10)

    async def flush(self, now: float = float("inf")) -> None:
        """Write every changed status that may be written at `now` (seconds); all of them by default."""
        due = [(kind, name) for kind in KINDS for name in self._take(kind, now)]
        if due:
            await asyncio.gather(*(self._write(kind, name) for kind, name in due))

    def _take(self, kind: Kind[Any], now: float) -> list[str]:
        dirty = kind.dirty(self._engine)
        taken = [name for name in dirty if self._paces[kind.name, name].not_before <= now]
        for name in taken:
            del dirty[name]
        return taken

    async def _write(self, kind: Kind[Any], name: str) -> None:
        pace = self._paces[kind.name, name]
        async with self._slots:
            try:
                wrote = await self._write_if_changed(kind, name)
            except ApiError as error:
                self._metrics.api_error("status", error)
                self._again(kind, name)
                if error.status in (404, 409):
                    await self._look(kind, name)
                else:
                    logger.warning("the status of %s %s is not written: %s", kind.name, name, error)
            except UNREACHABLE as error:
                self._metrics.api_error("status", error)
                self._again(kind, name)
            except Exception as error:
                # One object whose status cannot be computed must not keep the others from theirs.
                logger.exception("the status of %s %s cannot be computed, trying again", kind.name, name)
                self._metrics.unreadable.inc()
                self._again(kind, name)
                if pace.failures == 1:
                    self._tell(kind, name, error)
            else:
                pace.failures = 0
                if wrote:
                    self._metrics.status_writes.labels(kind.name).inc()
                    pace.not_before = self._clock() + INTERVAL_SECONDS

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
        if kind.knows(self._engine, before):
            # Otherwise it was deleted while the answer was on its way.
            kind.changed(self._engine, resource, self._clock())
        return True

    def _again(self, kind: Kind[Any], name: str) -> None:
        pace = self._paces[kind.name, name]
        pace.failures += 1
        pace.not_before = self._clock() + growing(pace.failures, INTERVAL_SECONDS, LONGEST_SECONDS)
        kind.dirty(self._engine)[name] = None

    async def _look(self, kind: Kind[Any], name: str) -> None:
        """Take in what stands there now, or that nothing does, instead of waiting for the watch to tell."""
        try:
            await self._resync.look(kind, name)
        except (ApiError, *UNREACHABLE) as error:
            logger.info("cannot read %s %s again: %s", kind.name, name, error)

    def _tell(self, kind: Kind[Any], name: str, error: Exception) -> None:
        """Tell the object's users that its status is not what it should be."""
        known = kind.known(self._engine, name)
        if known is not None:
            message = (
                f"what stands in its status is old, because a newer one cannot be computed ({type(error).__name__}): "
                "see the operator's log"
            )
            self._events.record(
                Notice(kind.name, None, name, known.metadata.uid, "Warning", "StatusNotComputed", message)
            )

    def _forget(self) -> None:
        known = {(kind.name, resource.name) for kind in KINDS for resource in kind.all_known(self._engine)}
        for key in self._paces.keys() - known:
            del self._paces[key]
