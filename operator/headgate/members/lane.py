"""A line of names to look at: each once at a time, so many at once, and with pauses after failures.

A name that is added while it is worked on is looked at again afterwards: what is done is always decided by the newest
view. Names that fail wait by themselves and hold nobody up.

There are slots of their own for each kind of work. In a cluster that does not get through with one kind (where a
webhook hangs, no Job is created) the others go on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.kube.retry import backoff, pause_after

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from headgate.members.records import Key

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
_BREATH: Final = 200
"""So many names in a row in which nothing is due, and the rest of the operator gets its turn."""


class Slots(Enum):
    """The kinds of work."""

    CARING = auto()
    """For proxies, and for copies that are there."""
    MAKING = auto()
    """Copies, for the first time."""
    REMAKING = auto()
    """Copies that could not be made before."""


MOST: Final = {Slots.CARING: 16, Slots.MAKING: 16, Slots.REMAKING: 8}
"""How much of each kind one lane has under way: a slow cluster keeps so many requests open and no more."""


class Work(NamedTuple):
    """What is to be done for a name."""

    slots: Slots
    do: Callable[[], Awaitable[None]]


class Failure:
    """Something that did not work for a name, and is tried again."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.count = 0
        self.told: str | None = None
        """What a person was told about it last."""
        self._pauses: Iterator[float] = backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def pausing(self) -> bool:
        """Whether it is too early to try again."""
        return self._timer is not None

    def pause(self, error: Exception, then: Callable[[], None]) -> None:
        """Wait a while, longer each time, and call `then`."""
        self.cancel()
        self.count += 1
        seconds = pause_after(error, next(self._pauses))
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end, then)

    def cancel(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, then: Callable[[], None]) -> None:
        self._timer = None
        then()


class Lane:
    """The names that are due in one cluster, or in the hub."""

    def __init__(self) -> None:
        self._due: dict[Key, None] = {}
        self._parked: dict[Slots, dict[Key, None]] = {slots: {} for slots in Slots}
        """Names for which there was no slot when they were looked at."""
        self._taken: Counter[Slots] = Counter()
        self._busy: set[Key] = set()
        self._failures: dict[Key, Failure] = {}
        self._wake = asyncio.Event()

    def add(self, key: Key) -> None:
        """Have a name looked at."""
        self._due[key] = None
        self._wake.set()

    def may_try(self, key: Key, kind: type) -> bool:
        """Whether an action of this kind may be tried now; another kind than the one that failed may, at once."""
        failure = self._failures.get(key)
        return failure is None or failure.kind is not kind or not failure.pausing

    def has_failed(self, key: Key, kind: type) -> bool:
        """Whether an action of this kind failed last for a name."""
        failure = self._failures.get(key)
        return failure is not None and failure.kind is kind

    def failed(self, key: Key, kind: type, error: Exception) -> Failure:
        """Have a name looked at again after a pause, because an action of this kind failed."""
        failure = self._failures.get(key)
        if failure is None or failure.kind is not kind:
            self.settled(key)
            failure = self._failures[key] = Failure(kind)
        failure.pause(error, lambda: self.add(key))
        return failure

    def settled(self, key: Key) -> None:
        """Forget what failed for a name."""
        failure = self._failures.pop(key, None)
        if failure is not None:
            failure.cancel()

    def forgive(self) -> None:
        """Try at once again whatever failed."""
        for key in list(self._failures):
            self.settled(key)
            self.add(key)

    def clear(self) -> None:
        """Forget everything that is due or has failed."""
        self._due.clear()
        for parked in self._parked.values():
            parked.clear()
        for key in list(self._failures):
            self.settled(key)

    async def work(self, start: Callable[[Key], Work | None]) -> None:
        """Do what `start` gives for each name that is due, or nothing where it gives None, until cancelled.

        What `start` gives must end well. What is cut off half-way is due again.
        """
        tasks: set[asyncio.Task[None]] = set()
        idle = 0
        try:
            while True:
                key = self._next()
                if key is None:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                work = start(key)
                if work is not None and self._taken[work.slots] < MOST[work.slots]:
                    self._busy.add(key)
                    self._taken[work.slots] += 1
                    task = asyncio.create_task(self._run(key, work))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    task.add_done_callback(self._done)
                    continue
                if work is not None:
                    self._parked[work.slots][key] = None
                idle += 1
                if idle % _BREATH == 0:
                    await asyncio.sleep(0)
        finally:
            cut_off = list(tasks)
            for task in cut_off:
                task.cancel()
            await asyncio.gather(*cut_off, return_exceptions=True)
            # Of those that had not even begun.
            for key in self._busy:
                self.add(key)
            self._busy.clear()
            self._taken.clear()

    async def _run(self, key: Key, work: Work) -> None:
        try:
            await work.do()
        except asyncio.CancelledError:
            self.add(key)
            raise
        finally:
            self._busy.discard(key)
            self._taken[work.slots] -= 1

    def _done(self, _: asyncio.Task[None]) -> None:
        self._wake.set()

    def _next(self) -> Key | None:
        """Take a name for which there is a slot again, or else one that nobody has looked at."""
        for slots, parked in self._parked.items():
            if self._taken[slots] < MOST[slots] and (key := self._first(parked)) is not None:
                return key
        return self._first(self._due)

    def _first(self, names: dict[Key, None]) -> Key | None:
        for key in names:
            if key not in self._busy:
                del names[key]
                return key
        return None
