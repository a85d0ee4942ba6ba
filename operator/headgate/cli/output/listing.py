"""A list in any form, and what comes after it where it is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import typer

from headgate.cli.output import documents
from headgate.cli.output.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Sequence

    from headgate.cli.options import Listing

T = TypeVar("T")

NOTHING = "No resources found"


class Rows(Generic[T]):
    """Prints rows of a table as they come."""

    def __init__(self, columns: Sequence[Column[T]], form: Listing, *, headings: bool = True) -> None:
        self._table = Table(columns, wide=form == "wide", headings=headings)

    def print(self, rows: Sequence[T]) -> None:
        """Print some rows; widths are those that were needed so far."""
        for line in self._table.lines(rows):
            typer.echo(line)


async def print_list(
    rows: Callable[[], AsyncIterable[T]],
    manifests: Callable[[], AsyncIterable[dict[str, Any]]],
    table: Rows[T],
    form: Listing,
) -> list[T]:
    """Print a list, as a table or for programs, and return the rows of the table."""
    if form in ("json", "yaml", "name"):
        typer.echo(documents.many([manifest async for manifest in manifests()], form), nl=False)
        return []
    found = [row async for row in rows()]
    if not found:
        typer.echo(NOTHING, err=True)
    table.print(found)
    return found
