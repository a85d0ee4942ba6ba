"""`headgate job list`."""

from typing import Annotated, Any

import typer

from headgate.cli.job.since import read_since
from headgate.cli.job.words import COLUMNS, NAMESPACE
from headgate.cli.options import ListOutput, NoHeaders, Watch
from headgate.cli.output.listing import NOTHING, Rows, Source, print_list
from headgate.cli.queue.names import complete, plain
from headgate.cli.verb import Session, verb


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
    watch: Watch = False,
    no_headers: NoHeaders = False,
) -> None:
    """List the newest Jobs of queues, newest first.

    States and results:
      depend, priority, sched, run, cleanup, inactive
      pending (depend, priority or sched), running (run or cleanup), active (both)
      completed, failed, canceled, timeout

    With --max-entries 0 all are listed, in the order in which the API server has them; they are printed as they come,
    in whatever form, and never held.

    For example:
      headgate job list --queue nightly --filter pending
      headgate job list -A --filter failed --filter timeout --since 12h -o wide
    """
    jobs = session.client.jobs
    words = [word for text in filters or () for word in text.split(",")]
    after = read_since(since) if since else 0.0
    queue = plain(queue) if queue else None
    only: dict[str, Any] = {
        "filters": words,
        "queue": queue,
        "user": user,
        "name": name,
        "all_namespaces": all_namespaces,
    }
    source = Source(
        lambda: jobs.list(since=after, limit=max_entries, **only),
        lambda: jobs.list_manifests(since=after, limit=max_entries, **only),
        lambda: jobs.version(all_namespaces=all_namespaces),
        lambda before: jobs.watch(after=before, **only),
    )
    columns = (NAMESPACE, *COLUMNS) if all_namespaces else COLUMNS
    rows = Rows(columns, output, headings=not no_headers)

    def nothing() -> str:
        return NOTHING if all_namespaces else f"{NOTHING} in {session.client.namespace} namespace"

    try:
        await print_list(source, rows, output, watch=watch, nothing=nothing)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
