"""A file in the user's editor."""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headgate.cli.errors import Problem

VARIABLES: Final = ("KUBE_EDITOR", "EDITOR", "VISUAL")
FALLBACK: Final = "vi"


def edit(file: Path) -> None:
    """Open a file and return when the editor has ended; raises `Problem` where it failed."""
    editor = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), FALLBACK)
    with _interrupted_by_nothing():
        # By a shell, because an editor may come with arguments: EDITOR="code --wait".
        code = subprocess.run(f"{editor} {shlex.quote(str(file))}", shell=True, check=False).returncode
    if code:
        raise Problem(f"the editor {editor!r} ended with code {code}")


@contextlib.contextmanager
def _interrupted_by_nothing() -> Iterator[None]:
    """Leave Ctrl-C to the editor. A handler, and not SIG_IGN, which the editor would inherit."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
