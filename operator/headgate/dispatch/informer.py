"""A slim list-and-watch of the Jobs that name a queue.

It tells the engine what happened, in order, and keeps nothing itself. A watch ends all the time: it is opened again
where it stopped; when the API server no longer remembers that place (410), all Jobs are listed anew and what the list
lacks is gone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from headgate.api.names import QUEUE_LABEL
from headgate.dispatch.jobs import job_from
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.retry import backoff, pause_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.engine.engine import Engine
    from headgate.engine.job import Job
    from headgate.kube.client import Api, Json
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

PATH: Final = "/apis/batch/v1/jobs"
WATCH_SECONDS: Final = 290
"""How long the API server keeps one watch open."""
SILENCE_SECONDS: Final = 90.0
"""Bookmarks come about once a minute: a watch that is silent for longer is dead, whatever TCP says."""
GONE: Final = 410


class JobInformer:
    """Follows the Jobs of one cluster."""

    def __init__(
        self,
        api: Api,
        engine: Engine,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._api = api
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._changed = changed
        self._version = ""
        self.synced = False
        """Whether the engine has the whole picture."""

    async def list(self) -> None:
        """Tell the engine of all Jobs, page by page, and of those that are no more."""
        jobs: list[Job] = []
        version = ""
        async for page in self._api.pages(PATH, labelSelector=QUEUE_LABEL):
            version = page["metadata"]["resourceVersion"]
            jobs.extend(job for raw in page["items"] if (job := self._read(raw)) is not None)
            # Parsing a page takes a while: renewing the lease must not wait for all of them.
            await asyncio.sleep(0)
        # In order of creation, as a watch would have told of them.
        jobs.sort(key=lambda job: (job.created, job.uid))
        gone = self._engine.known_uids().difference(job.uid for job in jobs)
        for job in jobs:
            self._engine.job_seen(job, self._clock())
        for uid in gone:
            self._engine.job_gone(uid, int(version), self._clock())
        self._engine.versions_passed(int(version))
        self._engine.loaded(self._clock())
        self._version = version
        self.synced = True
        self._changed()

    async def run(self) -> None:
        """Follow the Jobs until cancelled; `list` has been called once."""
        pauses = backoff()
        while True:
            try:
                if not self._version:
                    await self.list()
                await self._watch()
                pauses = backoff()
            except ApiError as error:
                if error.status == GONE:
                    logger.info("the watch of Jobs is too old, listing them anew")
                    self._version = ""
                    continue
                await self._recover(error, next(pauses))
            except UNREACHABLE as error:
                await self._recover(error, next(pauses))

    async def _watch(self) -> None:
        async with self._api.watch(
            PATH,
            silence=SILENCE_SECONDS,
            labelSelector=QUEUE_LABEL,
            resourceVersion=self._version,
            timeoutSeconds=str(WATCH_SECONDS),
        ) as events:
            async for event in events:
                self._take(event)
                self._changed()

    def _take(self, event: Json) -> None:
        raw: dict[str, Any] = event["object"]
        kind = event["type"]
        if kind == "ERROR":
            raise ApiError(int(raw.get("code") or 500), raw.get("reason") or "", raw.get("message") or "")
        version = raw["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            self._engine.versions_passed(int(version))
        elif kind == "DELETED":
            self._engine.job_gone(raw["metadata"]["uid"], int(version), self._clock())
        else:
            self._see(raw)
        self._version = version

    def _see(self, raw: Json) -> None:
        job = self._read(raw)
        if job is not None:
            self._engine.job_seen(job, self._clock())

    def _read(self, raw: Json) -> Job | None:
        try:
            return job_from(raw)
        except (KeyError, ValueError, TypeError, AttributeError):
            # Not one the API server should let through; it alone is left out.
            metadata = raw.get("metadata") or {}
            logger.exception(
                "cannot read Job %s/%s, it is ignored", metadata.get("namespace"), metadata.get("name")
            )
            self._metrics.unreadable.inc()
            return None

    async def _recover(self, error: Exception, pause: float) -> None:
        self._metrics.api_error("watch", error)
        logger.warning("the watch of Jobs broke (%s), trying again", error or type(error).__name__)
        await asyncio.sleep(pause_after(error, pause))
