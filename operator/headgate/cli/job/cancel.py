"""`headgate job cancel`."""

from typing import Annotated

import typer

from headgate.cli.job.names import JobNames
from headgate.cli.options import DryRun, IgnoreNotFound, NameOnly
from headgate.cli.verb import Session, verb


@verb(namespaced=True)
async def cancel_jobs(
    session: Session,
    names: JobNames,
    *,
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="TEXT", show_default=False, help="Why, kept on the Job.")
    ] = "",
    ignore_not_found: IgnoreNotFound = False,
    dry_run: DryRun = "none",
    output: NameOnly = None,
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
        done = "" if output else f" {what}" + (" (server dry run)" if rehearsed else "")
        typer.echo(f"job.batch/{name.rpartition('/')[2]}{done}")

    await session.each(names, cancel, ignore_not_found=ignore_not_found)
