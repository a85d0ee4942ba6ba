"""Names as arguments: completed from what is in the cluster, and taken as `-o name` prints them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import typer

from headgate.cli.completion import names_of
from headgate.cli.output.documents import short_name
from headgate.client import AsyncClient

Ask = Callable[[AsyncClient], Awaitable[list[str]]]


def a_name(help: str, kinds: Sequence[str], ask: Ask) -> Any:  # noqa: A002
    """Return an argument for one name of an object of these kinds."""
    return typer.Argument(
        metavar="NAME",
        help=help,
        autocompletion=names_of(ask),
        callback=lambda name: short_name(name, *kinds),
    )


def some_names(help: str, kinds: Sequence[str], ask: Ask) -> Any:  # noqa: A002
    """Return an argument for names of objects of these kinds."""
    return typer.Argument(
        metavar="NAME",
        help=help,
        show_default=False,
        autocompletion=names_of(ask),
        callback=lambda names: [short_name(name, *kinds) for name in names or ()],
    )
