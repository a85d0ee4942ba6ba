"""How a person sees the story: a table that redraws itself in a terminal, plain lines anywhere else."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from hack.demo.story import CORES, STEPS, WEIGHTS, cores_said, decided
from hack.demo.world import COUNTED, Work
from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from hack.demo.story import Story
    from rich.console import RenderableType

COLOURS: Final = {"high-priority": "magenta", "low-priority": "cyan", "science": "cyan", "reports": "yellow"}
BLOCKS: Final = {"high-priority": "█", "science": "▒", "reports": "░"}
WIDEST: Final = 110
LINE_SECONDS: Final = 1.0
HEADER: Final = """\
       high-priority             low-priority              cores in use
    s  waiting active succeeded  waiting active succeeded  c4-on-demand m4-spot"""


class Screen(Protocol):
    """Shows a story while it goes on."""

    def update(self) -> None:
        """Show how things are now."""

    def close(self) -> None:
        """Show the end of it."""


def screen_for(console: Console, story: Story) -> Screen:
    """Return a table for a terminal that can redraw, lines for everything else."""
    if console.is_terminal and not console.is_dumb_terminal:
        return Redrawn(console, story)
    return Lines(console, story)


class Lines:
    """A line a second at most, and nothing is ever redrawn."""

    def __init__(self, console: Console, story: Story) -> None:
        self._console = console
        self._story = story
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._step = 0
        self._answers = 0
        self._header = True
        self._last = ""
        self._next = 0.0

    def update(self) -> None:
        """Print what is new; two threads may have seen something."""
        with self._lock:
            self._print_news()

    def _print_news(self) -> None:
        told = self._story.told
        if told.step != self._step:
            self._step = told.step
            self._say(f"\n{told.step}/{len(STEPS)} {told.headline}")
            self._say(f"    {told.detail}")
            self._header = True
        for good, said in told.answers[self._answers :]:
            self._say(f"    ▸ {told.attempt}")
            self._say(f"    {'accepted' if good else 'refused'}: {said}")
        self._answers = len(told.answers)
        now = time.monotonic()
        if now < self._next or not self._story.world.look.queues or told.finished:
            return
        line = self._numbers()
        if line != self._last:
            self._last, self._next = line, now + LINE_SECONDS
            if self._header:
                self._header = False
                self._say(f"\n{HEADER}")
            self._say(f"{now - self._began:5.0f}  {line}")

    def close(self) -> None:
        """Print the recount."""
        told = self._story.told
        for queue in self._story.queues if told.finished else ():
            rows = [row for row in told.recount if row[0] == queue]
            name = self._story.short(queue)
            said = ", ".join(f"{what} {number}" for _, what, number, _ in rows if number)
            counted = ", ".join(f"{what} {number}" for _, what, _, number in rows if number)
            self._say(f"    {name:<14} status  {said}")
            self._say(f"    {'':<14} recount {counted}  {'equal' if said == counted else 'DIFFERENT'}")
        for good, what in told.checks:
            self._say(f"    {'ok  ' if good else 'NOT '} {what}")

    def _numbers(self) -> str:
        look = self._story.world.look
        parts = []
        for queue in self._story.queues:
            jobs = look.status(queue).get("jobs") or {}
            parts.append(
                f"{jobs.get('waiting', 0):>7} {jobs.get('active', 0):>6} {jobs.get('succeeded', 0):>9}"
            )
        cores = ["{}/{}".format(*cores_said(look, name)) for name in self._story.environments]
        return f"{parts[0]}  {parts[1]}  {cores[0]:>12} {cores[1]:>7}"

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Redrawn:
    """A table that redraws itself."""

    def __init__(self, console: Console, story: Story) -> None:
        self._story = story
        self._console = console
        self._began = time.monotonic()
        self._live = Live(
            console=console, auto_refresh=False, get_renderable=self._render, vertical_overflow="crop"
        )
        self._live.start()

    def update(self) -> None:
        """Draw it again."""
        self._live.refresh()

    def close(self) -> None:
        """Leave the last picture where it is."""
        self._live.refresh()
        self._live.stop()

    def _render(self) -> RenderableType:
        width = min(self._console.width, WIDEST)
        told = self._story.told
        parts: list[RenderableType] = [self._title(width), self._steps(), Text()]
        parts += [Text(told.headline, style="bold"), Text(told.detail, style="dim"), Text()]
        if told.finished:
            parts += [self._recount(), Text(), *(self._check(*check) for check in told.checks)]
        else:
            parts += [self._queues(width), Text(), *self._environments(), *self._strips(width), Text()]
            parts += self._answers()
        return Padding(Group(*parts), (0, 0, 0, 1))

    def _title(self, width: int) -> RenderableType:
        grid = Table.grid(expand=False, padding=0)
        grid.width = width - 2
        grid.add_column(no_wrap=True, ratio=1)
        grid.add_column(justify="right")
        title = Text("Headgate", style="bold")
        version = self._story.world.version
        title.append(f"  real Jobs on a real kube-apiserver {version}, simulated nodes", style="dim not bold")
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        grid.add_row(title, Text(f"{minutes}:{seconds:02}", style="dim"))
        return grid

    def _steps(self) -> Text:
        line = Text(no_wrap=True)
        told = self._story.told
        for number, name in enumerate(STEPS, 1):
            if number < told.step or told.finished:
                line.append(f"✔ {name}", style="green")
            else:
                line.append(f"{number} {name}", style="bold reverse" if number == told.step else "dim")
            line.append("  " if number < len(STEPS) else "")
        return line

    def _queues(self, width: int) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("queue, priority", min_width=18)
        table.add_column("state", min_width=8)
        for name in ("waiting", "active", "succeeded"):
            table.add_column(name, justify="right")
        table.add_column("limits", no_wrap=True)
        bar = max(4, min(30, width - 76))
        look = self._story.world.look
        for queue in self._story.queues:
            name, status, spec = self._story.short(queue), look.status(queue), look.spec(queue)
            jobs = status.get("jobs") or {}
            shares = shares_of(status) if "schedulingPolicy" in spec else {}
            label = Text(f"{BLOCKS.get(name, ' ')} {name}", style=f"bold {COLOURS[name]}")
            label.append(f", {spec.get('priority', '')}", style="not bold dim")
            state = Text(
                status.get("state", "…"), style="" if status.get("state") == "Active" else "bold yellow"
            )
            numbers = [Text(str(jobs.get(what, 0))) for what in ("waiting", "active", "succeeded")]
            for share, counts in shares.items():
                label.append(f"\n{BLOCKS[share]} {share}", style=f"not bold {COLOURS[share]}")
                label.append(f", weight {WEIGHTS[share]:g}", style="not bold dim")
                for text, number in zip(numbers, counts, strict=False):
                    text.append(f"\n{number}", style=COLOURS[share])
            limits = Text("\n").join(
                limit_bar(what, status.get(field) or {}, key, bar, COLOURS[name])
                for what, field, key in (("Jobs", "actions", "active"), ("depth", "depth", "current"))
            )
            state.append("".join(f"\n{reason}" for reason in standing(status)), style="yellow")
            table.add_row(label, state, *numbers, limits)
        return table

    def _environments(self) -> list[Text]:
        story = self._story
        lines = [Text(f"environment  each block is a Job of {CORES} cores", style="dim")]
        look = story.world.look
        places = (story.sizes.on_demand_places, story.sizes.spot_places)
        for name, count in zip(story.environments, places, strict=True):
            inside = [story.kind(work) for work in look.inside(name)]
            line = Text(f"{story.short(name):<13}", no_wrap=True)
            for kind, block in BLOCKS.items():
                line.append(block * inside.count(kind), style=COLOURS[kind])
            line.append(
                "·" * (count - len(inside)) + " " * (max(places) - max(count, len(inside))), style="dim"
            )
            line.append("  {}/{} cores in use".format(*cores_said(look, name)), style="dim")
            lines.append(line)
        return lines

    def _strips(self, width: int) -> list[Text]:
        works = self._story.world.look.works
        came = sorted(works, key=lambda work: (work.created, work.uid))
        sizes = self._story.sizes
        total = max(sizes.low + sizes.high + sizes.again, 1)
        cells = min(width - 15, total)
        return [
            self._strip("arrived", came, cells, total),
            self._strip("admitted", decided(works), cells, total),
        ]

    def _strip(self, label: str, works: list[Work], cells: int, total: int) -> Text:
        """Draw Jobs in order, several to a cell: what a cell leaves out, the next ones make up for."""
        line = Text(f"{label:<13}", style="dim", no_wrap=True)
        owed = dict.fromkeys(BLOCKS, 0.0)
        for cell in range(-(-len(works) * cells // total)):
            part = works[cell * total // cells : (cell + 1) * total // cells]
            kinds = [self._story.kind(work) for work in part]
            for kind in kinds:
                owed[kind] += cells / total
            kind = max(kinds, key=lambda one: owed[one])
            owed[kind] -= 1
            line.append(BLOCKS[kind], style=f"not dim {COLOURS[kind]}")
        return line

    def _answers(self) -> list[Text]:
        told = self._story.told
        lines = []
        for number, (good, said) in enumerate(told.answers, 1):
            past = number < len(told.answers)
            lines.append(Text(f"▸ {told.attempt}", style="bold"))
            text = Text(f"refused: {said.rsplit('denied request: ', 1)[-1]}" if past else said)
            text.stylize(("green" if good else "red") + (" dim" if past else ""))
            text.no_wrap, text.overflow = past, "ellipsis" if past else "fold"
            lines.append(text)
        return lines

    def _recount(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("status")
        for what in COUNTED:
            table.add_column(what, justify="right")
        for queue in self._story.queues:
            rows = [row for row in self._story.told.recount if row[0] == queue]
            name = self._story.short(queue)
            table.add_row(Text(name, style=COLOURS[name]), *(str(row[2]) for row in rows))
            table.add_row(Text("  recount", style="dim"), *(cell(*row[2:]) for row in rows))
        return table

    def _check(self, good: bool, what: str) -> Text:
        line = Text("✔ " if good else "✘ ", style="bold green" if good else "bold red")
        return line.append(what, style="not bold default" if good else "bold red")


def standing(status: dict[str, Any]) -> list[str]:
    """Return why a queue lets nothing through, in the words of its condition, where it says more than the state."""
    return [
        condition["reason"]
        for condition in status.get("conditions") or ()
        if condition["type"] == "Dispatching"
        and condition["status"] == "False"
        and condition["reason"] != status.get("state")
    ]


def shares_of(status: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return how many Jobs of each share wait and are active, says the status of a queue."""
    known = {share["identifier"]: share for share in status.get("shares") or ()}
    counts = {name: known.get(name, {}) for name in WEIGHTS}
    return {name: (share.get("waiting", 0), share.get("active", 0)) for name, share in counts.items()}


def limit_bar(what: str, usage: dict[str, int], key: str, width: int, colour: str) -> Text:
    """Return a bar of how much of a limit is used."""
    used, limit = usage.get(key, 0), usage.get("limit", 0)
    line = Text(f"{what:<6}", style="dim")
    if not usage:
        return line
    if not limit:
        return line.append(f"{'no limit':<{width}} {used}", style="dim")
    filled = min(width, -(-used * width // limit))
    line.append("━" * filled, style=f"not dim {colour}")
    line.append("─" * (width - filled), style="dim")
    return line.append(f" {used}/{limit}", style="not dim default")


def cell(said: int, counted: int) -> Text:
    """Return a recounted number with its mark."""
    same = said == counted
    return Text(f"{counted} {'✔' if same else '✘'}", style="green" if same else "bold red")
