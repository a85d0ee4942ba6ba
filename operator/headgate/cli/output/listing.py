"""A list in any form, and what comes after it where it is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import typer
from pydantic import ValidationError

from headgate.api.meta import explain
from headgate.cli.output import documents
from headgate.cli.output.outage import outages_told
from headgate.cli.output.table import Column, Table, Unreadable

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence

    from headgate.api.meta import Resource
    from headgate.cli.options import Form, Listing
    from headgate.client import AsyncClient

T = TypeVar("T")
R = TypeVar("R", bound="Resource")

NOTHING: Final = "No resources found"
AT_ONCE: Final = 500
"""Rows that are printed together, and stand under each other."""


class Rows(Generic[T]):
    """Prints rows of a table as they come."""

    def __init__(self, columns: Sequence[Column[T]], form: Form, *, headings: bool = True) -> None:
        self._table = Table(columns, wide=form == "wide", headings=headings)

    def print(self, rows: Sequence[T | Unreadable]) -> None:
        """Print some rows; widths are those that were needed so far."""
        for line in self._table.lines(rows):
            typer.echo(line)
        for row in rows:
            if isinstance(row, Unreadable):
                typer.echo(f"warning: {row.why}", err=True)


@dataclass(frozen=True)
class Source(Generic[T]):
    """Where a list comes from; each is asked only if it is wanted."""

    rows: Callable[[], AsyncIterable[T | Unreadable]]
    manifests: Callable[[], AsyncIterable[dict[str, Any]]]
    version: Callable[[], Awaitable[str]]
    """What `changes` is given: the resourceVersion of before the list."""
    changes: Callable[[str], AsyncIterable[tuple[str, T]]]


def resources(
    model: type[R],
    manifests: Callable[[], AsyncIterable[dict[str, Any]]],
    version: Callable[[], Awaitable[str]],
    changes: Callable[[str], AsyncIterable[tuple[str, R]]],
) -> Source[R]:
    """Return a list of one of Headgate's kinds: an object that makes no sense keeps no other back."""

    async def rows() -> AsyncIterator[R | Unreadable]:
        async for manifest in manifests():
            try:
                yield model.parse(manifest)
            except ValidationError as error:
                name = manifest["metadata"]["name"]
                yield Unreadable(name, f"{model.__name__} {name} cannot be read: {explain(error)}")

    return Source(rows, manifests, version, changes)


async def print_list(
    client: AsyncClient,
    source: Source[T],
    columns: Sequence[Column[T]],
    listing: Listing,
    *,
    nothing: Callable[[], str] = lambda: NOTHING,
) -> None:
    """Print a list, as a table or for programs, as it comes, and then what changes if that is to be watched.

    `nothing` is said where the list is empty. Raises `typer.BadParameter` for what cannot be listed or watched.
    """
    table = Rows(columns, listing.output, headings=not listing.no_headers)
    try:
        if listing.output in ("json", "yaml", "name"):
            if listing.watch:
                raise typer.BadParameter("--watch goes with -o table and -o wide", param_hint="'--output'")
            await _print_documents(source, listing.output)
            return
        before = await source.version() if listing.watch else ""
        await _print_rows(source, table, nothing)
        if listing.watch:
            async with outages_told(client):
                async for change, row in source.changes(before):
                    if change != "DELETED":
                        table.print([row])
    except ValueError as error:
        # Of what was asked for, and found by the client before it asked.
        raise typer.BadParameter(str(error)) from error


async def _print_documents(source: Source[T], form: documents.Document) -> None:
    listed = documents.Listed(form)
    async for manifest in source.manifests():
        typer.echo(listed.add(manifest), nl=False)
    typer.echo(listed.end(), nl=False)


async def _print_rows(source: Source[T], table: Rows[T], nothing: Callable[[], str]) -> None:
    some = False
    rows: list[T | Unreadable] = []
    async for row in source.rows():
        rows.append(row)
        if len(rows) == AT_ONCE:
            table.print(rows)
            rows, some = [], True
    table.print(rows)
    if not rows and not some:
        typer.echo(nothing(), err=True)
