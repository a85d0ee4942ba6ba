"""Options that several verbs have, so that they are called the same and say the same everywhere."""

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from headgate.cli.output import documents

Listing = Literal["table", "wide", "json", "yaml", "name"]
ListOutput = Annotated[
    Listing, typer.Option("--output", "-o", help="How to print it; wide has more columns.", show_choices=True)
]
Written = Literal["json", "yaml", "name"] | None


@dataclass(frozen=True)
class Writing:
    """How a verb writes, and what it says of it."""

    dry_run: Annotated[
        Literal["none", "server"],
        typer.Option(
            "--dry-run", help="server: let the API server check it, by all of its rules, and change nothing."
        ),
    ] = "none"
    output: Annotated[
        Written,
        typer.Option("--output", "-o", show_default=False, help="Print the object, not what was done."),
    ] = None

    @property
    def is_rehearsal(self) -> bool:
        """Whether nothing is to be changed."""
        return self.dry_run == "server"

    def say(self, manifest: documents.Json, what: str, more: str = "") -> None:
        """Say ``jobqueue.headgate.dev/nightly paused``, or print the object as it is then."""
        if self.output is not None:
            typer.echo(documents.one(manifest, self.output), nl=False)
            return
        rehearsed = " (server dry run)" if self.is_rehearsal else ""
        typer.echo(f"{documents.resource_name(manifest)} {what}{rehearsed}{more}")


NoHeaders = Annotated[
    bool, typer.Option("--no-headers", help="Leave out the line with the names of columns.")
]
Form = Literal["page", "table", "wide", "json", "yaml", "name"]


@dataclass(frozen=True)
class Showing:
    """How objects are printed that were asked for by name."""

    output: Annotated[
        Form, typer.Option("--output", "-o", help="How to print it; wide has more columns.")
    ] = "page"
    no_headers: NoHeaders = False


Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="NUMBER", show_default=False, help="List so many at most."),
]
Sort = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD[:asc|desc]", show_default=False, help="Sort by a field; may be repeated. See below."
    ),
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="After the list, go on with what changes.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
