"""A lane: each name once at a time, so many at once, pauses for what fails, and nothing that is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from headgate.kube.client import ApiError
from headgate.members import lane as module
from headgate.members.lane import MOST, Lane, Slots, Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from headgate.members.records import Key


AT_ONCE = MOST[Slots.CARING]


def key(number: int) -> Key:
    return "lab", f"job-{number}"


@asynccontextmanager
async def working(lane: Lane, start: Callable[[Key], Work | None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(lane.work(start))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Doors:
    """Actions that go on until they are let go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.under_way: Counter[Key] = Counter()
        self.done: Counter[Key] = Counter()
        self.most = 0

    def start(self, key: Key, slots: Slots = Slots.CARING) -> Work:
        async def act() -> None:
            self.under_way[key] += 1
            self.most = max(self.most, self.under_way.total())
            assert self.under_way[key] == 1, "two actions at once for one name"
            try:
                await self.open.wait()
                self.done[key] += 1
            finally:
                self.under_way[key] -= 1

        return Work(slots, act)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.001)


async def test_so_many_at_once_and_all_in_the_end() -> None:
    lane, doors = Lane(), Doors()
    for number in range(100):
        lane.add(key(number))
    async with working(lane, doors.start):
        await until(lambda: doors.under_way.total() == AT_ONCE)
        doors.open.set()
        await until(lambda: doors.done.total() == 100)
    assert doors.most == AT_ONCE
    assert set(doors.done.values()) == {1}


@pytest.mark.parametrize("hangs", list(Slots))
async def test_what_hangs_leaves_the_slots_of_all_other_kinds(hangs: Slots) -> None:
    """However many there are, and however often they are looked at."""
    lane, hung, others = Lane(), Doors(), Doors()
    others.open.set()
    kinds = [slots for slots in Slots if slots is not hangs]

    def start(which: Key) -> Work:
        number = int(which[1].partition("-")[2])
        return hung.start(which, hangs) if number < 200 else others.start(which, kinds[number % len(kinds)])

    for number in range(200):
        lane.add(key(number))
    async with working(lane, start):
        await until(lambda: hung.under_way.total() == MOST[hangs])
        for number in range(300):
            lane.add(key(number))
        await until(lambda: others.done.total() == 100)
        assert hung.under_way.total() == hung.most == MOST[hangs]
        hung.open.set()
        await until(lambda: len(hung.done) == 200)


async def test_who_found_no_slot_is_looked_at_anew_when_there_is_one() -> None:
    lane, doors, quick = Lane(), Doors(), Doors()
    quick.open.set()
    settled: list[Key] = []
    late = key(MOST[Slots.MAKING])

    def start(which: Key) -> Work | None:
        if which == late and settled:
            return quick.start(which)
        settled.extend([which] if which == late else [])
        return doors.start(which, Slots.MAKING)

    for number in range(MOST[Slots.MAKING] + 1):
        lane.add(key(number))
    async with working(lane, start):
        await until(lambda: bool(settled))
        assert not quick.done
        doors.open.set()
        await until(lambda: quick.done == {late: 1})
    assert late not in doors.done


async def test_what_is_added_while_it_is_worked_on_is_looked_at_once_more() -> None:
    lane, doors = Lane(), Doors()
    lane.add(key(1))
    async with working(lane, doors.start):
        await until(lambda: doors.under_way.total() == 1)
        for _ in range(5):
            lane.add(key(1))
        lane.add(key(2))
        await until(lambda: doors.under_way.total() == 2)
        doors.open.set()
        await until(lambda: doors.done == {key(1): 2, key(2): 1})


async def test_what_is_cut_off_is_due_again() -> None:
    lane, doors = Lane(), Doors()
    for number in range(AT_ONCE + 3):
        lane.add(key(number))
    async with working(lane, doors.start) as task:
        await until(lambda: doors.under_way.total() == AT_ONCE)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert doors.under_way.total() == 0
    doors.open.set()
    async with working(lane, doors.start):
        await until(lambda: len(doors.done) == AT_ONCE + 3)


async def test_a_lane_in_which_nothing_is_due_does_nothing() -> None:
    lane = Lane()
    looked: list[Key] = []

    def start(key: Key) -> None:
        looked.append(key)

    for number in range(1000):
        lane.add(key(number))
    async with working(lane, start):
        await until(lambda: len(looked) == 1000)
        for _ in range(20):
            await asyncio.sleep(0)
    assert len(looked) == 1000


async def test_what_fails_waits_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 1.0)
    lane = Lane()
    loop = asyncio.get_running_loop()
    tried: list[float] = []
    others: list[Key] = []

    def start(which: Key) -> Work | None:
        if which != key(0):
            others.append(which)
            return None
        if not lane.may_try(which, int):
            return None

        async def fail() -> None:
            tried.append(loop.time())
            lane.failed(which, int, ApiError(503, "Unavailable", "no"))

        return Work(Slots.CARING, fail)

    for number in range(10):
        lane.add(key(number))
    async with working(lane, start):
        await until(lambda: len(tried) == 1)
        for _ in range(50):
            # Whatever the watches say meanwhile.
            lane.add(key(0))
            await asyncio.sleep(0)
        assert len(tried) == 1
        await until(lambda: len(tried) == 3)
    assert len(others) == 9
    assert tried[2] - tried[1] > 0.9, "the pauses are to grow"


async def test_it_is_known_what_failed_last() -> None:
    lane = Lane()
    assert not lane.has_failed(key(1), int)
    lane.failed(key(1), int, OSError())
    assert lane.has_failed(key(1), int)
    assert not lane.has_failed(key(1), str)
    lane.settled(key(1))
    assert not lane.has_failed(key(1), int)


async def test_another_kind_of_action_need_not_wait() -> None:
    lane = Lane()
    lane.failed(key(1), int, OSError())
    assert not lane.may_try(key(1), int)
    assert lane.may_try(key(1), str)
    assert lane.may_try(key(2), int)
    lane.settled(key(1))
    assert lane.may_try(key(1), int)


async def test_the_server_says_how_long_to_wait() -> None:
    lane = Lane()
    loop = asyncio.get_running_loop()
    before = loop.time()
    failure = lane.failed(key(1), int, ApiError(429, "TooManyRequests", "later", retry_after=7.0))
    assert failure._timer is not None
    assert failure._timer.when() - before >= 7.0
    lane.clear()


async def test_a_cluster_that_is_back_is_forgiven_at_once() -> None:
    lane = Lane()
    for number in range(3):
        lane.failed(key(number), int, OSError())
    lane.forgive()
    looked: list[Key] = []
    async with working(lane, lambda which: looked.append(which)):
        await until(lambda: len(looked) == 3)
    assert all(lane.may_try(which, int) for which in looked)
