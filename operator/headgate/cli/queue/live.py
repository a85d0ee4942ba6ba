"""The live view of queues: bars for runs, actions and depth, and how fast they go."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from headgate.cli.output.ages import duration
from headgate.cli.output.outage import in_words
from headgate.cli.output.table import Column
from headgate.cli.queue import words
from headgate.cli.queue.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from headgate.api.jobqueue import JobQueue
    from headgate.client import Outage

BLOCK: Final = 6
"""The lines of a queue that is shown whole."""
WIDEST: Final = 60
UNKNOWN: Final = "-"
USED: Final = "cyan"


@dataclass
class Watched:
    """A queue that is looked at."""

    queue: JobQueue
    pace: Pace = field(default_factory=Pace)

    def see(self, queue: JobQueue) -> None:
        """Take note of the queue as it is now."""
        self.queue = queue
        self.pace.observe(time.monotonic(), queue)

    def state(self) -> tuple[object, ...]:
        """Return what makes a line worth printing when it changes."""
        return (words.state(self.queue), words.waiting(self.queue), *self.bars())

    def bars(self) -> tuple[tuple[str, int, int], ...]:
        """Return what is limited: its name, how much of it there is, and the limit."""
        spec, status = self.queue.spec, self.queue.status
        return (
            ("runs", status.runs.active if status.runs else 0, spec.run_concurrency),
            ("actions", status.actions.active if status.actions else 0, spec.action_concurrency),
            ("depth", words.live(self.queue), spec.depth),
        )

    def rate(self) -> str:
        """Return how many Jobs end in a minute."""
        rate = self.pace.ending(time.monotonic())
        return UNKNOWN if rate is None else f"{60 * rate:.3g}/min"

    def empty(self) -> str:
        """Return when the queue would be empty: an estimate, and marked as one."""
        live = words.live(self.queue)
        if not live:
            return "now"
        left = self.pace.empty_in(time.monotonic(), live)
        return UNKNOWN if left is None else f"~{duration(left)}"

    def outlook(self) -> str:
        """Say in a sentence how it goes on."""
        waiting = words.waiting(self.queue)
        if not words.live(self.queue):
            return "empty"
        parts = [f"{waiting} waiting"]
        if (rate := self.rate()) != UNKNOWN:
            parts.append(f"{rate} ending")
        if (left := self.empty()) != UNKNOWN:
            parts.append(f"empty in about {left.removeprefix('~')} (estimate)")
        return ", ".join(parts)


LINES: Final[tuple[Column[Watched], ...]] = (
    Column("TIME", lambda _: time.strftime("%H:%M:%S")),
    Column("NAME", lambda watched: watched.queue.name),
    Column("STATE", lambda watched: words.state(watched.queue)),
    Column("RUNS", lambda watched: words.runs(watched.queue)),
    Column("ACTIONS", lambda watched: words.actions(watched.queue)),
    Column("DEPTH", lambda watched: words.depth(watched.queue)),
    Column("ENDING", lambda watched: watched.rate()),
    Column("EMPTY-IN", lambda watched: watched.empty()),
)
"""A line for each change, where nothing can be drawn again."""


def render(
    watched: Sequence[Watched], width: int, height: int, outage: Outage | None = None
) -> RenderableType:
    """Return the picture: each queue whole if there is room for all of them, or else a line for each.

    In an outage it says on top that it is as of then.
    """
    if outage is not None:
        told = Text(in_words(outage), style="bold red", no_wrap=True, overflow="ellipsis")
        return Group(told, render(watched, width, height - 1))
    if not watched:
        return Text("No resources found", style="dim")
    if len(watched) * BLOCK <= height:
        return Group(*(part for each in watched for part in _block(each, width)))
    shown = height - 2
    # What is busiest is worth the room most.
    busiest = sorted(watched, key=lambda each: (-words.live(each.queue), each.queue.name))[:shown]
    left_out = len(watched) - len(busiest)
    rest = [Text(f"and {left_out} more with fewer live Jobs", style="dim")] if left_out else []
    return Group(_table(busiest, width), *rest)


def _block(watched: Watched, width: int) -> list[RenderableType]:
    queue = watched.queue
    title = Text(queue.name, style="bold", no_wrap=True, overflow="ellipsis")
    title.append("  ").append(words.state(queue), style=_colour(queue))
    title.append(f"  pool {queue.spec.pool}, priority {queue.spec.priority}", style="not bold dim")
    bars = Table.grid(padding=(0, 1))
    for name, used, limit in watched.bars():
        style = _heat(used, limit) if name == "depth" else USED
        said = f"{used} of {limit}" if limit else f"{used}, no limit"
        bars.add_row(f"  {name:<7}", _bar(used, limit, min(WIDEST, width - 34), style), Text(said))
    return [title, bars, Text(f"  {watched.outlook()}", no_wrap=True, overflow="ellipsis"), Text()]


def _table(several: Sequence[Watched], width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", width=width)
    table.add_column("NAME", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("STATE", no_wrap=True, overflow="ellipsis", ratio=2)
    for name in ("RUNS", "ACTIONS", "DEPTH"):
        table.add_column(name, no_wrap=True)
    table.add_column("ENDING", no_wrap=True)
    table.add_column("EMPTY IN", no_wrap=True)
    wide = max(3, min(20, (width - 78) // 3))
    for each in several:
        cells = []
        for name, used, limit in each.bars():
            style = _heat(used, limit) if name == "depth" else USED
            cell = Table.grid(padding=(0, 1))
            cell.add_row(_bar(used, limit, wide, style), words.usage(used, limit))
            cells.append(cell)
        state = Text(words.state(each.queue), style=_colour(each.queue))
        table.add_row(each.queue.name, state, *cells, each.rate(), each.empty())
    return table


def _bar(used: int, limit: int, width: int, style: str) -> RenderableType:
    if not limit:
        return Text(" " * width)
    return ProgressBar(total=limit, completed=min(used, limit), width=width, complete_style=style)


def _heat(used: int, limit: int) -> str:
    """Return a colour for the depth: a queue that is full refuses Jobs."""
    return "red" if used >= limit else "yellow" if used >= 0.8 * limit else USED


def _colour(queue: JobQueue) -> str:
    if words.stalled(queue):
        return "bold red"
    return "green" if words.state(queue) == "Active" else "yellow"
