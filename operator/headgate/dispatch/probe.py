"""The health of the cluster that Headgate runs in: it is as healthy as the API server it is asked through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from headgate.kube.client import UNREACHABLE, ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.engine.engine import Engine
    from headgate.kube.client import Api

INTERVAL_SECONDS: Final = 15.0


class ClusterProbe:
    """Asks the API server how it is, once in a while."""

    def __init__(
        self, api: Api, engine: Engine, *, clock: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._api = api
        self._engine = engine
        self._clock = clock
        self._changed = changed

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            problem: str | None = None
            version = ""
            try:
                version = (await self._api.call("GET", "/version")).get("gitVersion", "")
            except (ApiError, *UNREACHABLE) as error:
                problem = str(error) or type(error).__name__
            for pool, name in self._local():
                if problem is None:
                    self._engine.cluster_answered(pool, name, version, self._clock())
                else:
                    self._engine.cluster_silent(pool, name, problem, self._clock())
            self._changed()
            await asyncio.sleep(INTERVAL_SECONDS)

    def _local(self) -> list[tuple[str, str]]:
        return [
            (pool.name, cluster.name)
            for pool in self._engine.pools.values()
            for cluster in (pool.clusters or {}).values()
            if not cluster.remote
        ]
