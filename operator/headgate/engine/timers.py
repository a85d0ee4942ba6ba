"""What time alone will bring about. Time is what the caller says it is."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Timers:
    """Actions to take at a time, in seconds of the caller's clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._serial = 0

    def at(self, when: float, action: Callable[[float], None]) -> None:
        """Have `action` called with the time, when it is `when` or later."""
        self._serial += 1
        heappush(self._heap, (when, self._serial, action))

    def run(self, now: float) -> None:
        """Take all actions that are due at `now`."""
        while self._heap and self._heap[0][0] <= now:
            _, _, action = heappop(self._heap)
            action(now)

    def next(self) -> float | None:
        """Return when the next action is due, or None."""
        return self._heap[0][0] if self._heap else None
