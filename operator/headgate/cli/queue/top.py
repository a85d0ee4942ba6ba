"""The top of a queue's line: what the page about a queue ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.cli.output.holds import about, hold_lines
from headgate.cli.output.page import Page
from headgate.cli.output.table import Column, Table
from headgate.client import ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from headgate.api.jobqueue import JobQueue
    from headgate.client import AsyncClient, Place, QueueLine

TITLE: Final = "Top Of The Line"
PLACES: Final[tuple[Column[Place], ...]] = (
    Column("NAMESPACE", lambda place: place.namespace),
    Column("NAME", lambda place: place.name),
    Column("GOES", lambda place: about(place.seconds)),
    Column("HELD BY", lambda place: ",".join(hold.reason for hold in place.holds)),
)


async def top_of_line(client: AsyncClient, queue: JobQueue) -> str:
    """Return who goes next in a queue, and what holds the first of them, as lines of its page."""
    if queue.status.jobs is not None and not queue.status.jobs.waiting:
        return lines(None)
    try:
        return lines(await client.queues.line(queue.name))
    except NotFoundError:
        return lines(None)
    except ForbiddenError as error:
        text = Page()
        text.add(TITLE, f"unknown: you may not {error.right} in the whole cluster")
        return text.render()


def lines(told: QueueLine | None) -> str:
    """Return the lines for the top of a line; None: nobody waits."""
    text = Page()
    places = told.places if told is not None else ()
    below = Table(PLACES).lines(places)
    if told is not None and (more := told.waiting - len(places)):
        below.append(f"and {more} more")
    text.block(TITLE, below)
    if places and places[0].holds:
        text.block("The First Is Held By", hold_lines(places[0].holds))
    return text.render()
