"""Objects that were asked for by name, in any form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import typer

from headgate.cli.output import documents
from headgate.cli.output.listing import Rows, print_list

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from headgate.cli.options import Showing
    from headgate.cli.output.listing import Source
    from headgate.cli.output.table import Column
    from headgate.cli.verb import Session

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Readable(Protocol[T_co]):
    """What objects of a kind are read from."""

    def get(self, name: str, /) -> Awaitable[T_co]:
        """Return an object."""

    def get_manifest(self, name: str, /) -> Awaitable[dict[str, Any]]:
        """Return an object as the API server has it."""


async def show(
    session: Session,
    names: Sequence[str] | None,
    source: Readable[T],
    columns: Sequence[Column[T]],
    page: Callable[[T], str],
    showing: Showing,
    everything: Source[T],
    below: Callable[[T, Sequence[T]], Awaitable[str]] | None = None,
) -> None:
    """Print the objects of these names: one page after the other, or as `showing` says; without names, list all.

    `below` returns what the page of one of them ends with, given all that are shown; it may take a while, and the rest
    is not kept back for it.
    """
    if not names:
        await print_list(session.client, everything, columns, showing.as_list)
        return
    form, ignore = showing.output, showing.ignore_not_found
    if form in ("json", "yaml", "name"):
        manifests = await session.each(names, source.get_manifest, ignore_not_found=ignore)
        typer.echo(documents.some(manifests, form, several=len(names) > 1), nl=False)
        return
    found = await session.each(names, source.get, ignore_not_found=ignore)
    if form == "page":
        for number, each in enumerate(found):
            typer.echo(("\n\n" if number else "") + page(each), nl=False)
            if below is not None:
                typer.echo(await below(each, found), nl=False)
    else:
        Rows(columns, form, headings=not showing.no_headers).print(found)
