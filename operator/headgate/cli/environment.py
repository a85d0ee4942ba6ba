"""`headgate environment`: compute environments are read here, and made with kubectl or GitOps."""

from typing import Annotated, Final

import typer

from headgate.api.computeenvironment import ComputeEnvironment, EnvironmentCluster
from headgate.cli.filters import read_filters
from headgate.cli.names import some_names
from headgate.cli.options import Limit, Listing, Showing
from headgate.cli.output.ages import age, duration, moment
from headgate.cli.output.conditions import conditions
from headgate.cli.output.listing import Source, print_list, resources
from headgate.cli.output.page import Page
from headgate.cli.output.show import show
from headgate.cli.output.table import Column, Table
from headgate.cli.verb import Session, verb
from headgate.client import AsyncClient

KINDS: Final = ("computeenvironment", "computeenvironments", "ce", "environment")


def state(environment: ComputeEnvironment) -> str:
    """Return whether Jobs can be sent to an environment: ``Valid``, ``Invalid``, ``Valid,Disabled``."""
    found = environment.status.state or "Unknown"
    return found if environment.spec.state == "Enabled" else f"{found},Disabled"


def replicas(environment: ComputeEnvironment) -> str | None:
    """Return how many instances are there of those that are wanted, None where Headgate does not scale them."""
    scaling = environment.status.scaling
    return f"{scaling.ready_replicas}/{scaling.wanted}" if scaling else None


def amounts(resources: dict[str, str]) -> str:
    """Return a resource list in one line: ``cpu=64,memory=256Gi``."""
    return ",".join(f"{name}={amount}" for name, amount in sorted(resources.items()))


COLUMNS: Final[tuple[Column[ComputeEnvironment], ...]] = (
    Column("NAME", lambda environment: environment.name),
    Column("STATE", state),
    Column("TYPE", lambda environment: environment.spec.type),
    Column("POOL", lambda environment: environment.spec.pool),
    Column("ACTIVE", lambda environment: environment.status.active),
    Column("FREE", lambda environment: amounts(environment.status.free)),
    Column("AGE", lambda environment: age(environment.metadata.creation_timestamp)),
    Column("CAPACITY", lambda environment: amounts(environment.status.capacity), wide=True),
    Column("REPLICAS", replicas, wide=True),
    Column("QUEUES", lambda environment: environment.status.queues or 0, wide=True),
    Column("CLUSTERS", lambda environment: ",".join(environment.spec.clusters), wide=True),
    Column("DESCRIPTION", lambda environment: environment.spec.description, wide=True),
)
CLUSTERS: Final[tuple[Column[EnvironmentCluster], ...]] = (
    Column("NAME", lambda cluster: cluster.name),
    Column("ACTIVE", lambda cluster: cluster.active),
    Column("REQUESTED", lambda cluster: amounts(cluster.requested)),
    Column("FREE", lambda cluster: amounts(cluster.free)),
)


def page(environment: ComputeEnvironment) -> str:
    """Return what there is to know of an environment."""
    spec, status, shape = environment.spec, environment.status, environment.spec.instance_shape
    about = Page()
    about.add("Name", environment.name)
    about.add("Description", spec.description)
    about.add("State", state(environment))
    about.add("Type", spec.type)
    about.add("Pool", spec.pool)
    about.add("Created", moment(environment.metadata.creation_timestamp))
    about.add("Queues", status.queues)
    about.section(
        "Instance",
        {
            "Name": shape.name,
            "Machine Type": shape.machine_type,
            "Architecture": shape.architecture,
            "CPU": shape.cpu,
            "Memory": shape.memory,
        },
    )
    about.section(
        "Room",
        {
            "Active Jobs": status.active,
            "Requested": amounts(status.requested),
            "Capacity": amounts(status.capacity) or "no limit",
            "Free": amounts(status.free),
        },
    )
    if spec.scaling:
        target, found = spec.scaling.target_ref, status.scaling
        idle = spec.scaling.idle_timeout_seconds
        about.section(
            "Scaling",
            {
                "Target": f"{target.kind}/{target.name}"
                + (f" in {target.namespace}" if target.namespace else ""),
                "Instances": f"{spec.scaling.min} to {spec.scaling.max}",
                "State": found.state if found else None,
                "Ready": f"{found.ready_replicas} of {found.wanted} wanted" if found else None,
                "Shrinks": f"after {duration(idle)} without Jobs" if idle else "never for being idle",
                "Message": found.message if found else None,
            },
        )
    about.block("Clusters", Table(CLUSTERS).lines(status.clusters))
    about.block("Conditions", conditions(status.conditions))
    return about.render()


@verb()
async def list_environments(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", show_default=False, help="A name, or a pattern: 'spot-*'.")
    ] = None,
    *,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="pool=NAME", show_default=False, help="Only those of a pool."),
    ] = None,
    limit: Limit = None,
    listing: Listing,
) -> None:
    """List compute environments, and what is free in them.

    Fields for --sort: id, name, created, pool, type, state, active
    """
    pool = read_filters(filters, {"pool": "pool"}).get("pool")
    source = _source(session.client, name, pool, limit, listing)
    await print_list(session.client, source, COLUMNS, listing)


@verb()
async def get_environment(
    session: Session,
    names: Annotated[
        list[str] | None,
        some_names(
            "The compute environments; if none is given, all.",
            KINDS,
            lambda client: client.environments.names(),
        ),
    ] = None,
    *,
    showing: Showing,
) -> None:
    """Show compute environments: what is used of them, and where.

    Without a name, they are listed.
    """
    everything = _source(session.client, None, None, None, showing.as_list)
    await show(session, names, session.client.environments, COLUMNS, page, showing, everything)


def _source(
    client: AsyncClient, name: str | None, pool: str | None, limit: int | None, listing: Listing
) -> Source[ComputeEnvironment]:
    environments = client.environments
    return resources(
        ComputeEnvironment,
        lambda: environments.list_manifests(name=name, pool=pool, limit=limit, **listing.asked()),
        environments.version,
        lambda before: environments.watch(name, pool=pool, label_selector=listing.selector, after=before),
    )
