"""`headgate job list`."""

import re
import time
from typing import Annotated, Final

import typer

from headgate.api.times import seconds
from headgate.cli.job.words import COLUMNS, NAMESPACE
from headgate.cli.options import ListOutput, NoHeaders
from headgate.cli.output import documents
from headgate.cli.output.listing import NOTHING, Rows
from headgate.cli.queue.names import complete, plain
from headgate.cli.verb import Session, verb

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
AT_ONCE: Final = 500
"""Rows that are printed together, and stand under each other."""


def read_since(text: str) -> float:
    """Return a time, in seconds since the epoch: ``90m`` ago, or ``2026-03-01T12:00:00Z``."""
    if ago := re.fullmatch(r"(\d+)([smhd])", text):
        return time.time() - int(ago[1]) * UNITS[ago[2]]
    then = seconds(text)
    if then is None:
        raise typer.BadParameter(
            f"must be such as 90m, 12h, 7d, or a time such as 2026-03-01T12:00:00Z, not {text!r}",
            param_hint="'--since'",
        )
    return then


@verb(namespaced=True)
async def list_jobs(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", show_default=False, help="Only Jobs of this name.")
    ] = None,
    *,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Jobs of all namespaces.")
    ] = False,
    output: ListOutput = "table",
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", "-f", metavar="STATE|RESULT", show_default=False, help="Only those; may be repeated."
        ),
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(
            "--queue",
            "-q",
            metavar="NAME",
            show_default=False,
            help="Jobs of a queue.",
            autocompletion=complete,
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="Jobs that a user submitted.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="AGE|TIME", show_default=False, help="Of finished ones, those that ended since: 12h."
        ),
    ] = None,
    max_entries: Annotated[
        int,
        typer.Option("--max-entries", "--limit", min=0, metavar="NUMBER", help="So many at most; 0: all."),
    ] = 1000,
    no_headers: NoHeaders = False,
) -> None:
    """List the newest Jobs of queues, newest first.

    States and results:
      depend, priority, sched, run, cleanup, inactive
      pending (depend, priority or sched), running (run or cleanup), active (both)
      completed, failed, canceled, timeout

    With --max-entries 0 all are listed, in the order in which the API server has them; they are printed as they come.

    For example:
      headgate job list --queue nightly --filter pending
      headgate job list -A --filter failed --filter timeout --since 12h -o wide
    """
    jobs = session.client.jobs
    words = [word for text in filters or () for word in text.split(",")]
    after = read_since(since) if since else 0.0
    queue = plain(queue) if queue else None
    try:
        if output in ("json", "yaml", "name"):
            manifests = [
                manifest
                async for manifest in jobs.list_manifests(
                    filters=words, queue=queue, user=user, name=name, since=after,
                    limit=max_entries, all_namespaces=all_namespaces,
                )
            ]  # fmt: skip
            typer.echo(documents.many(manifests, output), nl=False)
            return
        columns = (NAMESPACE, *COLUMNS) if all_namespaces else COLUMNS
        rows = Rows(columns, output, headings=not no_headers)
        found = []
        some = False
        async for job in jobs.list(
            filters=words, queue=queue, user=user, name=name, since=after,
            limit=max_entries, all_namespaces=all_namespaces,
        ):  # fmt: skip
            found.append(job)
            if len(found) == AT_ONCE:
                rows.print(found)
                found, some = [], True
        rows.print(found)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if not found and not some:
        typer.echo(
            NOTHING if all_namespaces else f"{NOTHING} in {session.client.namespace} namespace", err=True
        )
