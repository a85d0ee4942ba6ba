"""Lengths of time as kubectl takes them, and times since when."""

from __future__ import annotations

import re
import time
from typing import Final

import typer

from headgate.api.times import seconds

UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART: Final = re.compile(rf"(\d+(?:\.\d+)?)({'|'.join(UNITS)})")
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")


def read_duration(text: str) -> float:
    """Return a length of time in seconds: ``90``, ``10m``, ``1h30m``; raises `typer.BadParameter`."""
    length = _length(text)
    if length is None and _NUMBER.fullmatch(text):
        length = float(text)
    if length is None:
        raise typer.BadParameter(f"must be such as 90s, 10m or 1h30m, or a number of seconds, not {text!r}")
    return length


def read_seconds(text: str) -> int:
    """Return a length of time in whole seconds; raises `typer.BadParameter`."""
    length = read_duration(text)
    if length != int(length):
        raise typer.BadParameter(f"must be whole seconds, not {text!r}")
    return int(length)


def read_since(text: str) -> float:
    """Return a time, in seconds since the epoch: ``90m`` ago, or ``2026-03-01T12:00:00Z``."""
    length = _length(text)
    if length is not None:
        return time.time() - length
    then = seconds(text)
    if then is None:
        raise typer.BadParameter(
            f"must be such as 90m, 1h30m or 7d, or a time such as 2026-03-01T12:00:00Z, not {text!r}"
        )
    return then


def _length(text: str) -> float | None:
    if not _WHOLE.fullmatch(text):
        return None
    return float(sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text)))
