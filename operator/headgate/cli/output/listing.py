"""A list in any form, and what comes after it where it is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import typer

from headgate.cli.output import documents
from headgate.cli.output.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Sequence

    from headgate.cli.options import Listing

T = TypeVar("T")

NOTHING: Final = "No resources found"
AT_ONCE: Final = 500
"""Rows that are printed together, and stand under each other."""


class Rows(Generic[T]):
    """Prints rows of a table as they come."""

    def __init__(self, columns: Sequence[Column[T]], form: Listing, *, headings: bool = True) -> None:
        self._table = Table(columns, wide=form == "wide", headings=headings)

    def print(self, rows: Sequence[T]) -> None:
        """Print some rows; widths are those that were needed so far."""
        for line in self._table.lines(rows):
            typer.echo(line)


@dataclass(frozen=True)
class Source(Generic[T]):
    """Where a list comes from; each is asked only if it is wanted."""

    rows: Callable[[], AsyncIterable[T]]
    manifests: Callable[[], AsyncIterable[dict[str, Any]]]
    version: Callable[[], Awaitable[str]]
    """What `changes` is given: the resourceVersion of before the list."""
    changes: Callable[[str], AsyncIterable[tuple[str, T]]]


async def print_list(
    source: Source[T],
    table: Rows[T],
    form: Listing,
    *,
    watch: bool,
    nothing: Callable[[], str] = lambda: NOTHING,
) -> None:
    """Print a list, as a table or for programs, as it comes, and then what changes if that is to be watched.

    `nothing` is said where the list is empty. Raises `typer.BadParameter` for what cannot be watched.
    """
    if form in ("json", "yaml", "name"):
        if watch:
            raise typer.BadParameter("--watch goes with -o table and -o wide", param_hint="'--output'")
        listed = documents.Listed(form)
        async for manifest in source.manifests():
            typer.echo(listed.add(manifest), nl=False)
        typer.echo(listed.end(), nl=False)
        return
    before = await source.version() if watch else ""
    some = False
    rows: list[T] = []
    async for row in source.rows():
        rows.append(row)
        if len(rows) == AT_ONCE:
            table.print(rows)
            rows, some = [], True
    table.print(rows)
    if not rows and not some:
        typer.echo(nothing(), err=True)
    if watch:
        async for change, row in source.changes(before):
            if change != "DELETED":
                table.print([row])
