"""`headgate queue update`."""

from typing import Annotated, Any, Final

import typer

from headgate.cli.options import Writing
from headgate.cli.output.documents import manifest_of
from headgate.cli.queue.fields import SpecOptions
from headgate.cli.queue.names import QueueName
from headgate.cli.verb import Session, verb

EMPTY: Final[dict[str, tuple[str, Any]]] = {
    "compute-environments": ("compute_environments", []),
    "time-limits": ("time_limit_actions", []),
    "tags": ("tags", {}),
}
"""What can be emptied: the field, and what it is then."""


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
    clear: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(EMPTY),
            help="Empty a list; may be repeated.",
            show_default=False,
            autocompletion=lambda: list(EMPTY),
        ),
    ] = None,
    writing: Writing,
) -> None:
    """Change a queue's settings.

    Only those that are given. A list, such as of clusters, is replaced whole, and emptied with --clear. Limits that are
    lowered stop nothing that runs. The pool is fixed. For states, pausing and tags there are verbs of their own.

    For example:
      headgate queue update nightly --action-concurrency 40
      headgate queue update gpu --cluster gpu-east --cluster gpu-west
      headgate queue update gpu --clear time-limits
    """
    limits = {"run_concurrency": run_concurrency, "action_concurrency": action_concurrency}
    changes = spec.fields() | {name: limit for name, limit in limits.items() if limit is not None}
    for what in clear or ():
        if what not in EMPTY:
            raise typer.BadParameter(f"{what!r} is none of {', '.join(EMPTY)}", param_hint="'--clear'")
        field, empty = EMPTY[what]
        if field in changes:
            raise typer.BadParameter(f"{what} is to be set and to be emptied", param_hint="'--clear'")
        changes[field] = empty
    if not changes:
        raise typer.BadParameter("nothing to change: give at least one of the options that set a field")
    queue = await session.client.queues.update(name, dry_run=writing.is_rehearsal, **changes)
    writing.report(manifest_of(queue), "updated")
