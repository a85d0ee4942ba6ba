"""What all kinds of Headgate's resources have in common: they are read, listed and watched in the same way."""

from __future__ import annotations

from contextlib import aclosing
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar
from urllib.parse import quote

from headgate.api.names import GROUP, VERSION
from headgate.client._connection import field_value, tidy
from headgate.client._errors import HeadgateError, NotFoundError
from headgate.client._sorting import METADATA, directives, in_order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from headgate.api.meta import Resource
    from headgate.client._connection import Connection, Json
    from headgate.client._events import Change
    from headgate.client._sorting import Fields

    Matches = Callable[[Json], bool]

R = TypeVar("R", bound="Resource")

BASE: Final = f"/apis/{GROUP}/{VERSION}"
_GLOB: Final = frozenset("*?[")


class AsyncCollection(Generic[R]):
    """The objects of one kind."""

    _plural: ClassVar[str]
    _kind: ClassVar[str]
    _sort: ClassVar[Fields[Json]] = METADATA
    """What lists can be sorted by."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _model(self) -> type[R]:
        """Return the model of the kind, which takes a while to import."""
        raise NotImplementedError

    async def get(self, name: str) -> R:
        """Return an object; raises `NotFoundError` where there is none of this name.

        Also raises `ForbiddenError` and `UnreachableError`, as everything here does.
        """
        return self._parse(await self.get_manifest(name))

    async def get_manifest(self, name: str) -> dict[str, Any]:
        """Return an object as the API server has it, all but `metadata.managedFields`; raises as `get` does."""
        return tidy(await self._connection.call("GET", self._path(name)))

    async def names(self) -> list[str]:
        """Return the names of all objects of the kind, quickly: for completion. Raises as `get` does."""
        objects = self._connection.objects(self._path())
        async with aclosing(objects):
            return [raw["metadata"]["name"] async for raw in objects]

    async def version(self) -> str:
        """Return the resourceVersion of now, for a `watch` of what comes after it. Raises as `get` does."""
        return await self._connection.version(self._path())

    def _path(self, name: str | None = None) -> str:
        path = f"{BASE}/{self._plural}"
        return path if name is None else f"{path}/{segment(name, f'{self._plural}.{GROUP}')}"

    async def _listed(
        self,
        name: str | None,
        fields: dict[str, str] | None = None,
        matches: Matches | None = None,
        *,
        labels: str | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        page_size: int | None = None,
    ) -> AsyncGenerator[Json, None]:
        """Yield the objects whose name (or pattern) and fields are these and that match, `limit` at most.

        `fields` are selectors with their operator: ``{"spec.pool=": "default"}``. Without `sort` they come page by
        page, by name. Raises ValueError where something is wrong with `sort`, `limit` or `page_size`.
        """
        if limit is not None and limit < 0:
            raise ValueError(f"limit: must be 0 or more, not {limit}")
        directives(sort, self._sort)
        found = self._select(name, fields or {}, matches, labels, page_size)
        async with aclosing(found if sort else _first(found, limit or None)) as objects:
            if not sort:
                async for raw in objects:
                    yield raw
                return
            everything = [raw async for raw in objects]
        for raw in in_order(everything, sort, self._sort)[: limit or None]:
            yield raw

    async def _select(
        self,
        name: str | None,
        fields: dict[str, str],
        matches: Matches | None,
        labels: str | None,
        page_size: int | None,
    ) -> AsyncGenerator[Json, None]:
        selector, wanted = _selection(name, fields, matches)
        listed = self._connection.objects(
            self._path(), limit=page_size, fieldSelector=selector, labelSelector=labels or ""
        )
        async with aclosing(listed) as objects:
            async for raw in objects:
                if wanted(raw):
                    yield tidy(raw)

    async def _changes(
        self,
        name: str | None,
        after: str | None,
        fields: dict[str, str] | None = None,
        matches: Matches | None = None,
        labels: str | None = None,
    ) -> AsyncGenerator[Change[R], None]:
        """Yield what happens to the objects that `_listed` would yield, see `changes`."""
        from headgate.client._events import changes

        selector, wanted = _selection(name, fields or {}, matches)

        def read(raw: Json) -> R | None:
            return self._parse(raw) if wanted(raw) else None

        told = changes(
            self._connection, self._path(), read, labels=labels or "", fields=selector, after=after
        )
        async with aclosing(told) as events:
            async for change in events:
                yield change

    def _parse(self, raw: Json) -> R:
        from pydantic import ValidationError

        from headgate.api.meta import explain

        try:
            return self._model().parse(raw)
        except ValidationError as error:
            name = (raw.get("metadata") or {}).get("name")
            raise HeadgateError(
                f'{self._kind} "{name}" is not as this version of Headgate knows it: {explain(error)}'
            ) from error


class AsyncListed(AsyncCollection[R]):
    """A kind of which there are few, and whose lists need no more than names."""

    async def list(
        self,
        *,
        name: str | None = None,
        label_selector: str | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[R]:
        """Yield those of this name (or pattern, such as ``team-*``), `limit` at most; None or 0 for all.

        `label_selector` is as ``kubectl -l`` takes it. Without `sort` they come by name, page by page. `sort` is a
        field, or several, with ``:asc`` or ``:desc`` behind it; which there are stands in the ValueError for one that
        is wrong. `page_size` is how many the API server is asked for at a time, 500 unless given. Raises
        `ForbiddenError` and `UnreachableError`.
        """
        found = self._listed(name, labels=label_selector, sort=sort, limit=limit, page_size=page_size)
        async with aclosing(found) as objects:
            async for raw in objects:
                yield self._parse(raw)

    async def list_manifests(
        self,
        *,
        name: str | None = None,
        label_selector: str | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the same as `list`, each as the API server has it, all but `metadata.managedFields`."""
        found = self._listed(name, labels=label_selector, sort=sort, limit=limit, page_size=page_size)
        async with aclosing(found) as objects:
            async for raw in objects:
                yield raw


def _selection(name: str | None, fields: dict[str, str], matches: Matches | None) -> tuple[str, Matches]:
    """Return what the API server selects by, and what is left to see to here."""
    is_pattern = name is not None and not _GLOB.isdisjoint(name)
    if name is not None and not is_pattern:
        fields = {**fields, "metadata.name=": name}

    def wanted(raw: Json) -> bool:
        if is_pattern and not fnmatchcase(raw["metadata"]["name"], str(name)):
            return False
        return matches is None or matches(raw)

    return ",".join(f"{field}{field_value(value)}" for field, value in fields.items()), wanted


def segment(name: str, resource: str) -> str:
    """Return a name as a part of a path; raises `NotFoundError` where it would lead somewhere else."""
    if name in ("", ".", ".."):
        raise NotFoundError(f'{resource} "{name}" not found: that is no name', reason="NotFound", status=404)
    return quote(name, safe="")


async def _first(objects: AsyncGenerator[Json, None], limit: int | None) -> AsyncGenerator[Json, None]:
    """Yield so many objects at most, None for all; what is behind them is not asked for."""
    left = limit
    async with aclosing(objects):
        async for raw in objects:
            yield raw
            if left is not None:
                left -= 1
                if left == 0:
                    return
