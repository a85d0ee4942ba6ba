"""Events: what a person reads in `kubectl describe`.

They are a courtesy. They go out one after the other beside the hot path, and when too many wait they are dropped and
counted rather than hold anything up.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from headgate.api.names import GROUP, REASON_REQUEUED, VERSION
from headgate.engine.decisions import Notice, Requeue, Suspend
from headgate.kube.client import UNREACHABLE, ApiError

if TYPE_CHECKING:
    from headgate.engine.decisions import Correction
    from headgate.kube.client import Api, Json
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 1000
LONGEST_NOTE: Final = 1024
CLUSTER_SCOPED_NAMESPACE: Final = "default"
"""Where Kubernetes keeps the events of objects that have no namespace."""


class EventRecorder:
    """Writes events in the order in which they came."""

    def __init__(self, api: Api, metrics: Metrics, *, identity: str) -> None:
        self._api = api
        self._metrics = metrics
        self._identity = identity
        self._waiting: asyncio.Queue[Notice] = asyncio.Queue(MOST_WAITING)

    def record(self, notice: Notice) -> None:
        """Have an event written some time soon."""
        logger.info("%s %s: %s: %s", notice.kind, _full_name(notice), notice.reason, notice.message)
        try:
            self._waiting.put_nowait(notice)
        except asyncio.QueueFull:
            self._metrics.events_dropped.inc()

    def record_write(self, write: Correction) -> None:
        """Have an event written of a Job that was cancelled, or sent back to the gate or to its queue."""
        job = write.job
        if isinstance(write, Suspend):
            reason, message = "Suspended", f'sent back to wait in JobQueue "{job.queue}": {write.why}'
        elif isinstance(write, Requeue):
            reason, message = (
                REASON_REQUEUED,
                f'cluster "{write.cluster}" is lost: back to the head of JobQueue "{job.queue}"',
            )
        else:
            reason, message = write.reason, write.message
        self.record(Notice("Job", job.namespace, job.name, job.uid, "Warning", reason, message))

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            notice = await self._waiting.get()
            await self._write(notice)
            self._waiting.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait for what is waiting, for so long at most."""
        try:
            await asyncio.wait_for(self._waiting.join(), seconds)
        except TimeoutError:
            logger.warning("%d events are not written", self._waiting.qsize())

    async def _write(self, notice: Notice) -> None:
        namespace = notice.namespace or CLUSTER_SCOPED_NAMESPACE
        try:
            await self._api.call(
                "POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", self._event(notice)
            )
        except (ApiError, *UNREACHABLE) as error:
            self._metrics.api_error("event", error)
            logger.warning("an event on %s %s is not written: %s", notice.kind, _full_name(notice), error)

    def _event(self, notice: Notice) -> Json:
        regarding = {
            "apiVersion": "batch/v1" if notice.kind == "Job" else f"{GROUP}/{VERSION}",
            "kind": notice.kind,
            "name": notice.name,
            "uid": notice.uid,
        }
        if notice.namespace:
            regarding["namespace"] = notice.namespace
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{notice.name[:200]}.{uuid4().hex[:16]}"},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": GROUP,
            "reportingInstance": self._identity[:128],
            "action": notice.reason,
            "reason": notice.reason,
            "regarding": regarding,
            "note": notice.message[:LONGEST_NOTE],
            "type": notice.type,
        }


def _full_name(notice: Notice) -> str:
    return f"{notice.namespace}/{notice.name}" if notice.namespace else notice.name
