"""`headgate job get`."""

from headgate.cli.job.list import source_of
from headgate.cli.job.names import SomeJobNames
from headgate.cli.job.words import COLUMNS, page
from headgate.cli.options import Showing
from headgate.cli.output.show import show
from headgate.cli.verb import Session, verb


@verb(namespaced=True)
async def get_job(session: Session, names: SomeJobNames = None, *, showing: Showing) -> None:
    """Show Jobs: their state in their queue, where they run, how they end.

    Without a name, the newest are listed.

    For example:
      headgate job get train -n team-a
    """
    jobs = session.client.jobs
    await show(session, names, jobs, COLUMNS, page, showing, source_of(jobs, {}, {}))
