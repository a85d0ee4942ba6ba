"""`headgate queue get`."""

from typing import Annotated

import typer

from headgate.cli.options import Showing
from headgate.cli.output.show import show
from headgate.cli.queue.columns import COLUMNS
from headgate.cli.queue.list import source_of
from headgate.cli.queue.names import SomeQueueNames
from headgate.cli.queue.page import page
from headgate.cli.queue.top import TopOfLine
from headgate.cli.verb import Session, verb


@verb()
async def get_queue(
    session: Session,
    names: SomeQueueNames = None,
    *,
    line: Annotated[
        bool, typer.Option("--line/--no-line", help="With who goes next, which may take a while to compute.")
    ] = True,
    showing: Showing,
) -> None:
    """Show queues: their state, what is in them, who goes next.

    Without a name, they are listed. Who goes next is computed as by job why, so it takes the right to list Jobs in the
    whole cluster. When it goes is an estimate.

    For example:
      headgate queue get nightly
      headgate queue get nightly -o yaml
    """
    queues = session.client.queues
    below = TopOfLine(session.client).of if line else None
    await show(session, names, queues, COLUMNS, page, showing, source_of(queues, {}, {}), below)
