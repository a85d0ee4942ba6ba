"""What a long build tells whoever waits for it: a line a tool, and in a log a sign of life now and then."""

from __future__ import annotations

import sys
import time

HEARTBEAT_SECONDS = 30


def say(message: str) -> None:
    """Tell the user something; stdout is kept for what programs read."""
    print(f"controlplane: {message}", file=sys.stderr, flush=True)


class Progress:
    """The line of one tool: rewritten in place on a terminal, repeated rarely elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.monotonic()
        self._shown = -1
        self._terminal = sys.stderr.isatty()
        self.tick()

    def tick(self) -> None:
        """Show that it is still going on, when it is time to."""
        seconds = self._elapsed()
        if seconds < self._shown + (1 if self._terminal else HEARTBEAT_SECONDS) and self._shown >= 0:
            return
        self._shown = seconds
        if self._terminal:
            print(f"\r  {self._name:<26} building {seconds:>4} s ", end="", file=sys.stderr, flush=True)
        else:
            print(f"  {self._name:<26} building {seconds:>4} s", file=sys.stderr, flush=True)

    def end(self, outcome: str) -> None:
        """Show how it ended."""
        start = "\r" if self._terminal else ""
        print(f"{start}  {self._name:<26} {outcome:<8} {self._elapsed():>4} s ", file=sys.stderr, flush=True)

    def _elapsed(self) -> int:
        return int(time.monotonic() - self._started)
