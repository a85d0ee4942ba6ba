"""A line of members in key order, from which any member can step out.

A heap with lazy removal: adding and taking the first cost O(log n), stepping out O(1), and what has stepped
out is swept once it outnumbers what is left, so that the cost stays amortized and memory follows the living.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Entry = tuple[Any, ...]
"""The key's parts, a serial, then the member."""

_SWEEP_SLACK = 8


class Member(Protocol):
    """Anything that can stand in one line at a time."""

    entry: Entry | None


M = TypeVar("M", bound=Member)


class Line(Generic[M]):
    """Members in ascending order of their keys."""

    __slots__ = ("_heap", "_serial", "_size")

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._size = 0
        self._serial = 0

    def __len__(self) -> int:
        return self._size

    def add(self, key: Entry, member: M) -> None:
        """Put a member, who stands in no line, in its place. The key is total over the line."""
        # A member that stepped out and in again meets its own old entry: the serial keeps members from comparing.
        self._serial += 1
        entry = (*key, self._serial, member)
        member.entry = entry
        self._size += 1
        heappush(self._heap, entry)

    def discard(self, member: M) -> None:
        """Let a member of this line step out; one who does not stand in it is left alone."""
        if member.entry is None:
            return
        member.entry = None
        self._size -= 1
        if len(self._heap) > 2 * self._size + _SWEEP_SLACK:
            self._heap = [entry for entry in self._heap if entry[-1].entry is entry]
            heapify(self._heap)

    def first(self) -> M | None:
        """Return the member with the lowest key, or None. It stays in the line."""
        heap = self._heap
        while heap:
            entry = heap[0]
            member: M = entry[-1]
            if member.entry is entry:
                return member
            heappop(heap)
        return None

    def ordered(self) -> Iterator[M]:
        """Yield members in ascending order; the next one costs O(log n). The line must not change meanwhile."""
        self.first()
        heap = self._heap
        ahead = [(heap[0], 0)] if heap else []
        while ahead:
            entry, index = heappop(ahead)
            for below in (2 * index + 1, 2 * index + 2):
                if below < len(heap):
                    heappush(ahead, (heap[below], below))
            member: M = entry[-1]
            if member.entry is entry:
                yield member
