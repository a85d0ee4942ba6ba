"""`make up` and `make down` in a folder of one's own, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(*command: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command at the root of the repository, as its Makefile does."""
    path = os.pathsep.join([str(ROOT / "hack" / "controlplane"), str(ROOT)])
    return subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def local(verb: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `up` or `down` with its state in that folder."""
    return run(sys.executable, "-m", "hack.local", verb, f"--dir={folder}", *options)


def processes_with(words: str | Path) -> dict[int, str]:
    """Return the command lines that have these words in them, by process."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(words) in line:
            found[int(entry.parent.name)] = line
    return found
