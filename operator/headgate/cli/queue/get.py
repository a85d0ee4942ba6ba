"""`headgate queue get`."""

from typing import Annotated, Literal

import typer

from headgate.cli.options import NoHeaders
from headgate.cli.output import documents
from headgate.cli.output.listing import Rows
from headgate.cli.queue.columns import COLUMNS
from headgate.cli.queue.names import QueueNames
from headgate.cli.queue.page import page
from headgate.cli.verb import Session, verb


@verb()
async def get_queue(
    session: Session,
    names: QueueNames,
    *,
    output: Annotated[
        Literal["page", "table", "wide", "json", "yaml", "name"],
        typer.Option("--output", "-o", help="How to print it."),
    ] = "page",
    no_headers: NoHeaders = False,
) -> None:
    """Show a queue: its state, what is in it, what holds it up.

    For example:
      headgate queue get nightly
      headgate queue get nightly -o yaml
    """
    if output in ("json", "yaml", "name"):
        manifests = await session.each(names, session.client.queues.get_manifest)
        if len(names) == 1 or output == "name":
            for manifest in manifests:
                typer.echo(documents.one(manifest, output), nl=False)
        elif manifests:
            typer.echo(documents.many(manifests, output), nl=False)
        return
    queues = await session.each(names, session.client.queues.get)
    if output == "page":
        typer.echo("\n\n".join(page(queue) for queue in queues), nl=False)
    else:
        Rows(COLUMNS, output, headings=not no_headers).print(queues)
