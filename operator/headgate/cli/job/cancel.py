"""`headgate job cancel`."""

from typing import Annotated, Literal

import typer

from headgate.cli.job.names import JobNames
from headgate.cli.verb import Session, verb


@verb(namespaced=True)
async def cancel_jobs(
    session: Session,
    names: JobNames,
    *,
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="TEXT", show_default=False, help="Why, kept on the Job.")
    ] = "",
    dry_run: Annotated[
        Literal["none", "server"], typer.Option("--dry-run", help="server: change nothing.")
    ] = "none",
) -> None:
    """Cancel Jobs that wait or run.

    With the right to patch jobs/status a Job is canceled: it stays, and says so. Without it, and the ClusterRole edit
    has none, the Job is deleted with its Pods.

    For example:
      headgate job cancel train --message 'wrong data set'
    """
    rehearsed = dry_run == "server"

    async def cancel(name: str) -> None:
        what = await session.client.jobs.cancel(name, message=message, dry_run=rehearsed)
        typer.echo(f"job.batch/{name.rpartition('/')[2]} {what}" + (" (server dry run)" if rehearsed else ""))

    await session.each(names, cancel)
