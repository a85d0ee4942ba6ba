"""`headgate queue pause` and `headgate queue resume`."""

from typing import Annotated

import typer

from headgate.cli.options import Writing
from headgate.cli.output.documents import Json, manifest_of
from headgate.cli.queue.names import QueueNames
from headgate.cli.queue.words import waiting
from headgate.cli.verb import Session, verb


@verb()
async def pause_queue(
    session: Session,
    names: QueueNames,
    *,
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for whoever wonders.", show_default=False)
    ] = "",
    writing: Writing,
) -> None:
    """Let a queue accept Jobs but admit none.

    What runs goes on running. Who did it is recorded by the API server. It is an error to pause a queue that is paused.

    For example:
      headgate queue pause nightly --note 'upgrade until 14:00 UTC, ask #platform'
    """

    async def pause(name: str) -> Json:
        queue = await session.client.queues.pause(name, note=note, dry_run=writing.is_rehearsal)
        manifest = manifest_of(queue)
        writing.say(manifest, "paused")
        return manifest

    writing.show(await session.each(names, pause), several=len(names) > 1)


@verb()
async def resume_queue(session: Session, names: QueueNames, *, writing: Writing) -> None:
    """Let a paused queue admit Jobs again.

    It is an error to resume a queue that is not paused.
    """

    async def resume(name: str) -> Json:
        queue = await session.client.queues.resume(name, dry_run=writing.is_rehearsal)
        manifest = manifest_of(queue)
        writing.say(manifest, "resumed", f", {count} Jobs waiting" if (count := waiting(queue)) else "")
        return manifest

    writing.show(await session.each(names, resume), several=len(names) > 1)
