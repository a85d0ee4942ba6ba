"""The demo tells its whole story, and what it tells is true."""

from __future__ import annotations

import dataclasses
import io
import re
from typing import TYPE_CHECKING

import pytest
from hack.demo.__main__ import play
from hack.demo.story import SMALL, STEPS, Story, Told
from hack.demo.world import World
from rich.console import Console

from tests.cluster.harness.client import JOBS, QUEUES, Client, User, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controlplane import ClusterAccess
    from tests.cluster.harness.operator import OperatorProcess


@pytest.fixture
def story(control_plane: ClusterAccess, operator: OperatorProcess, given: User) -> Iterator[Story]:
    prefix = f"{given.namespace}-"
    world = World.connect(
        control_plane.server,
        control_plane.ca_file,
        control_plane.tokens["admin"],
        namespace=given.namespace,
        names=(f"{prefix}urgent", f"{prefix}nightly"),
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
    assert not [q for q in admin.items(QUEUES) if q["metadata"]["name"].startswith(given.namespace)]


def test_a_status_that_differs_from_the_recount_is_a_failure() -> None:
    told = Told(finished=True, checks=[(True, "well")], recount=[("urgent", "total", 3, 3)])
    assert told.right
    assert not dataclasses.replace(told, recount=[("urgent", "total", 3, 4)]).right
    assert not dataclasses.replace(told, checks=[(False, "not well")]).right
    assert not dataclasses.replace(told, finished=False).right
