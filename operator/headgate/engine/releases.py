"""When active Jobs give back what they use, at the latest, and how much that comes to by any time.

The Jobs stand in the order of their ends, in chunks. A change touches one chunk; sums over chunks, and within one, are
made when they are asked for and kept until something changes there. So an answer is found by bisection, however many
Jobs there are, and all who wait for the same room share one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from math import inf, nextafter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headgate.api.quantity import Amounts

End = tuple[float, str]
"""When a Job ends, in seconds since the epoch, and its UID."""

MOST: Final = 256
"""How many Jobs a chunk has before it is halved."""


class _Chunk:
    """Some Jobs that end one after the other."""

    __slots__ = ("_sums", "columns", "ends", "totals")

    def __init__(self, ends: list[End], columns: list[list[int]]) -> None:
        self.ends = ends
        self.columns = columns
        """What each of them gives back, by resource."""
        self.totals = [sum(column) for column in columns]
        self._sums: list[list[int] | None] = [None] * len(columns)

    def insert(self, end: End, amounts: list[int]) -> None:
        place = bisect_left(self.ends, end)
        self.ends.insert(place, end)
        for resource, amount in enumerate(amounts):
            self.columns[resource].insert(place, amount)
            self._changed(resource, amount)

    def remove(self, end: End) -> None:
        place = bisect_left(self.ends, end)
        del self.ends[place]
        for resource, column in enumerate(self.columns):
            self._changed(resource, -column.pop(place))

    def sums(self, resource: int) -> list[int]:
        """Return what the first gives back of a resource, the first two together, and so on."""
        sums = self._sums[resource]
        if sums is None:
            sums = self._sums[resource] = list(accumulate(self.columns[resource]))
        return sums

    def _changed(self, resource: int, amount: int) -> None:
        self.totals[resource] += amount
        self._sums[resource] = None


class Releases:
    """What Jobs give back of some resources, in the order of time."""

    def __init__(self, resources: Iterable[str], jobs: Mapping[End, Amounts]) -> None:
        self._resources = {name: number for number, name in enumerate(resources)}
        ends = sorted(jobs)
        self._chunks = [
            self._chunk(ends[first : first + MOST], jobs) for first in range(0, len(ends), MOST)
        ] or [self._chunk([], jobs)]
        self._sums: list[list[int] | None] = [None] * len(self._resources)

    def add(self, end: End, amounts: Amounts) -> None:
        """Take in a Job."""
        place = self._place(end)
        chunk = self._chunks[place]
        chunk.insert(end, self._row(amounts))
        if len(chunk.ends) > MOST:
            self._chunks[place : place + 1] = [
                _Chunk(chunk.ends[half], [column[half] for column in chunk.columns])
                for half in (slice(MOST // 2), slice(MOST // 2, None))
            ]
        self._changed()

    def remove(self, end: End) -> None:
        """Let go of a Job that is there."""
        place = self._place(end)
        self._chunks[place].remove(end)
        if not self._chunks[place].ends and len(self._chunks) > 1:
            del self._chunks[place]
        self._changed()

    def first(self, resource: str, amount: int) -> float:
        """Return the first time by which so much of a resource, which is more than nothing, is given back."""
        number = self._resources[resource]
        sums = self._sums_of(number)
        place = bisect_left(sums, amount)
        if place == len(sums):
            return inf
        chunk = self._chunks[place]
        rest = amount - (sums[place - 1] if place else 0)
        return chunk.ends[bisect_left(chunk.sums(number), rest)][0]

    def until(self, time: float) -> dict[str, int]:
        """Return what is given back by a time, of each resource."""
        bound = (nextafter(time, inf), "")
        place = self._place(bound)
        chunk = self._chunks[place]
        inside = bisect_left(chunk.ends, bound)
        return {
            name: (self._sums_of(number)[place - 1] if place else 0)
            + (chunk.sums(number)[inside - 1] if inside else 0)
            for name, number in self._resources.items()
        }

    def _place(self, end: End) -> int:
        """Return the place of the chunk to which an end belongs."""
        return bisect_right(self._chunks, end, lo=1, key=lambda chunk: chunk.ends[0]) - 1

    def _sums_of(self, resource: int) -> list[int]:
        """Return what the first chunk gives back of a resource, the first two together, and so on."""
        sums = self._sums[resource]
        if sums is None:
            totals = (chunk.totals[resource] for chunk in self._chunks)
            sums = self._sums[resource] = list(accumulate(totals))
        return sums

    def _changed(self) -> None:
        self._sums = [None] * len(self._resources)

    def _row(self, amounts: Amounts) -> list[int]:
        row = [0] * len(self._resources)
        for name, amount in amounts:
            number = self._resources.get(name)
            if number is not None:
                row[number] = amount
        return row

    def _chunk(self, ends: list[End], jobs: Mapping[End, Amounts]) -> _Chunk:
        rows = [self._row(jobs[end]) for end in ends]
        return _Chunk(ends, [[row[number] for row in rows] for number in range(len(self._resources))])
