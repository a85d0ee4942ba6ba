"""Runs the operator under cProfile: `python -m bench.profiler OUT.pstats <flags of headgate-operator>`.

cProfile makes Python calls dearer than they are and leaves C alone: read it for what is called how often, and in what
proportion, not for seconds. `python -m bench.profiler --show OUT.pstats` prints a profile.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
from pathlib import Path
from typing import TextIO

import bench  # noqa: F401  (the path)
from headgate.__main__ import app


def run(output: Path, arguments: list[str]) -> None:
    """Run the operator until it is told to stop, and write the profile."""
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        app(arguments, standalone_mode=False)
    finally:
        profiler.disable()
        profiler.dump_stats(output)


def show(profile: Path, stream: TextIO = sys.stdout, *, lines: int = 45) -> None:
    """Print where the time went, by the function's own time."""
    stats = pstats.Stats(str(profile), stream=stream)
    stats.strip_dirs().sort_stats("tottime").print_stats(lines)


if __name__ == "__main__":
    if sys.argv[1] == "--show":
        show(Path(sys.argv[2]))
    else:
        run(Path(sys.argv[1]), sys.argv[2:])
