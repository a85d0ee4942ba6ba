"""`headgate queue watch`."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from headgate.cli.output.listing import Rows
from headgate.cli.output.outage import Teller
from headgate.cli.queue.live import LINES, Watched, render
from headgate.cli.queue.names import SomeQueueNames
from headgate.cli.verb import Session, verb
from headgate.client import AsyncClient, Outage


@verb()
async def watch_queues(
    session: Session,
    names: SomeQueueNames = None,
) -> None:
    """Watch queues fill and empty, until you press Ctrl-C.

    Bars for runs, actions and depth, how many Jobs end in a minute, and when the queue would be empty at that: an
    estimate from what has been seen since you look on. In a pipe, or on a terminal that cannot be drawn on, it prints
    a line for each change, at most one a second for each queue.

    For example:
      headgate queue watch
      headgate queue watch nightly
    """
    for name in names or ():
        await session.client.queues.get(name)
    await watch(session.client, names or ())


async def watch(
    client: AsyncClient, names: Collection[str], until: Callable[[list[Watched]], bool] | None = None
) -> None:
    """Show queues as they change, all where none is named; until they are gone, or until it is enough."""
    watched: dict[str, Watched] = {}
    following = asyncio.create_task(_follow(client, names, watched))
    screen = screen_for(Console(highlight=False))
    try:
        with screen:
            enough = False
            while not following.done() and not enough:
                await asyncio.wait([following], timeout=screen.period)
                shown = sorted(watched.values(), key=lambda each: each.queue.name)
                screen.show(shown, client.outage)
                enough = until is not None and until(shown)
        if following.done():
            following.result()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _follow(client: AsyncClient, names: Collection[str], watched: dict[str, Watched]) -> None:
    """Keep what is watched as it is; ends when all that was named is gone."""
    left = set(names)
    async for change, queue in client.queues.watch(next(iter(names)) if len(names) == 1 else None):
        if names and queue.name not in names:
            continue
        if change == "DELETED":
            watched.pop(queue.name, None)
            left.discard(queue.name)
            if names and not left:
                return
            continue
        watched.setdefault(queue.name, Watched(queue)).see(queue)


class Screen(Protocol):
    """Shows what is watched. To be entered before, and left after."""

    period: float
    """After how many seconds to show it again."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def show(self, watched: Sequence[Watched], outage: Outage | None = None) -> None:
        """Show how it is now or, in an outage, how it was when that began."""


def screen_for(console: Console) -> Screen:
    """Return a picture for a terminal that can draw again, lines for everything else."""
    if console.is_terminal and not console.is_dumb_terminal:
        return Drawn(console)
    return Printed()


class Drawn:
    """A picture that is drawn again."""

    period = 0.25

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, watched: Sequence[Watched], outage: Outage | None = None) -> None:
        """Draw it."""
        width, height = self._console.size
        self._live.update(render(watched, width, height - 1, outage), refresh=True)


class Printed:
    """Lines, of queues that have changed only."""

    period = 1.0

    def __init__(self) -> None:
        self._rows = Rows(LINES, "table")
        self._teller = Teller()
        self._last: dict[str, tuple[object, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, watched: Sequence[Watched], outage: Outage | None = None) -> None:
        """Print the lines."""
        self._teller.tell(outage)
        changed = [each for each in watched if self._last.get(each.queue.name) != each.state()]
        self._last = {each.queue.name: each.state() for each in watched}
        self._rows.print(changed)
