"""`headgate queue update`."""

from typing import Annotated

import typer

from headgate.cli.options import Writing
from headgate.cli.output.documents import manifest_of
from headgate.cli.queue.fields import SpecOptions
from headgate.cli.queue.names import QueueName
from headgate.cli.verb import Session, verb


@verb()
async def update_queue(
    session: Session,
    name: QueueName,
    *,
    run_concurrency: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="Runs that may be active at once; 0: no limit.", show_default=False
        ),
    ] = None,
    action_concurrency: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="Jobs that may be active at once; 0: no limit.", show_default=False
        ),
    ] = None,
    spec: SpecOptions,
    writing: Writing,
) -> None:
    """Change a queue's settings.

    Only those that are given. A list, such as of clusters, is replaced whole. Limits that are lowered stop nothing
    that runs. The pool is fixed. For states, pausing and tags there are verbs of their own.

    For example:
      headgate queue update nightly --action-concurrency 40
      headgate queue update gpu --cluster gpu-east --cluster gpu-west
    """
    limits = {"run_concurrency": run_concurrency, "action_concurrency": action_concurrency}
    changes = spec.fields() | {name: limit for name, limit in limits.items() if limit is not None}
    if not changes:
        raise typer.BadParameter("nothing to change: give at least one of the options that set a field")
    queue = await session.client.queues.update(name, dry_run=writing.is_rehearsal, **changes)
    writing.say(manifest_of(queue), "updated")
