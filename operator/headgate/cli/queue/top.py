"""The top of a queue's line: what the page about a queue ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.cli.output.holds import about, hold_lines
from headgate.cli.output.page import Page
from headgate.cli.output.table import Column, Table
from headgate.client import ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.api.jobqueue import JobQueue
    from headgate.client import AsyncClient, Place, QueueLine

TITLE: Final = "Top Of The Line"
PLACES: Final[tuple[Column[Place], ...]] = (
    Column("NAMESPACE", lambda place: place.namespace),
    Column("NAME", lambda place: place.name),
    Column("GOES", lambda place: about(place.seconds)),
    Column("HELD BY", lambda place: ",".join(hold.reason for hold in place.holds)),
)


class TopOfLine:
    """Who goes next in queues; asked for once for all of them, when the first one is to be told."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._lines: dict[str, QueueLine] | None = None

    async def of(self, queue: JobQueue, shown: Sequence[JobQueue]) -> str:
        """Return who goes next in one of the queues that are shown, and what holds the first, as lines of its page."""
        if not _may_wait(queue):
            return lines(None)
        try:
            if self._lines is None:
                self._lines = await self._client.queues.lines(one.name for one in shown if _may_wait(one))
        except NotFoundError:
            return lines(None)
        except ForbiddenError as error:
            text = Page()
            text.add(TITLE, f"unknown: you may not {error.right} in the whole cluster")
            return text.render()
        return lines(self._lines.get(queue.name))


def _may_wait(queue: JobQueue) -> bool:
    """Whether a Job may wait in a queue, as far as its status says so."""
    return queue.status.jobs is None or bool(queue.status.jobs.waiting)


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
