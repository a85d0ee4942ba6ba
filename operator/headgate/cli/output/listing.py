"""A list in any form, and what comes after it where it is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import typer

from headgate.cli.output import documents
from headgate.cli.output.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Sequence

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


async def print_documents(manifests: AsyncIterable[dict[str, Any]], form: documents.Document) -> None:
    """Print objects for programs."""
    typer.echo(documents.many([manifest async for manifest in manifests], form), nl=False)


def print_nothing(where: str = "") -> None:
    """Say on stderr that a list is empty, as kubectl does."""
    typer.echo(f"{NOTHING}{where}", err=True)
