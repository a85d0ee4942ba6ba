"""The fields of a queue's spec as options. What each means stands in the CRD; here it is said in a line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from headgate.api.jobqueue import (
    PRIORITIES,
    PRIORITY_MAX,
    ExecutionMode,
    Fairness,
    HeadOfLine,
    RetryAffinity,
)
from headgate.cli.completion import names_of
from headgate.cli.durations import read_seconds
from headgate.cli.filters import pair


def read_priority(text: str) -> int | str:
    """Return a priority; raises `typer.BadParameter`."""
    if text in PRIORITIES:
        return text
    if text.isascii() and text.isdecimal() and int(text) <= PRIORITY_MAX:
        return int(text)
    raise typer.BadParameter(
        f"must be min, medium, max or an integer from 0 to {PRIORITY_MAX}, not {text!r}",
        param_hint="'--priority'",
    )


def read_time_limit(text: str) -> dict[str, Any]:
    """Return a time limit; raises `typer.BadParameter`."""
    reason, value = pair(text, "--time-limit")
    length, _, action = value.partition(":")
    try:
        seconds = read_seconds(length)
    except typer.BadParameter:
        raise typer.BadParameter(
            f"must be REASON=DURATION[:Cancel|Terminate], not {text!r}", param_hint="'--time-limit'"
        ) from None
    return {"reason": reason, "maxTimeSeconds": seconds, "action": action or "Cancel"}


@dataclass(frozen=True)
class SpecOptions:
    """What a queue may be given as it is created, and what may be changed of it."""

    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What it is for, and whom to ask.", show_default=False)
    ] = None
    clusters: Annotated[
        list[str] | None,
        typer.Option(
            "--cluster",
            metavar="NAME",
            help="A cluster of the pool that it may use; may be repeated. '*': every one.",
            show_default=False,
        ),
    ] = None
    compute_environments: Annotated[
        list[str] | None,
        typer.Option(
            "--compute-environment",
            metavar="NAME",
            help="A compute environment; may be repeated, and the first is tried first.",
            show_default=False,
            autocompletion=names_of(lambda client: client.environments.names()),
        ),
    ] = None
    depth: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Live Jobs that it holds; 0: no limit.", show_default=False),
    ] = None
    priority: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|min|medium|max",
            help="Among the queues of the pool, higher first.",
            show_default=False,
        ),
    ] = None
    execution_mode: Annotated[
        ExecutionMode | None,
        typer.Option(help="The order of Jobs in one project.", show_default=False),
    ] = None
    fairness: Annotated[
        Fairness | None,
        typer.Option(help="How projects alternate.", show_default=False),
    ] = None
    head_of_line: Annotated[
        HeadOfLine | None,
        typer.Option(help="What happens behind a Job that does not fit.", show_default=False),
    ] = None
    scheduling_policy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The SchedulingPolicy that shares it.",
            show_default=False,
            autocompletion=names_of(lambda client: client.policies.names()),
        ),
    ] = None
    time_limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON=DURATION[:ACTION]",
            help="What becomes of a Job too long at the head: InsufficientCapacity=1h:Cancel; may be repeated.",
            show_default=False,
        ),
    ] = None
    idle_timeout: Annotated[
        int | None,
        typer.Option(
            parser=read_seconds,
            metavar="DURATION",
            help="Scale down what only it uses after so long without Jobs; 0: never.",
            show_default=False,
        ),
    ] = None
    retry_affinity: Annotated[
        RetryAffinity | None,
        typer.Option(help="Where a Job that repeats another goes.", show_default=False),
    ] = None

    def fields(self) -> dict[str, Any]:
        """Return what was given, by the names of the fields; raises `typer.BadParameter`."""
        given = {name: value for name, value in vars(self).items() if value is not None and value != []}
        for option, field, read in _READ:
            if option in given:
                given[field] = read(given.pop(option))
        return given


_READ: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    ("priority", "priority", read_priority),
    ("idle_timeout", "idle_timeout_seconds", int),
    ("time_limit", "time_limit_actions", lambda texts: [read_time_limit(text) for text in texts]),
)
"""Options that are not the field's value as they stand."""
