"""A queue's life: what the desired state and what is live make of it.

A queue that is drained reaches `Drained` only after nothing has been live for a moment. The API server learns of a
new state a little later than it is written, so a Job may still slip in; it finds a draining queue, not a drained one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from headgate.api.jobqueue_status import State

SETTLE_SECONDS: Final = 2.0
"""How long a queue stays empty before it is called drained, sealed or terminated. Policies on the API server were
measured to follow a change within about a second."""


class _Path(NamedTuple):
    on_the_way: State
    arrived: State


_PATHS: Final = {
    "Drained": _Path("Draining", "Drained"),
    "Sealed": _Path("Sealing", "Sealed"),
    "Terminated": _Path("Terminating", "Terminated"),
}


class Lifecycle:
    """The observed state of one queue."""

    __slots__ = ("_arrived", "_desired", "_empty_since")

    def __init__(self) -> None:
        self._desired = "Active"
        self._arrived = False
        self._empty_since: float | None = None

    @property
    def state(self) -> State:
        """The queue's `status.state`."""
        path = _PATHS.get(self._desired)
        if path is None:
            return "Active"
        return path.arrived if self._arrived else path.on_the_way

    @property
    def accepts(self) -> bool:
        """Whether new Jobs are welcome."""
        return self._desired == "Active"

    @property
    def admits(self) -> bool:
        """Whether waiting Jobs may go."""
        return self._desired != "Terminated" and not self._arrived

    @property
    def terminating(self) -> bool:
        """Whether live Jobs are to be cancelled."""
        return self._desired == "Terminated"

    def restore(self, observed: str) -> None:
        """Take over what an earlier operator had written: an empty queue that had arrived need not wait again."""
        self._arrived = observed == self._desired != "Active"

    def desire(self, state: str) -> None:
        """Set `spec.state`."""
        if state != self._desired:
            self._desired = state
            self._arrived = False
            self._empty_since = None

    def step(self, live: int, now: float) -> float | None:
        """Move on as far as `live` Jobs allow at `now` (seconds); return when to look again, if ever."""
        if self._desired == "Active":
            return None
        if live:
            self._arrived = False
            self._empty_since = None
            return None
        if self._arrived:
            return None
        if self._empty_since is None:
            self._empty_since = now
        due = self._empty_since + SETTLE_SECONDS
        if now < due:
            return due
        self._arrived = True
        return None
