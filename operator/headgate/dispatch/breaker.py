"""Namespaces in which the API server does not do what it is asked: a webhook of theirs fails or hangs.

Whoever may register a webhook for a namespace may not stop the admission of all others. Where writes went wrong, one is
tried at a time, and nothing else is sent there, until one is answered as it should be.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class _Trouble:
    why: str
    being_tried: bool = False


class Breaker:
    """A circuit breaker for each namespace."""

    def __init__(self) -> None:
        self._open: dict[str, _Trouble] = {}

    def is_open(self, namespace: str) -> bool:
        """Whether writes go wrong there."""
        return namespace in self._open

    def open(self, namespace: str, why: str) -> None:
        """Take note that a write went wrong, and how."""
        self._open.setdefault(namespace, _Trouble(why)).why = why

    def close(self, namespace: str) -> None:
        """Take note that a write was answered as it should be."""
        self._open.pop(namespace, None)

    def why_not(self, namespace: str) -> str | None:
        """Return why nothing is to be sent there now: the last write went wrong so, and another one is tried."""
        trouble = self._open.get(namespace)
        return trouble.why if trouble and trouble.being_tried else None

    @contextmanager
    def trying(self, namespace: str) -> Iterator[None]:
        """Surround an attempt."""
        trouble = self._open.get(namespace)
        if trouble is None:
            yield
            return
        trouble.being_tried = True
        try:
            yield
        finally:
            trouble.being_tried = False
