"""Since when: what `--since` takes."""

import re
import time
from typing import Final

import typer

from headgate.api.times import seconds

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read_since(text: str) -> float:
    """Return a time, in seconds since the epoch: ``90m`` ago, or ``2026-03-01T12:00:00Z``."""
    if ago := re.fullmatch(r"(\d+)([smhd])", text):
        return time.time() - int(ago[1]) * UNITS[ago[2]]
    then = seconds(text)
    if then is None:
        raise typer.BadParameter(
            f"must be such as 90m, 12h, 7d, or a time such as 2026-03-01T12:00:00Z, not {text!r}",
            param_hint="'--since'",
        )
    return then
