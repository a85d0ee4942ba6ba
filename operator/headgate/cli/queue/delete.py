"""`headgate queue delete`."""

import typer

from headgate.cli.confirm import confirm
from headgate.cli.options import DryRun, IgnoreNotFound, NameOnly, Yes
from headgate.cli.queue.names import QueueNames
from headgate.cli.verb import Session, verb


@verb()
async def delete_queue(
    session: Session,
    names: QueueNames,
    *,
    yes: Yes = False,
    ignore_not_found: IgnoreNotFound = False,
    dry_run: DryRun = "none",
    output: NameOnly = None,
) -> None:
    """Delete a queue in which nothing is live.

    Its finished Jobs stay. A queue with live Jobs is not deleted: drain or terminate it first. It asks before, unless
    --yes is given.
    """
    rehearsed = dry_run == "server"
    if not rehearsed:
        confirm(f"Delete {', '.join(names)}?", yes=yes)

    async def delete(name: str) -> None:
        await session.client.queues.delete(name, dry_run=rehearsed)
        if output:
            typer.echo(f"jobqueue.headgate.dev/{name}")
        else:
            typer.echo(f'jobqueue.headgate.dev "{name}" deleted' + (" (server dry run)" if rehearsed else ""))

    await session.each(names, delete, ignore_not_found=ignore_not_found)
