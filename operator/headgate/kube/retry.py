"""How long to wait before asking again."""

from __future__ import annotations

from random import uniform
from typing import TYPE_CHECKING, Final

from headgate.kube.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 10.0


def backoff(first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> Iterator[float]:
    """Yield ever longer pauses in seconds, with jitter, so that clients do not come back all at once."""
    pause = first
    while True:
        yield uniform(pause / 2, pause)
        pause = min(pause * 2, longest)


def pause_after(error: BaseException, pause: float) -> float:
    """Return how long to wait after an error: what the server asks for, if it does, else `pause` (seconds)."""
    if isinstance(error, ApiError) and error.retry_after is not None:
        return max(error.retry_after, pause)
    return pause


def growing(failures: int, first: float, longest: float) -> float:
    """Return the pause after so many failures in a row: `first`, and twice as long each time up to `longest`."""
    # The exponent has its own bound: a float has, too.
    return min(first * 2.0 ** min(failures - 1, 32), longest)
