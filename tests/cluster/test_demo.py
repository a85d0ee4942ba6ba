"""The demo tells its whole story, and what it tells is true."""

from __future__ import annotations

import dataclasses
import io
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hack.demo.__main__ import play
from hack.demo.story import SMALL, STEPS, Story, Told, overtaken
from hack.demo.world import Look, Work, World
from rich.console import Console

from tests.cluster.harness.client import (
    ENVIRONMENTS,
    JOBS,
    POLICIES,
    POOLS,
    QUEUES,
    Client,
    User,
    eventually,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from controlplane import ClusterAccess
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder


class PatientWorld(World):
    """A world in which things may take longer than a person who looks on would put up with."""

    def wait(self, question: Callable[[Look], bool], what: str, seconds: float = 60) -> None:
        super().wait(question, what, 10 * seconds)


@pytest.fixture
def story(
    control_plane: ClusterAccess,
    operator: OperatorProcess,
    recorder: Recorder,
    given: User,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Story]:
    # On a slow machine it may take the operator a while to know of a Job.
    monkeypatch.setattr("hack.demo.story.KNOWN_AFTER", timedelta(seconds=20))
    prefix = f"{given.namespace}-"
    world = PatientWorld.connect(
        control_plane.server,
        control_plane.ca_file,
        control_plane.tokens["admin"],
        namespace=given.namespace,
        pool=f"{prefix}demo",
    )
    told = Story(world, SMALL, prefix)
    yield told
    told.clean_up()


def test_in_a_pipe_it_prints_lines(story: Story) -> None:
    output = io.StringIO()

    assert play(Console(file=output, width=80), story), output.getvalue()

    text = output.getvalue()
    assert "\x1b" not in text
    for number, _ in enumerate(STEPS, 1):
        assert f"{number}/{len(STEPS)} " in text
    assert "it accepts no new Jobs" in text
    assert "accepted: 201 Created" in text
    assert text.count("  equal") == 2
    assert "NOT" not in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40)])
def test_in_a_terminal_it_fits(story: Story, width: int, height: int) -> None:
    output = io.StringIO()
    console = Console(
        file=output, width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False,
        _environ={"TERM": "xterm"},
    )  # fmt: skip

    assert play(console, story), output.getvalue()

    assert "✘" not in output.getvalue()
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue()))
    assert max(map(len, lines)) <= width
    assert "accepts no new" in " ".join(line.strip() for line in lines)


def test_it_leaves_a_cluster_as_it_was(story: Story, admin: Client, given: User) -> None:
    play(Console(file=io.StringIO()), story)

    story.clean_up()

    eventually(lambda: not admin.items(JOBS.replace("/jobs", f"/namespaces/{given.namespace}/jobs")))
    for path in (QUEUES, POOLS, ENVIRONMENTS, POLICIES):
        left = [body["metadata"]["name"] for body in admin.items(path)]
        assert [name for name in left if name.startswith(given.namespace)] == []


def test_who_was_overtaken_is_found() -> None:
    def work(queue: str, created: str, admitted: str) -> Work:
        times = (f"2026-01-01T00:00:{created}Z", f"2026-01-01T00:00:{admitted}Z")
        return Work("uid", queue, "", *times, "m4-spot", 2, "", suspended=False, noticed=True)

    waits = work("high", "10", "20.5")
    assert overtaken([waits, work("low", "00", "11.9")], "high", "low") == []  # may not have been known yet
    assert overtaken([waits, work("low", "00", "20.6")], "high", "low") == []
    late = work("low", "00", "12.1")
    assert overtaken([waits, late], "high", "low") == [late]


def test_a_status_that_differs_from_the_recount_is_a_failure() -> None:
    told = Told(finished=True, checks=[(True, "well")], recount=[("high", "total", 3, 3)])
    assert told.right
    assert not dataclasses.replace(told, recount=[("high", "total", 3, 4)]).right
    assert not dataclasses.replace(told, checks=[(False, "not well")]).right
    assert not dataclasses.replace(told, finished=False).right
