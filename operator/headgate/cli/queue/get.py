"""`headgate queue get`."""

from functools import partial

from headgate.cli.options import Showing
from headgate.cli.output.show import show
from headgate.cli.queue.columns import COLUMNS
from headgate.cli.queue.names import QueueNames
from headgate.cli.queue.page import page
from headgate.cli.queue.top import top_of_line
from headgate.cli.verb import Session, verb


@verb()
async def get_queue(session: Session, names: QueueNames, *, showing: Showing) -> None:
    """Show a queue: its state, what is in it, who goes next.

    Who goes next is computed as by job why, so it takes the right to list Jobs in the whole cluster. When it goes is an
    estimate.

    For example:
      headgate queue get nightly
      headgate queue get nightly -o yaml
    """
    below = partial(top_of_line, session.client)
    await show(session, names, session.client.queues, COLUMNS, page, showing, below)
