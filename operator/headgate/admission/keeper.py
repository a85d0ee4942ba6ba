"""Keeps each queue's policy bindings in the API server: they are what refuses Jobs while the operator is away."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from headgate.admission.bindings import ADMISSION_API_VERSION, MUTATING, VALIDATING, bindings_for
from headgate.kube.client import APPLY_PATCH, UNREACHABLE, ApiError
from headgate.kube.retry import backoff

if TYPE_CHECKING:
    from headgate.kube.client import Api, Json
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

RESYNC_SECONDS: Final = 60.0
FIELD_MANAGER: Final = "headgate"
SELECTOR: Final = f"app.kubernetes.io/managed-by={FIELD_MANAGER}"
_PLURALS: Final = {
    VALIDATING: "validatingadmissionpolicybindings",
    MUTATING: "mutatingadmissionpolicybindings",
}


class BindingKeeper:
    """Makes sure that every queue has its bindings, and that they say what they should."""

    def __init__(self, api: Api, metrics: Metrics, *, policy_prefix: str | None) -> None:
        self._api = api
        self._metrics = metrics
        self._prefix = policy_prefix
        self._wanted: dict[str, tuple[str, str]] = {}
        self._pending: dict[str, None] = {}
        self._wake = asyncio.Event()
        self.synced = policy_prefix is None
        """Whether every queue known at the start has its bindings."""

    def want(self, queue: str, uid: str, pool: str) -> None:
        """Have the bindings of a queue made; without policies there is nothing to bind."""
        if self._prefix is not None and self._wanted.get(queue) != (uid, pool):
            self._wanted[queue] = uid, pool
            self._pending[queue] = None
            self._wake.set()

    def forget(self, queue: str) -> None:
        """Let the bindings of a deleted queue go: they belong to it, and the garbage collector takes them."""
        self._wanted.pop(queue, None)
        self._pending.pop(queue, None)

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
                logger.warning("policy bindings are not in order: %s", error)
                await asyncio.sleep(next(pauses))

    async def _serve(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    for queue in list(self._pending):
                        await self._apply(queue, {})
        except TimeoutError:
            return

    async def _resync(self) -> None:
        present: dict[tuple[str, str], Json] = {}
        for kind in _PLURALS:
            async for page in self._api.pages(_path(kind), labelSelector=SELECTOR):
                for raw in page["items"]:
                    present[kind, raw["metadata"]["name"]] = raw
        for queue in list(self._wanted):
            await self._apply(queue, present)

    async def _apply(self, queue: str, present: dict[tuple[str, str], Json]) -> None:
        wanted = self._wanted.get(queue)
        if wanted is not None:
            for binding in bindings_for(queue, *wanted, policy_prefix=self._prefix or ""):
                kind, name = binding["kind"], binding["metadata"]["name"]
                if not is_as_wanted(present.get((kind, name)), binding):
                    await self._api.call(
                        "PATCH",
                        _path(kind, name),
                        binding,
                        params={"fieldManager": FIELD_MANAGER, "force": "true"},
                        content_type=APPLY_PATCH,
                    )
        self._pending.pop(queue, None)


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
