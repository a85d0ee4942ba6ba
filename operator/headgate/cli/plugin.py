"""Completion behind ``kubectl headgate``: what `kubectl_complete-headgate` answers.

kubectl calls the program of this name with the words so far, the last of them unfinished or empty. It wants a line for
each word that may stand there, a tab before its description, and a last line with a number that says what the shell is
to do besides.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from typing import TYPE_CHECKING, Final

from headgate.cli.app import app
from headgate.cli.completion import VARIABLE, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFER_FILES: Final = ":0"
OFFER_NO_FILES: Final = ":4"


def complete() -> None:
    """Entry point of `kubectl_complete-headgate`."""
    *words, unfinished = sys.argv[1:] or [""]
    for line in _candidates(words, unfinished):
        print(line)
    print(OFFER_FILES if _is_file(words) else OFFER_NO_FILES)


def _is_file(words: Sequence[str]) -> bool:
    """Whether what comes next is the name of a file."""
    last = words[-1] if words else ""
    return last in {"--file", "--kubeconfig"} or (last == "-f" and "submit" in words)


def _candidates(words: Sequence[str], unfinished: str) -> list[str]:
    """Return words with their descriptions, as fish gets them: no other shell is given descriptions plainly."""
    line = f"{shlex.join(['headgate', *words])} {shlex.quote(unfinished) if unfinished else ''}"
    os.environ |= {
        VARIABLE: "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": line,
    }
    prepare()
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        app(prog_name="headgate")
    return [line for line in said.getvalue().splitlines() if line]
