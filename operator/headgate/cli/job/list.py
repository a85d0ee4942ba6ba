"""`headgate job list`."""

from typing import TYPE_CHECKING, Annotated

import typer

from headgate.cli.durations import read_since
from headgate.cli.job.words import COLUMNS, NAMESPACE
from headgate.cli.options import Listing
from headgate.cli.output.listing import NOTHING, Source, print_list
from headgate.cli.queue.names import complete, plain
from headgate.cli.verb import Session, verb

if TYPE_CHECKING:
    from headgate.client import AsyncJobs, JobFilters, JobInfo, JobSelection


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
        float | None,
        typer.Option(
            parser=read_since,
            metavar="AGE|TIME",
            show_default=False,
            help="Of finished ones, those that ended since: 12h.",
        ),
    ] = None,
    max_entries: Annotated[
        int,
        typer.Option("--max-entries", "--limit", min=0, metavar="NUMBER", help="So many at most; 0: all."),
    ] = 1000,
    listing: Listing,
) -> None:
    """List the newest Jobs of queues, newest first.

    States and results:
      depend, priority, sched, run, cleanup, inactive
      pending (depend, priority or sched), running (run or cleanup), active (both)
      completed, failed, canceled, timeout

    Fields for --sort:
      name, namespace, created, started, finished, state, queue, user, project,
      priority, runtime

    With --max-entries 0 all are listed, in the order in which the API server has them; they are printed as they come,
    in whatever form, and never held, unless they are to be sorted. If there are more than are listed, stderr says so.

    For example:
      headgate job list --queue nightly --filter pending
      headgate job list -A --filter failed --filter timeout --since 12h -o wide
    """
    selection: JobSelection = {
        "filters": filters or (),
        "queue": plain(queue) if queue else None,
        "user": user,
        "name": name,
        "label_selector": listing.selector,
        "all_namespaces": all_namespaces,
    }
    listed: JobFilters = {**selection, **listing.asked(), "since": since or 0.0, "limit": max_entries}  # type: ignore[typeddict-item]

    def nothing() -> str:
        return NOTHING if all_namespaces else f"{NOTHING} in {session.client.namespace} namespace"

    columns = (NAMESPACE, *COLUMNS) if all_namespaces else COLUMNS
    source = source_of(session.client.jobs, listed, selection)
    await print_list(session.client, source, columns, listing, nothing=nothing)


def source_of(jobs: "AsyncJobs", listed: "JobFilters", selection: "JobSelection") -> Source["JobInfo"]:
    """Return where a list of Jobs comes from; that it is cut short is said on stderr."""
    everywhere = selection.get("all_namespaces", False)
    listed = {**listed, "on_left_out": _say_left_out}
    return Source(
        lambda: jobs.list(**listed),
        lambda: jobs.list_manifests(**listed),
        lambda: jobs.version(all_namespaces=everywhere),
        lambda before: jobs.watch(after=before, **selection),
    )


def _say_left_out(count: int) -> None:
    typer.echo(f"These are the newest; {count} more are left out. For all of them: --max-entries 0", err=True)
