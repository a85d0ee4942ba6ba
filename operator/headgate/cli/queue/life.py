"""`headgate queue drain`, `activate`, `archive` and `terminate`: the states of a queue's life."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from headgate.api.jobqueue import JobQueue
from headgate.api.jobqueue_status import State
from headgate.cli.confirm import confirm
from headgate.cli.options import Writing, Yes
from headgate.cli.output.documents import manifest_of
from headgate.cli.queue.names import QueueNames
from headgate.cli.queue.words import live
from headgate.cli.verb import Session, verb


@dataclass(frozen=True)
class Waiting:
    """Whether to wait until a queue has got there."""

    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is there.")] = False
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", show_default=False, help="Wait so long at most; it is an error then."
        ),
    ] = None


@verb()
async def drain_queue(session: Session, names: QueueNames, *, waiting: Waiting, writing: Writing) -> None:
    """Let a queue refuse new Jobs and finish those it has.

    What waits still runs, in its turn. `headgate queue activate` calls it off, also afterwards.

    For example:
      headgate queue drain nightly --wait --timeout 600
    """
    await _become(session, names, session.client.queues.drain, "draining", "Drained", waiting, writing)


@verb()
async def activate_queue(session: Session, names: QueueNames, *, waiting: Waiting, writing: Writing) -> None:
    """Make a queue that drains, or is drained, active again."""
    await _become(session, names, session.client.queues.activate, "activated", "Active", waiting, writing)


@verb()
async def archive_queue(session: Session, names: QueueNames, *, waiting: Waiting, writing: Writing) -> None:
    """Drain a queue for good, and leave it out of lists.

    Its counts stay. The only way on is to terminate it.
    """
    await _become(session, names, session.client.queues.archive, "sealing", "Sealed", waiting, writing)


@verb()
async def terminate_queue(
    session: Session, names: QueueNames, *, yes: Yes = False, waiting: Waiting, writing: Writing
) -> None:
    """Cancel all Jobs of a queue, and end it.

    Those that wait and those that run; it refuses new ones for good. It asks before, unless --yes is given.
    """
    if not writing.is_rehearsal:
        queues = await session.each(names, session.client.queues.get)
        names = [queue.name for queue in queues]
        doomed = ", ".join(f"{queue.name} ({live(queue)} live Jobs)" for queue in queues)
        if names:
            confirm(f"Cancel all Jobs and end, for good: {doomed}?", yes=yes)
    await _become(
        session, names, session.client.queues.terminate, "terminating", "Terminated", waiting, writing
    )


async def _become(
    session: Session,
    names: list[str],
    change: Callable[..., Awaitable[JobQueue]],
    doing: str,
    there: State,
    waiting: Waiting,
    writing: Writing,
) -> None:
    async def begin(name: str) -> str:
        queue = await change(name, dry_run=writing.is_rehearsal)
        left = live(queue)
        writing.say(manifest_of(queue), doing, f", {left} Jobs live" if left else "")
        return name

    async def end(name: str) -> None:
        queue = await session.client.queues.wait(name, there, timeout=waiting.timeout)
        writing.say(manifest_of(queue), there.lower())

    changed = await session.each(names, begin)
    if waiting.wait and not writing.is_rehearsal:
        await session.each(changed, end)
