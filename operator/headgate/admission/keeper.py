"""Keeps each queue's policy bindings in the API server: they are what refuses Jobs while the operator is away.

One that the API server does not take concerns its queue alone: that is told, and tried again, and others go on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from headgate.admission.bindings import ADMISSION_API_VERSION, MUTATING, VALIDATING, bindings_for
from headgate.engine.decisions import Notice
from headgate.engine.messages import enumerated
from headgate.kube.client import APPLY_PATCH, UNREACHABLE, ApiError
from headgate.kube.retry import backoff, growing, pause_after

if TYPE_CHECKING:
    from headgate.kube.client import Api, Json
    from headgate.kube.events import EventRecorder
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

RESYNC_SECONDS: Final = 60.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
MOST_NAMED: Final = 3
"""How many of the queues whose bindings are refused are named in one line."""
FIELD_MANAGER: Final = "headgate"
SELECTOR: Final = f"app.kubernetes.io/managed-by={FIELD_MANAGER}"
_PLURALS: Final = {
    VALIDATING: "validatingadmissionpolicybindings",
    MUTATING: "mutatingadmissionpolicybindings",
}


@dataclass(slots=True)
class _Refusal:
    """What is in the way of a queue's bindings."""

    retry: asyncio.TimerHandle
    times: int = 1
    why: str = ""


class BindingKeeper:
    """Makes sure that every queue has its bindings, and that they say what they should."""

    def __init__(
        self, api: Api, metrics: Metrics, events: EventRecorder, *, policy_prefix: str | None
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._events = events
        self._prefix = policy_prefix
        self._wanted: dict[str, tuple[str, str]] = {}
        self._pending: dict[str, None] = {}
        self._refusals: dict[str, _Refusal] = {}
        self._wake = asyncio.Event()
        self.synced = policy_prefix is None
        """Whether every queue known at the start has its bindings, or has been told why not."""

    @property
    def trouble(self) -> str | None:
        """What is not in order although it was tried, in words; None if all is."""
        if not self._refusals:
            return None
        names = enumerated(sorted(self._refusals), most=MOST_NAMED)
        return f"refused for {names}: see the events of these queues"

    def want(self, queue: str, uid: str, pool: str) -> None:
        """Have the bindings of a queue made; without policies there is nothing to bind."""
        if self._prefix is not None and self._wanted.get(queue) != (uid, pool):
            self._wanted[queue] = uid, pool
            self._due(queue)

    def forget(self, queue: str) -> None:
        """Let the bindings of a deleted queue go: they belong to it, and the garbage collector takes them."""
        self._wanted.pop(queue, None)
        self._pending.pop(queue, None)
        self._settled(queue)

    async def run(self) -> None:
        """Make bindings as they are wanted, and look after all of them once in a while, until cancelled."""
        if self._prefix is None:
            return
        pauses = backoff()
        while True:
            try:
                await self._resync()
                self.synced = True
                pauses = backoff()
                await self._serve(RESYNC_SECONDS)
            except (ApiError, *UNREACHABLE) as error:
                self._metrics.api_error("binding", error)
                logger.warning("policy bindings are not in order: %s", error or type(error).__name__)
                await asyncio.sleep(pause_after(error, next(pauses)))

    async def _serve(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    for queue in list(self._pending):
                        await self._keep(queue, {})
        except TimeoutError:
            return

    async def _resync(self) -> None:
        present: dict[tuple[str, str], Json] = {}
        for kind in _PLURALS:
            async for page in self._api.pages(_path(kind), labelSelector=SELECTOR):
                for raw in page["items"]:
                    present[kind, raw["metadata"]["name"]] = raw
        for queue in list(self._wanted):
            await self._keep(queue, present)

    async def _keep(self, queue: str, present: dict[tuple[str, str], Json]) -> None:
        """Make a queue's bindings what they should be; raises only what concerns all queues."""
        # First: who wants others meanwhile has it done once more.
        self._pending.pop(queue, None)
        wanted = self._wanted.get(queue)
        if wanted is None:
            return
        try:
            await self._apply(queue, *wanted, present)
        except ApiError as error:
            if error.is_general:
                raise
            self._metrics.api_error("binding", error)
            if queue in self._wanted:
                self._refused(queue, error.message)
        else:
            self._settled(queue)

    async def _apply(self, queue: str, uid: str, pool: str, present: dict[tuple[str, str], Json]) -> None:
        for binding in bindings_for(queue, uid, pool, policy_prefix=self._prefix or ""):
            kind, name = binding["kind"], binding["metadata"]["name"]
            if not is_as_wanted(present.get((kind, name)), binding):
                await self._api.call(
                    "PATCH",
                    _path(kind, name),
                    binding,
                    params={"fieldManager": FIELD_MANAGER, "force": "true"},
                    content_type=APPLY_PATCH,
                )

    def _due(self, queue: str) -> None:
        self._pending[queue] = None
        self._wake.set()

    def _refused(self, queue: str, why: str) -> None:
        """Try a queue's bindings again after a pause, and say why they are not there."""
        before = self._refusals.pop(queue, None)
        times = 1 if before is None else before.times + 1
        if before is not None:
            before.retry.cancel()
        pause = growing(times, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        retry = asyncio.get_running_loop().call_later(pause, self._due, queue)
        self._refusals[queue] = _Refusal(retry, times, why)
        if before is not None and before.why == why:
            return
        message = (
            f"the API server does not take this queue's policy bindings: {why}. Until it does, a Job that the queue "
            "should not take is not refused when it is created"
        )
        uid = self._wanted[queue][0]
        self._events.record(Notice("JobQueue", None, queue, uid, "Warning", "BindingsRefused", message))

    def _settled(self, queue: str) -> None:
        refusal = self._refusals.pop(queue, None)
        if refusal is not None:
            refusal.retry.cancel()


def _path(kind: str, name: str = "") -> str:
    path = f"/apis/{ADMISSION_API_VERSION}/{_PLURALS[kind]}"
    return f"{path}/{name}" if name else path


def is_as_wanted(present: Json | None, wanted: Json) -> bool:
    """Whether a binding, as a list shows it (which leaves kind and apiVersion out), is what it should be."""
    return present is not None and all(
        _says(present.get(part), wanted[part]) for part in ("metadata", "spec")
    )


def _says(present: Any, wanted: Any) -> bool:
    """Whether an object has all that is wanted of it; what the API server filled in besides does not matter."""
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(
            _says(present.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(present, list)
            and len(present) == len(wanted)
            and all(_says(mine, value) for mine, value in zip(present, wanted, strict=True))
        )
    return bool(present == wanted)
