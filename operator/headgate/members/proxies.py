"""Keeps every proxy and its copy in step: creates, mirrors, cancels and deletes copies.

A proxy is the hub's Job in a pool of remote clusters, its copy the Job in a member that does the work.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.engine.engine import Engine
    from headgate.kube.client import Api, Json
    from headgate.kube.events import EventRecorder
    from headgate.telemetry.metrics import Metrics


class Proxies:
    """Every proxy of the hub, and every copy in the members."""

    def __init__(
        self,
        hub: Api,
        engine: Engine,
        *,
        hub_id: str,
        events: EventRecorder,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._hub = hub
        self._engine = engine
        self._hub_id = hub_id
        self._events = events
        self._metrics = metrics
        self._clock = clock

    def job_seen(self, raw: Json) -> None:
        """Take in a version of a proxy, in whatever state: raw JSON of a Job whose managedBy is Headgate's."""

    def job_gone(self, uid: str) -> None:
        """Take note that a Job of the hub was deleted; one that is no proxy is ignored."""

    def copies_listed(self, cluster: str, raws: list[Json]) -> None:
        """Take in all copies that are in a member now; what the list lacks is gone."""

    def copy_seen(self, cluster: str, raw: Json) -> None:
        """Take in a version of a copy in a member."""

    def copy_gone(self, cluster: str, raw: Json) -> None:
        """Take note that a copy in a member was deleted."""

    async def purge(self, cluster: str, api: Api) -> None:
        """Delete every stale copy in a member, after `copies_listed`; return when all of them are gone.

        Raises `ApiError` or one of `UNREACHABLE` when the member or the hub does not let it.
        """

    async def serve(self, cluster: str, api: Callable[[], Api]) -> None:
        """Work off what is due in a member until cancelled; `api` gives the client that is right now."""
        await asyncio.Event().wait()

    async def run(self) -> None:
        """Work off what concerns the hub alone until cancelled."""
        await asyncio.Event().wait()
