"""`headgate queue drain`, `activate`, `archive` and `terminate`: the states of a queue's life."""

from collections.abc import Awaitable, Callable
from typing import Final

from headgate.api.jobqueue import JobQueue
from headgate.api.jobqueue_status import State
from headgate.cli.confirm import confirm
from headgate.cli.options import Waiting, Writing, Yes
from headgate.cli.output.documents import manifest_of
from headgate.cli.output.outage import outages_told
from headgate.cli.queue.names import QueueNames
from headgate.cli.queue.words import live, say_if_stuck
from headgate.cli.verb import Session, verb

FINISH_FIRST: Final = ("Drained", "Sealed")
"""States that a queue reaches when all that it has went its way."""


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
async def archive_queue(
    session: Session, names: QueueNames, *, yes: Yes = False, waiting: Waiting, writing: Writing
) -> None:
    """Drain a queue for good, and leave it out of lists.

    Its counts stay. The only way on is to terminate it. So it asks before, unless --yes is given.
    """
    if not writing.is_rehearsal:
        confirm(f"Drain for good, with no way back: {', '.join(names)}?", yes=yes)
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
        doomed = ", ".join(f"{queue.name} ({live(queue)} live Jobs)" for queue in queues)
        if queues:
            confirm(f"Cancel all Jobs and end, for good: {doomed}?", yes=yes)
        names = [queue.name for queue in queues]
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
    async def begin(name: str) -> JobQueue:
        queue = await change(name, dry_run=writing.is_rehearsal)
        left = live(queue)
        writing.say(manifest_of(queue), doing, f", {left} Jobs live" if left else "")
        if there in FINISH_FIRST:
            say_if_stuck(queue)
        return queue

    async def end(queue: JobQueue) -> JobQueue:
        queue = await session.client.queues.wait(queue.name, there, timeout=waiting.timeout)
        writing.say(manifest_of(queue), there.lower())
        return queue

    changed = await session.each(names, begin)
    if waiting.wait and not writing.is_rehearsal:
        async with outages_told(session.client):
            changed = await session.each(changed, end)
    writing.show([manifest_of(queue) for queue in changed], several=len(names) > 1)
