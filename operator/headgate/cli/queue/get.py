"""`headgate queue get`."""

from headgate.cli.options import Showing
from headgate.cli.output.show import show
from headgate.cli.queue.columns import COLUMNS
from headgate.cli.queue.names import QueueNames
from headgate.cli.queue.page import page
from headgate.cli.verb import Session, verb


@verb()
async def get_queue(session: Session, names: QueueNames, *, showing: Showing) -> None:
    """Show a queue: its state, what is in it, what holds it up.

    For example:
      headgate queue get nightly
      headgate queue get nightly -o yaml
    """
    await show(session, names, session.client.queues, COLUMNS, page, showing)
