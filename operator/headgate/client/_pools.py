"""Pools: read only. They are set up by whoever runs the clusters, with kubectl or GitOps."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.client._collection import AsyncListed
from headgate.client._sorting import METADATA

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headgate.api.clusterpool import ClusterPool
    from headgate.client._events import EventType
    from headgate.client._sorting import Fields, Json


SORT: Final[Fields[Json]] = {
    **METADATA,
    "queues": lambda raw: (raw.get("status") or {}).get("queues", 0),
    "clusters": lambda raw: len(raw["spec"].get("clusters") or ()),
}


class PoolEvent(NamedTuple):
    """What has happened to a pool, and the pool as it is since, or was last."""

    type: EventType
    pool: ClusterPool


class AsyncPools(AsyncListed["ClusterPool"]):
    """The ClusterPools of the cluster."""

    _plural = "clusterpools"
    _kind = "ClusterPool"
    _sort = SORT

    def _model(self) -> type[ClusterPool]:
        from headgate.api.clusterpool import ClusterPool

        return ClusterPool

    async def watch(
        self, name: str | None = None, *, label_selector: str | None = None, after: str | None = None
    ) -> AsyncIterator[PoolEvent]:
        """Yield an ADDED for each that `list` would list, and each change from then on.

        With `after`, a resourceVersion (see `version`), only what has changed since is told. It goes on over reconnects
        until it is closed. Raises `ForbiddenError` and `UnreachableError`.
        """
        async with aclosing(self._changes(name, after, labels=label_selector)) as events:
            async for event in events:
                yield PoolEvent(*event)
