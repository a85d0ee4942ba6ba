"""Compute environments: read only. They are set up by whoever runs the clusters, with kubectl or GitOps."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from headgate.client._collection import AsyncCollection
from headgate.client._sorting import METADATA

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.client._events import EventType
    from headgate.client._sorting import Fields, Json


SORT: Final[Fields[Json]] = {
    **METADATA,
    "pool": lambda raw: str(raw["spec"].get("pool", "")),
    "type": lambda raw: str(raw["spec"].get("type", "")),
    "state": lambda raw: (raw.get("status") or {}).get("state"),
    "active": lambda raw: (raw.get("status") or {}).get("active", 0),
}


class EnvironmentEvent(NamedTuple):
    """What has happened to an environment, and the environment as it is since, or was last."""

    type: EventType
    environment: ComputeEnvironment


class AsyncEnvironments(AsyncCollection["ComputeEnvironment"]):
    """The ComputeEnvironments of the cluster."""

    _plural = "computeenvironments"
    _kind = "ComputeEnvironment"
    _sort = SORT

    def _model(self) -> type[ComputeEnvironment]:
        from headgate.api.computeenvironment import ComputeEnvironment

        return ComputeEnvironment

    async def list(
        self,
        *,
        name: str | None = None,
        pool: str | None = None,
        label_selector: str | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[ComputeEnvironment]:
        """Yield those of this name (or pattern, such as ``spot-*``) and pool, as the pools' `list` does."""
        found = self._listed(
            name, _of_pool(pool), labels=label_selector, sort=sort, limit=limit, page_size=page_size
        )
        async with aclosing(found):
            async for raw in found:
                yield self._parse(raw)

    async def list_manifests(
        self,
        *,
        name: str | None = None,
        pool: str | None = None,
        label_selector: str | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the same as `list`, each as the API server has it, all but `metadata.managedFields`."""
        found = self._listed(
            name, _of_pool(pool), labels=label_selector, sort=sort, limit=limit, page_size=page_size
        )
        async with aclosing(found):
            async for raw in found:
                yield raw

    async def watch(
        self,
        name: str | None = None,
        *,
        pool: str | None = None,
        label_selector: str | None = None,
        after: str | None = None,
    ) -> AsyncIterator[EnvironmentEvent]:
        """Yield an ADDED for each that `list` would list, and each change from then on.

        With `after`, a resourceVersion (see `version`), only what has changed since is told. It goes on over reconnects
        until it is closed. Raises `ForbiddenError` and `UnreachableError`.
        """
        async with aclosing(self._changes(name, after, _of_pool(pool), labels=label_selector)) as events:
            async for event in events:
                yield EnvironmentEvent(*event)


def _of_pool(pool: str | None) -> dict[str, str]:
    return {} if pool is None else {"spec.pool=": pool}
