"""`headgate queue list`."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from headgate.api.jobqueue import JobQueue
from headgate.cli.filters import read_filters
from headgate.cli.options import Limit, Listing
from headgate.cli.output.listing import Source, print_list, resources
from headgate.cli.queue.columns import COLUMNS
from headgate.cli.verb import Session, verb

if TYPE_CHECKING:
    from headgate.client import AsyncQueues, QueueFilters, QueueSelection

FILTERS: Final = {
    "id": "id",
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
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="KEY=VALUE", show_default=False, help="Only those; may be repeated."
        ),
    ] = None,
    limit: Limit = None,
    all: Annotated[bool, typer.Option("--all", help="Sealed queues too.")] = False,  # noqa: A002
    listing: Listing,
) -> None:
    """List queues.

    Keys and fields:
      --filter  id, name, creator, pool, project, state, cluster-state, tag.KEY
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
    if name is not None and "name" in given:
        raise typer.BadParameter("give NAME or --filter name=..., not both", param_hint="'--filter'")
    pattern = name if name is not None else given.pop("name", None)
    selection: QueueSelection = {**given, "all": all, "label_selector": listing.selector}  # type: ignore[typeddict-item]
    listed: QueueFilters = {**selection, **listing.asked(), "name": pattern, "limit": limit}  # type: ignore[typeddict-item]
    source = source_of(session.client.queues, listed, selection)
    await print_list(session.client, source, COLUMNS, listing)


def source_of(queues: "AsyncQueues", listed: "QueueFilters", selection: "QueueSelection") -> Source[JobQueue]:
    """Return where a list of queues comes from."""
    return resources(
        JobQueue,
        lambda: queues.list_manifests(**listed),
        queues.version,
        lambda before: queues.watch(listed.get("name"), after=before, **selection),
    )
