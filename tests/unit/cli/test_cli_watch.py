"""The live view: what it estimates, and that it fits."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from headgate.api.jobqueue import JobQueue
from headgate.cli.queue.live import Watched, render
from headgate.cli.queue.pace import Pace
from headgate.cli.queue.watch import Drawn, Printed, screen_for
from headgate.client import Outage


def queue(name: str = "nightly", *, total: int = 0, ended: int = 0, **spec: Any) -> JobQueue:
    active = min(total - ended, 4)
    return JobQueue.parse(
        {
            "metadata": {"name": name},
            "spec": {"runConcurrency": 10, "actionConcurrency": 4, **spec},
            "status": {
                "state": "Active",
                "jobs": {
                    "total": total,
                    "waiting": total - ended - active,
                    "active": active,
                    "succeeded": ended,
                },
                "actions": {"active": active},
                "depth": {"current": total - ended},
            },
        }
    )


def test_the_pace_of_a_queue() -> None:
    pace = Pace()
    pace.observe(100.0, queue(total=50))
    assert pace.ending(101.0) is None  # too soon to tell
    pace.observe(110.0, queue(total=60, ended=20))

    assert pace.ending(110.0) == 2.0
    assert pace.coming(110.0) == 1.0
    assert pace.empty_in(110.0, 40) == 40.0
    assert pace.empty_in(110.0, 0) == 0.0


def test_a_queue_that_grows_is_not_empty_some_day() -> None:
    pace = Pace()
    pace.observe(0.0, queue(total=50))
    pace.observe(10.0, queue(total=90, ended=20))

    assert pace.empty_in(10.0, 70) is None


def test_the_pace_is_that_of_the_last_minute() -> None:
    pace = Pace()
    pace.observe(0.0, queue(total=1000))
    pace.observe(10.0, queue(total=1000, ended=600))
    assert pace.ending(10.0) == 60.0
    pace.observe(40.0, queue(total=1000, ended=630))

    assert pace.ending(90.0) == pytest.approx(30 / 60)
    assert pace.ending(200.0) == 0.0


def drawn(watched: list[Watched], width: int, height: int, **console: Any) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=width, height=height, **console).print(render(watched, width, height), end="")
    return output.getvalue().split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 23), (140, 39), (60, 8)])
@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_the_picture_fits(width: int, height: int, count: int) -> None:
    watched = [Watched(queue(f"queue-with-a-long-name-{number}", total=number)) for number in range(count)]

    lines = drawn(watched, width, height)

    assert len(lines) <= height + 1
    assert max(map(len, lines)) <= width


def test_one_queue_is_shown_whole() -> None:
    shown = Watched(queue(total=25, ended=5, depth=40))

    assert [line.rstrip() for line in drawn([shown], 60, 20, force_terminal=False)][:5] == [
        "nightly  Active  pool default, priority medium",
        f"  runs    {'':26} 0 of 10",
        f"  actions {'━' * 26} 4 of 4",
        f"  depth   {'━' * 13}{'':13} 20 of 40",
        "  16 waiting",
    ]


def test_of_too_many_the_busiest_are_shown() -> None:
    watched = [Watched(queue(f"q{number}", total=number)) for number in range(30)]

    lines = drawn(watched, 80, 10)

    assert [line.split()[0] for line in lines[1:9]] == [f"q{number}" for number in range(29, 21, -1)]
    assert "and 22 more" in lines[9]


def test_lines_where_nothing_can_be_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Printed()
    with screen:
        screen.show([Watched(queue(total=5))])
        screen.show([Watched(queue(total=5))])
        screen.show([Watched(queue(total=5)), Watched(queue("other"))])
        screen.show([Watched(queue(total=7, ended=1)), Watched(queue("other"))])

    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["TIME", "NAME", "STATE", "RUNS", "ACTIONS", "DEPTH", "ENDING", "EMPTY-IN"]
    assert [line.split()[1] for line in lines] == ["nightly", "other", "nightly"]
    assert "\x1b" not in header


def test_a_picture_of_the_past_says_so() -> None:
    output = io.StringIO()
    picture = render([Watched(queue(total=5))], 60, 12, Outage(0.0, "Cannot connect to host"))
    Console(file=output, width=60, height=12).print(picture, end="")

    lines = output.getvalue().split("\n")
    assert re.match(r"connection lost, this is as of \d\d:\d\d:\d\d: Cannot connect", lines[0])
    assert max(map(len, lines)) <= 60
    assert len(lines) <= 13


def test_lines_are_told_to_be_of_the_past_once(capsys: pytest.CaptureFixture[str]) -> None:
    screen, outage = Printed(), Outage(0.0, "refused")
    for told in (None, outage, outage._replace(reason="refused again"), None, None):
        screen.show([Watched(queue(total=5))], told)

    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    lost, again = err.splitlines()
    assert re.fullmatch(r"connection lost, this is as of \d\d:\d\d:\d\d: refused", lost)
    assert again == "connected again"


@pytest.mark.parametrize(
    ("terminal", "kind", "screen"),
    [(True, "xterm", Drawn), (True, "dumb", Printed), (False, "xterm", Printed)],
)
def test_which_screen(terminal: bool, kind: str, screen: type) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, _environ={"TERM": kind})

    assert isinstance(screen_for(console), screen)
