"""`make up NODE=real`: a node in the background, what runs on it, and that nothing of it stays."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hack.node.box import hierarchies

from tests.cluster.harness.client import PATIENCE, eventually
from tests.cluster.harness.local import local, processes_with, run

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADGATE = (sys.executable, "-m", "headgate.cli")


def devices() -> set[str]:
    """Return the cables between the machine and nodes."""
    return {path.name for path in Path("/sys/class/net").glob("headgate*")}


def cgroups() -> set[Path]:
    """Return the cgroups of nodes' Pods."""
    return {path for hierarchy in hierarchies() for path in hierarchy.glob("headgate-*")}


def mounts_in(folder: Path) -> list[str]:
    return [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line]


@pytest.fixture
def folder(tmp_path: Path, machine: None) -> Iterator[Path]:
    yield tmp_path / "state"
    local("down", tmp_path / "state")


def test_a_node_that_is_killed_leaves_nothing_and_comes_back(folder: Path) -> None:
    others = devices(), cgroups()
    up = local("up", folder, "--node=real")
    assert up.returncode == 0, up.stderr
    kubeconfig = "--kubeconfig=" + shlex.split(up.stdout)[1].removeprefix("KUBECONFIG=")
    say(kubeconfig, "first")
    assert devices() > others[0]
    assert cgroups() > others[1]

    # The one that holds the node, and its two supervisors, which would clean up: nobody is left to do so.
    (keeper,) = processes_with(f"keep-node --dir={folder}")
    for pid in (keeper, *children(keeper)):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: devices() == others[0])
    eventually(lambda: not [line for line in processes_with(folder / "node").values() if "kubelet" in line])
    assert not mounts_in(folder)

    again = local("up", folder, "--node=real")
    assert again.returncode == 0, again.stderr
    assert "real node started" in again.stderr
    say(kubeconfig, "second")

    down = local("down", folder)
    assert down.returncode == 0, down.stderr
    assert not folder.exists()
    eventually(lambda: not processes_with(folder))
    assert (devices(), cgroups()) == others
    assert not mounts_in(folder)


def children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def say(kubeconfig: str, word: str) -> None:
    """Have a container print a word, and read it."""
    submit = run(
        *HEADGATE, "job", "submit", kubeconfig, "--queue=default", "--image=busybox", f"--name={word}",
        "--wait", f"--timeout={PATIENCE:.0f}", "--", "echo", word,
    )  # fmt: skip
    assert submit.returncode == 0, submit.stderr
    assert run(*HEADGATE, "job", "logs", kubeconfig, word).stdout == f"{word}\n"
