"""The time as the engine was last told. Nothing in the engine looks at a clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Moment:
    """The latest time that came with a fact or a question, in seconds since the epoch."""

    now: float = 0.0

    def reach(self, now: float) -> None:
        """Take note of a time; an earlier one than known changes nothing."""
        self.now = max(self.now, now)
