"""`headgate queue tag`."""

from typing import Annotated

import typer

from headgate.cli.options import Writing
from headgate.cli.output.documents import manifest_of
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
    if not changes:
        for key, value in sorted((await queues.tags(name)).items()):
            typer.echo(f"{key}={value}")
        return
    if removed:
        await queues.remove_tags(name, removed, dry_run=writing.is_rehearsal)
    if added:
        await queues.add_tags(name, added, dry_run=writing.is_rehearsal)
    writing.say(manifest_of(await queues.get(name)), "tagged" if added else "untagged")


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
    return added, removed
