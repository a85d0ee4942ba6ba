"""`headgate job get`."""

from headgate.cli.job.names import JobNames
from headgate.cli.job.words import COLUMNS, page
from headgate.cli.options import Showing
from headgate.cli.output.show import show
from headgate.cli.verb import Session, verb


@verb(namespaced=True)
async def get_job(session: Session, names: JobNames, *, showing: Showing) -> None:
    """Show a Job: its state in its queue, where it runs, how it ended.

    For example:
      headgate job get train -n team-a
    """
    await show(session, names, session.client.jobs, COLUMNS, page, showing)
