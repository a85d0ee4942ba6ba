"""Fairness: how the projects that share a queue are interleaved.

Each kind is one class and one line in a table. All of them answer the same question (which lane is next) in
O(log lanes), whatever waits in them.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from headgate.engine.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headgate.engine.lanes import Lane, Seat
    from headgate.engine.moment import Moment
    from headgate.engine.shares import Shares


class Fairness(Protocol):
    """Chooses between the lanes of one queue."""

    by_turns: ClassVar[bool]
    """Whether the lane that was served last goes last, among equals; else it is drawn."""

    def changed(self, lane: Lane) -> None:
        """Take note that the numbers of a lane's Jobs changed."""

    def next(self, *, joined_only: bool) -> Lane | None:
        """Return the lane whose first Job goes next. Asking twice without a change gives the same."""

    def served(self, lane: Lane) -> None:
        """Take note that a Job of the lane was admitted."""

    def order(self) -> Iterator[Lane]:
        """Yield the lanes in which something waits, in the order in which they would go, while nothing changes."""


class RoundRobin:
    """One Job each, in turn. A project that starts to wait joins at the end of the round."""

    by_turns: ClassVar[bool] = True

    def __init__(self, seed: str) -> None:
        self._turn = 0
        self._all: Line[Seat] = Line()
        self._joined: Line[Seat] = Line()

    def changed(self, lane: Lane) -> None:
        """Seat a lane that has begun to wait, unseat one that has stopped."""
        if lane.waiting and lane.seat.entry is None:
            self._turn += 1
            lane.turn = self._turn
        self._seat(self._all, lane.seat, lane.turn, wanted=lane.waiting > 0)
        self._seat(self._joined, lane.seat_joined, lane.turn, wanted=lane.joined > 0)

    def next(self, *, joined_only: bool) -> Lane | None:
        """Return the lane that has gone without for longest."""
        seat = (self._joined if joined_only else self._all).first()
        return seat.lane if seat else None

    def served(self, lane: Lane) -> None:
        """Send a lane to the end of the round."""
        self._all.discard(lane.seat)
        self._joined.discard(lane.seat_joined)
        self.changed(lane)

    def order(self) -> Iterator[Lane]:
        """Yield the lanes from the one that has gone without for longest."""
        return (seat.lane for seat in self._all.ordered())

    @staticmethod
    def _seat(line: Line[Seat], seat: Seat, turn: int, *, wanted: bool) -> None:
        if wanted and seat.entry is None:
            line.add((turn,), seat)
        elif not wanted:
            line.discard(seat)


class ShuffleInterleave:
    """A seeded shuffle that interleaves projects in proportion to what each has waiting."""

    by_turns: ClassVar[bool] = False

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)
        self._all = _Weights()
        self._joined = _Weights()
        self._slots: list[Lane | None] = []
        self._free: list[int] = []
        self._draw = self._random.random()

    def changed(self, lane: Lane) -> None:
        """Weigh a lane anew."""
        if lane.slot < 0:
            if not lane.waiting:
                return
            self._take_slot(lane)
        self._all.set(lane.slot, lane.waiting)
        self._joined.set(lane.slot, lane.joined)
        if not lane.waiting:
            self._slots[lane.slot] = None
            self._free.append(lane.slot)
            lane.slot = -1

    def next(self, *, joined_only: bool) -> Lane | None:
        """Return the lane the current draw falls on."""
        weights = self._joined if joined_only else self._all
        if not weights.total:
            return None
        return self._slots[weights.find(int(self._draw * weights.total))]

    def served(self, lane: Lane) -> None:
        """Draw again."""
        self._draw = self._random.random()
        self.changed(lane)

    def order(self) -> Iterator[Lane]:
        """Yield the lane the current draw falls on, then the others."""
        first = self.next(joined_only=False)
        if first is not None:
            yield first
        yield from (lane for lane in self._slots if lane is not None and lane is not first)

    def _take_slot(self, lane: Lane) -> None:
        if self._free:
            lane.slot = self._free.pop()
            self._slots[lane.slot] = lane
        else:
            lane.slot = len(self._slots)
            self._slots.append(lane)


class FairShare:
    """The share that has used least for its weight, one after the other where that is equal.

    Usage fades with time, and differently for each share: ranks are computed anew once a second, and for a share whose
    own numbers change. There are at most `SHARES_MAX` of them, whatever waits.
    """

    by_turns: ClassVar[bool] = True

    def __init__(self, shares: Shares, moment: Moment) -> None:
        self._shares = shares
        self._moment = moment
        self._second = 0
        self._turn = 0
        self._all: Line[Seat] = Line()
        self._joined: Line[Seat] = Line()
        self._lanes: dict[Lane, None] = {}

    def changed(self, lane: Lane) -> None:
        """Seat a share by its rank."""
        self._all.discard(lane.seat)
        self._joined.discard(lane.seat_joined)
        if not lane.waiting:
            self._lanes.pop(lane, None)
            return
        if lane not in self._lanes:
            self._lanes[lane] = None
            self._turn += 1
            lane.turn = self._turn
        key = (self._shares.rank(lane.name), lane.turn)
        self._all.add(key, lane.seat)
        if lane.joined:
            self._joined.add(key, lane.seat_joined)

    def next(self, *, joined_only: bool) -> Lane | None:
        """Return the lane of the share that has used least."""
        self._refresh()
        seat = (self._joined if joined_only else self._all).first()
        return seat.lane if seat else None

    def served(self, lane: Lane) -> None:
        """Put a share behind its equals."""
        self._turn += 1
        lane.turn = self._turn
        self.changed(lane)

    def order(self) -> Iterator[Lane]:
        """Yield the lanes from the share that has used least."""
        self._refresh()
        return (seat.lane for seat in self._all.ordered())

    def reweigh(self) -> None:
        """Take note that the weights changed."""
        for lane in list(self._lanes):
            self.changed(lane)

    def _refresh(self) -> None:
        second = int(self._moment.now)
        if second != self._second:
            self._second = second
            self.reweigh()


class _Weights:
    """Weights by slot, with the slot that holds the n-th unit found in O(log slots): a Fenwick tree."""

    def __init__(self) -> None:
        self.total = 0
        self._weights: list[int] = []
        self._tree: list[int] = [0]

    def set(self, slot: int, weight: int) -> None:
        while slot >= len(self._weights):
            self._append()
        delta = weight - self._weights[slot]
        if not delta:
            return
        self._weights[slot] = weight
        self.total += delta
        index = slot + 1
        while index < len(self._tree):
            self._tree[index] += delta
            index += index & -index

    def find(self, unit: int) -> int:
        """Return the slot that holds unit number `unit`, 0 ≤ unit < total."""
        index = 0
        step = 1 << (len(self._tree).bit_length() - 1)
        while step:
            after = index + step
            if after < len(self._tree) and self._tree[after] <= unit:
                index = after
                unit -= self._tree[after]
            step >>= 1
        return index

    def _append(self) -> None:
        self._weights.append(0)
        index = len(self._weights)
        below = index - 1
        stop = index - (index & -index)
        covered = 0
        while below > stop:
            covered += self._tree[below]
            below -= below & -below
        self._tree.append(covered)


FAIRNESS: Final[dict[str, Callable[[str], Fairness]]] = {
    "RoundRobin": RoundRobin,
    "ShuffleInterleave": ShuffleInterleave,
}
