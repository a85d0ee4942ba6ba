"""Runs `headgate` in a terminal and keeps what a person sees there in the end."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Final

import pexpect
from rich.ansi import AnsiDecoder
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

WIDTH: Final = 90
HEIGHT: Final = 60
SECONDS: Final = 120
ERASE: Final = "\x1b[2K"
"""How a picture that is drawn again begins."""


def record(kubeconfig: Path, *words: str, until: str | None = None) -> Text:
    """Return the command and what it shows: all of it when it has ended, or the first picture with `until` in it.

    Raises `pexpect.ExceptionPexpect` where it does not come to that.
    """
    said = io.StringIO()
    child = pexpect.spawn(
        sys.executable,
        ["-m", "headgate.cli", *words],
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "TERM": "xterm-256color"},
        dimensions=(HEIGHT, WIDTH),
        encoding="utf-8",
        timeout=SECONDS,
    )
    child.logfile_read = said
    with child:
        if until is not None:
            child.expect_exact(until)
            # The picture is whole when the next one begins.
            child.expect_exact(ERASE)
            child.sendintr()
        child.expect(pexpect.EOF)
    shown = said.getvalue()
    if until is not None:
        shown = next(picture for picture in shown.split(ERASE) if until in picture)
    prompt = Text.assemble(("$ ", "bold green"), ("headgate " + " ".join(words), "bold"))
    return Text("\n").join([prompt, *AnsiDecoder().decode(shown.replace("\r\n", "\n").rstrip())])
