"""`headgate job why`."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from headgate.api.times import timestamp
from headgate.cli.job.names import JobName
from headgate.cli.output import documents
from headgate.cli.output.ages import moment
from headgate.cli.output.holds import about, estimated, hold_lines
from headgate.cli.output.page import Page
from headgate.cli.output.table import Column, Table
from headgate.cli.verb import Session, verb

if TYPE_CHECKING:
    from headgate.client import Ahead, Explanation

AHEAD: Final[tuple[Column["Ahead"], ...]] = (
    Column("NAMESPACE", lambda job: job.namespace),
    Column("NAME", lambda job: job.name),
    Column("GOES", lambda job: about(job.seconds)),
)


ADMITTED: Final = ("run", "cleanup")
"""States of a Job that does not wait, if it ever ran."""


def page(told: "Explanation") -> str:
    """Return what there is to say of a Job that waits."""
    text = Page()
    text.add("Job", f"{told.namespace}/{told.name}")
    text.add("Queue", told.queue)
    text.add("Created", moment(timestamp(told.created)))
    if told.unseen is not None:
        text.add(
            "Not Seen",
            f"who goes before it, and when it goes: you may not {told.unseen} in the whole cluster",
        )
        text.block("Held At Least By", hold_lines(told.holds))
        return text.render()
    text.add("Position", _position(told))
    text.add("Estimate", estimated(told))
    text.block("Held By", hold_lines(told.holds))
    text.block("Goes Before It", Table(AHEAD).lines(told.ahead))
    return text.render()


def _position(told: "Explanation") -> str:
    if told.position is not None:
        return "1, it is next" if told.position == 1 else f"{told.position}"
    return "too far off to be told" if told.too_far else "none: what holds it does not end by itself"


@verb(namespaced=True)
async def why_job(
    session: Session,
    name: JobName,
    *,
    output: Annotated[
        Literal["page", "json", "yaml"], typer.Option("--output", "-o", help="How to print it.")
    ] = "page",
) -> None:
    """Say why a Job waits, who goes before it, and when it goes.

    It is computed from a list of everything, by the engine that the operator decides by, so it takes the right to list
    Jobs in the whole cluster. Without it, what the Job and its queue say of themselves is told. When it goes is an
    estimate, from deadlines and from how long the queue's Jobs took.

    For example:
      headgate job why train -n team-a
    """
    job = await session.client.jobs.get(name)
    if output == "page" and job.queue is not None and job.state in ADMITTED and job.t_run is not None:
        since = moment(timestamp(job.t_run))
        typer.echo(f"job.batch/{job.name} does not wait: it was admitted {since}")
        return
    told = await session.client.jobs.why(name)
    if output == "page":
        typer.echo(page(told), nl=False)
    else:
        body = {**dataclasses.asdict(told), "holds": [hold._asdict() for hold in told.holds]}
        body["ahead"] = [dataclasses.asdict(each) for each in told.ahead]
        body["doubt"] = None if told.doubt is None else told.doubt._asdict()
        typer.echo(documents.one(body, output), nl=False)
