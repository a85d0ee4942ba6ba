"""Options that several verbs have, so that they are called the same and say the same everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from headgate.cli.durations import read_duration
from headgate.cli.output import documents

ListForm = Literal["table", "wide", "json", "yaml", "name"]
Form = Literal["page", "table", "wide", "json", "yaml", "name"]

DryRun = Annotated[
    Literal["none", "server"],
    typer.Option(
        "--dry-run",
        help="server, also if it stands alone: let the API server check it by all of its rules; change nothing.",
    ),
]
NameOnly = Annotated[
    Literal["name"] | None,
    typer.Option("--output", "-o", show_default=False, help="Print the name only."),
]
IgnoreNotFound = Annotated[
    bool, typer.Option("--ignore-not-found", help="Take what is not there for no error.")
]
NoHeaders = Annotated[
    bool, typer.Option("--no-headers", help="Leave out the line with the names of columns.")
]
Limit = Annotated[
    int | None,
    typer.Option(min=0, metavar="NUMBER", show_default=False, help="List so many at most; 0: all."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True)
class Writing:
    """How a verb writes, and what it says of it."""

    dry_run: DryRun = "none"
    output: Annotated[
        documents.Document | None,
        typer.Option("--output", "-o", show_default=False, help="Print the object, not what was done."),
    ] = None

    @property
    def is_rehearsal(self) -> bool:
        """Whether nothing is to be changed."""
        return self.dry_run == "server"

    def say(self, manifest: documents.Json, what: str, more: str = "") -> None:
        """Say ``jobqueue.headgate.dev/nightly paused``; where the object is to be printed, say nothing."""
        if self.output is None:
            rehearsed = " (server dry run)" if self.is_rehearsal else ""
            typer.echo(f"{documents.resource_name(manifest)} {what}{rehearsed}{more}")

    def report(self, manifest: documents.Json, what: str, more: str = "") -> None:
        """Say what was done to the only object of a call, or print it."""
        self.say(manifest, what, more)
        self.show([manifest])

    def show(self, manifests: Sequence[documents.Json], *, several: bool = False) -> None:
        """Print the objects as they are then, where that is wanted: in one document, also of several names."""
        if self.output is not None:
            typer.echo(documents.some(manifests, self.output, several=several), nl=False)


@dataclass(frozen=True)
class Listing:
    """How a list is asked for and printed."""

    output: Annotated[
        ListForm, typer.Option("--output", "-o", help="How to print it; wide has more columns.")
    ] = "table"
    selector: Annotated[
        str | None,
        typer.Option(
            "--selector",
            "-l",
            metavar="LABELS",
            show_default=False,
            help="Only those with these labels: app=train,tier!=test.",
        ),
    ] = None
    sort: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD[:asc|desc]",
            show_default=False,
            help="Sort by one of the fields above; may be repeated.",
        ),
    ] = None
    chunk_size: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="NUMBER",
            show_default=False,
            help="Ask for so many at a time, if not 500; 0: for all at once.",
        ),
    ] = None
    watch: Annotated[bool, typer.Option("--watch", "-w", help="After the list, go on with what changes.")] = (
        False
    )
    no_headers: NoHeaders = False

    def asked(self) -> dict[str, Any]:
        """Return what the client's lists are asked with."""
        return {"label_selector": self.selector, "sort": self.sort or (), "page_size": self.chunk_size}


@dataclass(frozen=True)
class Showing:
    """How objects are printed that were asked for by name."""

    output: Annotated[
        Form, typer.Option("--output", "-o", help="How to print it; wide has more columns.")
    ] = "page"
    ignore_not_found: IgnoreNotFound = False
    no_headers: NoHeaders = False

    @property
    def as_list(self) -> Listing:
        """How all of them are listed, where none was named."""
        return Listing("table" if self.output == "page" else self.output, no_headers=self.no_headers)


@dataclass(frozen=True)
class Waiting:
    """Whether to wait for what was begun."""

    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has come to its end.")] = False
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=read_duration,
            metavar="DURATION",
            show_default=False,
            help="Wait so long at most, such as 10m; it is an error then.",
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.wait:
            raise typer.BadParameter("it goes with --wait", param_hint="'--timeout'")
