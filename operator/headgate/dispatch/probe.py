"""The health of a pool's clusters. The local one is as healthy as the API server it is asked through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from headgate.kube.client import UNREACHABLE, ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.api.meta import ClusterState
    from headgate.engine.engine import Engine
    from headgate.kube.client import Api

INTERVAL_SECONDS: Final = 15.0


class ClusterProbe:
    """Asks each cluster how it is, once in a while."""

    def __init__(self, api: Api, engine: Engine, *, changed: Callable[[], None]) -> None:
        self._api = api
        self._engine = engine
        self._changed = changed

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            state, version, message = await self._ask()
            for pool in list(self._engine.pools.values()):
                for name in list(pool.clusters or {}):
                    self._engine.cluster_probed(pool.name, name, state, version, message)
            self._changed()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _ask(self) -> tuple[ClusterState, str, str]:
        try:
            version = await self._api.call("GET", "/version")
        except (ApiError, *UNREACHABLE) as error:
            return "Unknown", "", str(error) or type(error).__name__
        return "Running", version.get("gitVersion", ""), ""
