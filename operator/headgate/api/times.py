"""Times as the API writes them: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def seconds(timestamp: str) -> float | None:
    """Return an RFC 3339 time as seconds since the epoch, None if it is none."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return None


def timestamp(now: float) -> str:
    """Return seconds since the epoch as an RFC 3339 time of whole seconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def precise_timestamp(now: float) -> str:
    """Return seconds since the epoch as an RFC 3339 time with microseconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
