"""The API server's own record of writes: who wrote what, and when, to the microsecond.

It is the only clock of the throughput figures: it is the same for Headgate and for the bare loop, and nothing has to
watch beside them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Write:
    """One write that the API server answered. Times are seconds since the epoch."""

    user: str
    verb: str
    resource: str
    """Plural, with the subresource behind a slash."""
    namespace: str
    name: str
    code: int
    received: float
    answered: float

    @property
    def succeeded(self) -> bool:
        """Whether it was carried out."""
        return self.code < 300


class AuditLog:
    """Reads the log as it grows, from where it stood at the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size
        self._rest = b""
        self.writes: list[Write] = []

    def read(self) -> list[Write]:
        """Take in what was added, and return all since the start."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            chunk = file.read()
        self._offset += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.writes.extend(_write(line) for line in lines)
        return self.writes

    def admissions(self, user: str, namespace: str) -> list[Write]:
        """Return the PATCHes on Jobs of a namespace by a user that were carried out: here all of them admit."""
        return [
            write
            for write in self.read()
            if write.user == user
            and write.resource == "jobs"
            and write.verb == "patch"
            and write.namespace == namespace
            and write.succeeded
        ]

    def first(self, which: Callable[[Write], bool]) -> Write:
        """Return the first write of a kind; raises StopIteration where there is none."""
        return min((write for write in self.read() if which(write)), key=lambda write: write.received)


def tally(writes: Iterable[Write]) -> dict[str, int]:
    """Count writes by what they are, e.g. "patch jobs 200"."""
    return dict(Counter(f"{write.verb} {write.resource} {write.code}" for write in writes).most_common())


def _write(line: bytes) -> Write:
    event = orjson.loads(line)
    on = event.get("objectRef") or {}
    subresource = on.get("subresource")
    return Write(
        user=event["user"]["username"],
        verb=event["verb"],
        resource=f"{on.get('resource')}/{subresource}" if subresource else on.get("resource") or "",
        namespace=on.get("namespace") or "",
        name=on.get("name") or "",
        code=(event.get("responseStatus") or {}).get("code") or 0,
        received=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
        answered=datetime.fromisoformat(event["stageTimestamp"]).timestamp(),
    )
