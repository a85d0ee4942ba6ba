"""`headgate queue tag`."""

from typing import Annotated

import typer

from headgate.cli.options import Writing
from headgate.cli.output.documents import manifest_of
from headgate.cli.output.visible import visible
from headgate.cli.queue.names import QueueName
from headgate.cli.verb import Session, verb


@verb()
async def tag_queue(
    session: Session,
    name: QueueName,
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE|KEY-", show_default=False, help="What to set, and what to remove."),
    ] = None,
    *,
    writing: Writing,
) -> None:
    """Set and remove tags of a queue, or list them.

    Tags that are not named stay as they are.

    For example:
      headgate queue tag nightly
      headgate queue tag nightly team=search cost-center=4711
      headgate queue tag nightly team-
    """
    queues = session.client.queues
    added, removed = _read(changes or [])
    if changes:
        queue = await queues.tag(name, added, remove=removed, dry_run=writing.is_rehearsal)
        writing.report(manifest_of(queue), "tagged" if added else "untagged")
    elif writing.output is not None:
        writing.show([manifest_of(await queues.get(name))])
    else:
        for key, value in sorted((await queues.tags(name)).items()):
            typer.echo(visible(f"{key}={value}"))


def _read(changes: list[str]) -> tuple[dict[str, str], list[str]]:
    added: dict[str, str] = {}
    removed: list[str] = []
    for text in changes:
        key, equals, value = text.partition("=")
        if key and equals:
            added[key] = value
        elif text.endswith("-") and len(text) > 1:
            removed.append(text[:-1])
        else:
            raise typer.BadParameter(f"must be KEY=VALUE to set a tag or KEY- to remove it, not {text!r}")
    if both := sorted(added.keys() & set(removed)):
        raise typer.BadParameter(f"{both[0]} is to be set and to be removed: give one of them")
    return added, removed
