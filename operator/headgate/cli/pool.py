"""`headgate pool`: pools are read here, and made with kubectl or GitOps by whoever runs the clusters."""

from typing import Annotated, Final

import typer

from headgate.api.clusterpool import ClusterPool, PoolClusterStatus
from headgate.api.meta import find_condition
from headgate.api.names import CONDITION_READY
from headgate.cli.names import some_names
from headgate.cli.options import Limit, Listing, Showing
from headgate.cli.output.ages import age, moment
from headgate.cli.output.conditions import conditions
from headgate.cli.output.listing import Source, print_list, resources
from headgate.cli.output.page import Page
from headgate.cli.output.show import show
from headgate.cli.output.table import Column, Table
from headgate.cli.verb import Session, verb
from headgate.client import AsyncClient

KINDS: Final = ("clusterpool", "clusterpools", "cpool", "pool")


def ready(pool: ClusterPool) -> str:
    """Return whether a pool can take Jobs, or else the reason why not."""
    condition = find_condition(pool.status.conditions, CONDITION_READY)
    return "Unknown" if condition is None else "True" if condition.status == "True" else condition.reason


def answering(pool: ClusterPool) -> str:
    """Return how many of a pool's clusters run."""
    running = sum(cluster.state == "Running" for cluster in pool.status.clusters)
    return f"{running}/{len(pool.spec.clusters)}"


COLUMNS: Final[tuple[Column[ClusterPool], ...]] = (
    Column("NAME", lambda pool: pool.name),
    Column("READY", ready),
    Column("RUNNING", answering),
    Column("QUEUES", lambda pool: pool.status.queues or 0),
    Column("ACTIVE", lambda pool: sum(cluster.active for cluster in pool.status.clusters)),
    Column("AGE", lambda pool: age(pool.metadata.creation_timestamp)),
    Column("CLUSTERS", lambda pool: ",".join(cluster.name for cluster in pool.spec.clusters), wide=True),
    Column("DESCRIPTION", lambda pool: pool.spec.description, wide=True),
)
CLUSTERS: Final[tuple[Column[PoolClusterStatus], ...]] = (
    Column("NAME", lambda cluster: cluster.name),
    Column("STATE", lambda cluster: cluster.state),
    Column("VERSION", lambda cluster: cluster.version),
    Column("ACTIVE", lambda cluster: cluster.active),
    Column("PROBED", lambda cluster: age(cluster.last_probe_time)),
    Column("MESSAGE", lambda cluster: cluster.message),
)


def page(pool: ClusterPool) -> str:
    """Return what there is to know of a pool."""
    about = Page()
    about.add("Name", pool.name)
    about.add("Description", pool.spec.description)
    about.add("Ready", ready(pool))
    about.add("Created", moment(pool.metadata.creation_timestamp))
    about.add("Queues", pool.status.queues)
    about.add("When A Cluster Is Lost", f"{pool.spec.on_cluster_lost}, after {pool.spec.lost_after_seconds}s")
    disabled = [cluster.name for cluster in pool.spec.clusters if cluster.state == "Disabled"]
    about.add("Disabled Clusters", ", ".join(disabled))
    about.block("Clusters", Table(CLUSTERS).lines(pool.status.clusters))
    about.block("Conditions", conditions(pool.status.conditions))
    return about.render()


@verb()
async def list_pools(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", show_default=False, help="A name, or a pattern: 'eu-*'.")
    ] = None,
    *,
    limit: Limit = None,
    listing: Listing,
) -> None:
    """List pools, and how many of their clusters run.

    Fields for --sort: id, name, created, queues, clusters
    """
    await print_list(session.client, _source(session.client, name, limit, listing), COLUMNS, listing)


@verb()
async def get_pool(
    session: Session,
    names: Annotated[
        list[str] | None,
        some_names("The pools; if none is given, all.", KINDS, lambda client: client.pools.names()),
    ] = None,
    *,
    showing: Showing,
) -> None:
    """Show pools: their clusters, how they are, and what runs there.

    Without a name, they are listed.
    """
    everything = _source(session.client, None, None, showing.as_list)
    await show(session, names, session.client.pools, COLUMNS, page, showing, everything)


def _source(
    client: AsyncClient, name: str | None, limit: int | None, listing: Listing
) -> Source[ClusterPool]:
    pools = client.pools
    return resources(
        ClusterPool,
        lambda: pools.list_manifests(name=name, limit=limit, **listing.asked()),
        pools.version,
        lambda before: pools.watch(name, label_selector=listing.selector, after=before),
    )
