"""Durations as kubectl shows them: two units at most, and one where two would be more than anybody wants to know."""

from __future__ import annotations

import time
from typing import Final

from headgate.api.times import seconds

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
YEAR: Final = 365 * DAY
UNKNOWN: Final = "<unknown>"


def duration(length: float) -> str:
    """Return a length of time, in seconds, as in kubectl's column AGE: ``45s``, ``5m30s``, ``3h20m``, ``12d``."""
    whole = max(0, int(length))
    if whole < 2 * MINUTE:
        return f"{whole}s"
    for unit, name, part, part_name, both_until in (
        (MINUTE, "m", 1, "s", 10 * MINUTE),
        (MINUTE, "m", 0, "", 3 * HOUR),
        (HOUR, "h", MINUTE, "m", 8 * HOUR),
        (HOUR, "h", 0, "", 2 * DAY),
        (DAY, "d", HOUR, "h", 8 * DAY),
        (DAY, "d", 0, "", 2 * YEAR),
        (YEAR, "y", DAY, "d", 8 * YEAR),
    ):
        if whole < both_until:
            rest = whole % unit // part if part else 0
            return f"{whole // unit}{name}" + (f"{rest}{part_name}" if rest else "")
    return f"{whole // YEAR}y"


def age(timestamp: str | None, now: float | None = None) -> str:
    """Return how long ago an RFC 3339 time was."""
    then = seconds(timestamp) if timestamp else None
    if then is None:
        return UNKNOWN
    return duration((time.time() if now is None else now) - then)


def moment(timestamp: str | None, now: float | None = None) -> str:
    """Return a time and how long ago it was: ``2026-03-01T12:00:00Z (5m ago)``."""
    return f"{timestamp} ({age(timestamp, now)} ago)" if timestamp else ""
