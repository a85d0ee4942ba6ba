"""The box that a node lives in."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from hack.node.box import Box

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_box_is_there_once_it_is_made_however_slow_the_machine_is(
    machine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "unshare"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nsleep 1\nexec {shutil.which("unshare")} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    box = Box(tmp_path / "node", "slow")
    try:
        assert box.run("echo", "here") == "here\n"
    finally:
        box.end()
