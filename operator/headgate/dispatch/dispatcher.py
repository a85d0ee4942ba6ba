"""The loop that turns facts into decisions and decisions into writes.

One cycle: ask the engine what to do, start it, wait until something changed. It asks for no more than can be sent at
once, so the order of decisions is the order in which Jobs go, and the API server is never flooded.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Final

from headgate.api.clusterpool import ClusterPool
from headgate.api.jobqueue import JobQueue
from headgate.dispatch.delivery import Deliveries, Outcome
from headgate.engine.decisions import Admit, Cancel, Confirm, Notice, Requeue, Suspend
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.resources import read

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from headgate.engine.decisions import Decision, Write
    from headgate.engine.engine import Engine
    from headgate.kube.client import Api
    from headgate.kube.events import EventRecorder
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 5.0
"""The loop turns at least this often, so that the probe of its age means something."""


_DONE: Final = {Suspend: "suspended", Cancel: "cancelled", Requeue: "requeued"}


class Dispatcher:
    """Carries out what the engine decides, as the leader of one term."""

    def __init__(
        self,
        api: Api,
        engine: Engine,
        *,
        term: str,
        events: EventRecorder,
        metrics: Metrics,
        clock: Callable[[], float],
        suspect_deposed: Callable[[], None],
        queue_vanished: Callable[[str], None],
    ) -> None:
        """Prepare; `queue_vanished` is told of a queue that turned out to be deleted when it was read anew."""
        self._api = api
        self._engine = engine
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._queue_vanished = queue_vanished
        self._wake = asyncio.Event()
        self._deliveries = Deliveries(
            api, term=term, metrics=metrics, suspect_deposed=suspect_deposed, rested=self.changed
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._last_stamp = 0
        self.cycled_at = 0.0
        """When the last cycle ended (seconds, the clock that was given); 0 before the first."""

    def changed(self) -> None:
        """Let the loop turn: the engine has learned something."""
        self._wake.set()

    async def run(self) -> None:
        """Turn until cancelled."""
        while True:
            self._wake.clear()
            self._cycle()
            await self._pause()

    async def stop(self) -> None:
        """Decide nothing more and wait for the writes that are under way."""
        self._stopping = True
        self._deliveries.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)

    def _cycle(self) -> None:
        began = perf_counter()
        now = self._clock()
        decisions = self._engine.decide(self._deliveries.room, now) if not self._stopping else []
        if decisions:
            self._metrics.decision_seconds.observe((perf_counter() - began) / len(decisions))
        for decision in decisions:
            self._start(decision)
        self.cycled_at = now

    async def _pause(self) -> None:
        wakeup = self._engine.next_wakeup()
        timeout = IDLE_SECONDS if wakeup is None else min(max(wakeup - self._clock(), 0.01), IDLE_SECONDS)
        handle = asyncio.get_running_loop().call_later(timeout, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            handle.cancel()

    def _start(self, decision: Decision) -> None:
        match decision:
            case Notice():
                self._events.record(decision)
            case Confirm():
                self._spawn(self._confirm(decision.queue, decision.pool))
            case _:
                stamp = self._stamp()
                self._spawn(self._write(decision, stamp, self._deliveries.deliver(decision, stamp)))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a write ended in an unforeseen way", exc_info=error)
        self._wake.set()

    def _stamp(self) -> str:
        """Return the time in microseconds, later than any given before: it is the order of decisions."""
        self._last_stamp = max(int(self._clock() * 1_000_000), self._last_stamp + 1)
        seconds, micros = divmod(self._last_stamp, 1_000_000)
        return (
            datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        )

    async def _write(self, write: Write, stamp: str, delivery: Coroutine[None, None, Outcome | None]) -> None:
        match await delivery:
            case Outcome("written"):
                self._succeed(write, stamp)
            case Outcome("outdated"):
                self._engine.outdated(write, self._clock())
            case Outcome("refused", why):
                job = write.job
                logger.warning(
                    "refused: %s of Job %s/%s: %s", type(write).__name__, job.namespace, job.name, why
                )
                self._engine.refused(write, why, self._clock())

    def _succeed(self, write: Write, stamp: str) -> None:
        now = self._clock()
        if isinstance(write, Admit):
            self._engine.admitted(write, stamp, now)
            self._metrics.admitted(write.job.queue, max(now - write.job.created, 0.0))
        else:
            self._engine.written(write, now)
            logger.info(
                "%s Job %s/%s of queue %s",
                _DONE[type(write)],
                write.job.namespace,
                write.job.name,
                write.job.queue,
            )
            self._events.record_write(write)

    async def _confirm(self, name: str, pool: str | None) -> None:
        try:
            if pool is not None:
                await self._reread_pool(pool)
            raw = await read(self._api, JobQueue, name)
        except (ApiError, *UNREACHABLE) as error:
            if isinstance(error, ApiError) and error.is_missing:
                self._engine.confirmed(name, None, self._clock())
                queue = self._engine.queues.get(name)
                if queue is None or queue.resource is None:
                    self._queue_vanished(name)
                return
            self._metrics.api_error("get", error)
            self._engine.unconfirmed(name, self._clock())
        except ValueError as error:
            # The watch has said of it, or will, that it makes no sense; the question stands until it does.
            logger.info("JobQueue %s, or its pool, cannot be read: %s", name, error)
            self._engine.unconfirmed(name, self._clock())
        else:
            self._engine.confirmed(name, raw, self._clock())

    async def _reread_pool(self, name: str) -> None:
        try:
            self._engine.pool_changed(await read(self._api, ClusterPool, name))
        except ApiError as error:
            if not error.is_missing:
                raise
            self._engine.pool_gone(name)
