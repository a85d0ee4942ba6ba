"""Compute environments: read only. They are set up by whoever runs the clusters, with kubectl or GitOps."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

from headgate.client._collection import AsyncCollection, first

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.client._connection import Json
    from headgate.client._events import EventType


class EnvironmentEvent(NamedTuple):
    """What has happened to an environment, and the environment as it is since, or was last."""

    type: EventType
    environment: ComputeEnvironment


class AsyncEnvironments(AsyncCollection["ComputeEnvironment"]):
    """The ComputeEnvironments of the cluster."""

    _plural = "computeenvironments"
    _kind = "ComputeEnvironment"

    def _model(self) -> type[ComputeEnvironment]:
        from headgate.api.computeenvironment import ComputeEnvironment

        return ComputeEnvironment

    async def list(
        self, *, name: str | None = None, pool: str | None = None, limit: int | None = None
    ) -> AsyncIterator[ComputeEnvironment]:
        """Yield those of this name (or pattern, such as ``spot-*``) and pool, by name, `limit` at most.

        They come page by page. Raises `ForbiddenError` and `UnreachableError`.
        """
        async with aclosing(self._list(name, pool, limit)) as found:
            async for raw in found:
                yield self._parse(raw)

    async def list_manifests(
        self, *, name: str | None = None, pool: str | None = None, limit: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the same as `list`, each as the API server has it, all but `metadata.managedFields`."""
        async with aclosing(self._list(name, pool, limit)) as found:
            async for raw in found:
                yield raw

    async def watch(
        self, name: str | None = None, *, pool: str | None = None, after: str | None = None
    ) -> AsyncIterator[EnvironmentEvent]:
        """Yield an ADDED for each that `list` would list, and each change from then on.

        With `after`, a resourceVersion (see `version`), only what has changed since is told. It goes on over reconnects
        until it is closed. Raises `ForbiddenError` and `UnreachableError`.
        """
        async with aclosing(self._changes(name, after, _of_pool(pool))) as events:
            async for event in events:
                yield EnvironmentEvent(*event)

    def _list(self, name: str | None, pool: str | None, limit: int | None) -> AsyncGenerator[Json, None]:
        return first(self._select(name, _of_pool(pool)), limit)


def _of_pool(pool: str | None) -> dict[str, str]:
    return {} if pool is None else {"spec.pool=": pool}
