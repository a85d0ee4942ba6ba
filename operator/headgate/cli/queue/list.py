"""`headgate queue list`."""

from fnmatch import fnmatchcase
from typing import Annotated, Final

import typer

from headgate.api.jobqueue import JobQueue
from headgate.cli.filters import read_filters
from headgate.cli.options import Limit, ListOutput, NoHeaders, Sort, Watch
from headgate.cli.output.listing import Rows, print_list
from headgate.cli.queue.columns import COLUMNS
from headgate.cli.verb import Session, verb
from headgate.client import QueueFilters

FILTERS: Final = {
    "name": "name",
    "creator": "creator",
    "pool": "pool",
    "project": "project",
    "state": "state",
    "cluster-state": "cluster_state",
}


@verb()
async def list_queues(
    session: Session,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", show_default=False, help="A name, or a pattern: 'team-*'."),
    ] = None,
    *,
    output: ListOutput = "table",
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="KEY=VALUE", show_default=False, help="Only those; may be repeated."
        ),
    ] = None,
    sort: Sort = None,
    limit: Limit = None,
    all: Annotated[bool, typer.Option("--all", help="Sealed queues too.")] = False,  # noqa: A002
    watch: Watch = False,
    no_headers: NoHeaders = False,
) -> None:
    """List queues.

    Keys and fields:
      --filter  name, creator, pool, project, state, cluster-state, tag.KEY
      --sort    id, name, created, creator, pool, state, cluster-state, priority

    A state that is given twice means either of them. Sealed queues are left out unless --all or --filter
    state=Sealed asks for them.

    For example:
      headgate queue list
      headgate queue list 'team-*' --filter state=Active --sort priority:desc
      headgate queue list --filter tag.team=search -o wide
      headgate queue list -o name --filter pool=old | xargs headgate queue drain
    """
    selected: QueueFilters = read_filters(filters, FILTERS, tags=True)  # type: ignore[assignment]
    if name is not None:
        selected["name"] = name
    if watch and output not in ("table", "wide"):
        raise typer.BadParameter("--watch goes with -o table and -o wide", param_hint="'--output'")
    selected["all"] = all
    listed: QueueFilters = {**selected, "sort": sort or (), "limit": limit}
    rows = Rows(COLUMNS, output, headings=not no_headers)
    queues = session.client.queues
    try:
        found = await print_list(
            lambda: queues.list(**listed), lambda: queues.list_manifests(**listed), rows, output
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if watch:
        seen = {queue.name: queue.metadata.resource_version for queue in found}
        await _follow(session, selected, seen, rows)


async def _follow(
    session: Session, selected: QueueFilters, seen: dict[str, str], rows: Rows[JobQueue]
) -> None:
    """Print each change of the queues that are selected."""
    async for _, queue in session.client.queues.watch():
        if seen.pop(queue.name, None) == queue.metadata.resource_version:
            continue
        if not fnmatchcase(queue.name, selected.get("name") or "*"):
            continue
        only: QueueFilters = {**selected, "name": queue.name}
        async for each in session.client.queues.list(**only):
            rows.print([each])
