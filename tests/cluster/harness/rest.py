"""A world in which nothing happens any more, and in which the operator has nothing to write."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from tests.cluster.harness.client import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

Mark = TypeVar("Mark")

QUIET_SECONDS = 3.0
"""What was under way when the world came to rest is done when nothing was written for so long."""
REST_SECONDS = 6.0
"""Longer than all periods of the operator, and than the pauses between two statuses."""
ATTEMPTS = 3
"""How often it may turn out that something was under way all the same."""


@dataclass(frozen=True)
class Watched(Generic[Mark]):
    """What tells whether something was written."""

    mark: Callable[[], Mark]
    """Returns where the audit logs end now."""
    written: Callable[[Mark], list[str]]
    """Returns what the operator wrote since then."""
    versions: Callable[[], dict[str, str]]
    """Returns the resourceVersions of all that is to stay as it is."""

    def until_quiet(self) -> None:
        """Wait until nothing has been written for a while."""
        since, quiet_since = self.mark(), time.monotonic()

        def quiet() -> bool:
            nonlocal since, quiet_since
            if self.written(since):
                since, quiet_since = self.mark(), time.monotonic()
            return time.monotonic() - quiet_since > QUIET_SECONDS

        eventually(quiet)

    def rests(self) -> tuple[Mark, dict[str, str]]:
        """Check that nothing is written for a while; return since when, and the resourceVersions."""
        for _ in range(ATTEMPTS):
            self.until_quiet()
            since, before = self.mark(), self.versions()
            time.sleep(REST_SECONDS)
            written, after = self.written(since), self.versions()
            if not written and after == before:
                return since, before
        changed = sorted(name for name in before.keys() | after if before.get(name) != after.get(name))
        raise AssertionError(f"written at rest: {written}; changed: {changed}")
