"""A slim list-and-watch of the Jobs that name a queue: it tells the engine what happened, in order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from headgate.api.names import MANAGED_BY, QUEUE_LABEL
from headgate.kube.jobs import job_from
from headgate.kube.list_watch import ListWatch
from headgate.kube.paths import JOBS

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.engine.engine import Engine
    from headgate.engine.job import Job
    from headgate.kube.client import Api, Json
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


class ProxyListener(Protocol):
    """Who has to do with the Jobs that stand for one in another cluster."""

    def job_seen(self, raw: Json) -> None:
        """Take in a version of such a Job, whatever its state."""

    def job_gone(self, uid: str) -> None:
        """Take note that a Job was deleted, such a one or another."""


class JobInformer(ListWatch["Job"]):
    """Follows the Jobs of the cluster that Headgate runs in."""

    def __init__(
        self,
        api: Api,
        engine: Engine,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        changed: Callable[[], None],
        proxies: ProxyListener | None = None,
    ) -> None:
        super().__init__(lambda: api, JOBS, labels=QUEUE_LABEL, subject="Jobs")
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._changed = changed
        self._proxies = proxies
        self.synced = False
        """Whether the engine has the whole picture."""

    def read(self, raw: Json) -> Job | None:
        """Return the engine's record of a Job. The whole of a proxy is shown to who needs it, and not kept here."""
        try:
            job = job_from(raw)
        except (KeyError, ValueError, TypeError, AttributeError):
            # Not one the API server should let through; it alone is left out.
            metadata = raw.get("metadata") or {}
            logger.exception(
                "cannot read Job %s/%s, it is ignored", metadata.get("namespace"), metadata.get("name")
            )
            self._metrics.unreadable.inc()
            return None
        if self._proxies is not None and raw["spec"].get("managedBy") == MANAGED_BY:
            self._proxies.job_seen(raw)
        return job

    def listed(self, objects: list[Job], version: str) -> None:
        """Tell the engine of all Jobs, and of those that are no more."""
        gone = self._engine.listed(objects, int(version), self._clock())
        if self._proxies is not None:
            for uid in gone:
                self._proxies.job_gone(uid)
        self.synced = True
        self._changed()

    def seen(self, known: Job) -> None:
        """Tell the engine of a Job."""
        self._engine.job_seen(known, self._clock())
        self._changed()

    def gone(self, raw: Json) -> None:
        """Tell the engine that a Job was deleted."""
        uid = raw["metadata"]["uid"]
        self._engine.job_gone(uid, int(raw["metadata"]["resourceVersion"]), self._clock())
        if self._proxies is not None:
            self._proxies.job_gone(uid)
        self._changed()

    def passed(self, version: str) -> None:
        """Tell the engine how far it has the whole picture."""
        self._engine.versions_passed(int(version))
        self._changed()

    def failed(self, error: Exception) -> None:
        """Tell a person that the picture may be old."""
        self._metrics.api_error("watch", error)
        logger.warning("the watch of Jobs broke (%s), trying again", error or type(error).__name__)
