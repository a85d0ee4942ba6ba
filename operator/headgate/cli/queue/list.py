"""`headgate queue list`."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from headgate.cli.filters import read_filters
from headgate.cli.options import Limit, ListOutput, NoHeaders, Sort, Watch
from headgate.cli.output.listing import Rows, Source, print_list
from headgate.cli.queue.columns import COLUMNS
from headgate.cli.verb import Session, verb

if TYPE_CHECKING:
    from headgate.client import QueueFilters, QueueSelection

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
    given = read_filters(filters, FILTERS, tags=True)
    pattern = name if name is not None else given.pop("name", None)
    selection: QueueSelection = given  # type: ignore[assignment]
    selection["all"] = all
    queues = session.client.queues
    listed: QueueFilters = {**selection, "name": pattern, "sort": sort or (), "limit": limit}
    source = Source(
        lambda: queues.list(**listed),
        lambda: queues.list_manifests(**listed),
        queues.version,
        lambda before: queues.watch(pattern, after=before, **selection),
    )
    try:
        await print_list(source, Rows(COLUMNS, output, headings=not no_headers), output, watch=watch)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
