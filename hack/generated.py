"""The command line of what writes a generated file, and of what finds that it is out of date."""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def main(
    arguments: Sequence[str] | None,
    *,
    prog: str,
    description: str | None,
    target: Path,
    generate: Callable[[], str],
    name: str,
) -> int:
    """Write what `generate` returns into a file, or compare; return the exit code.

    `name` is what a person calls the file; `make facade` writes it.
    """
    parser = argparse.ArgumentParser(prog=prog, description=description)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write the file")
    what.add_argument("--check", action="store_true", help="fail, with a diff, if the file is out of date")
    options = parser.parse_args(arguments)

    text = generate()
    if options.write:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return 0
    there = target.read_text() if target.exists() else ""
    if there != text:
        sys.stdout.writelines(
            difflib.unified_diff(there.splitlines(True), text.splitlines(True), "in the tree", "now")
        )
        print(f"{name} is out of date: run `make facade`", file=sys.stderr)
        return 1
    return 0
