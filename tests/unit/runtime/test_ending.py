"""A process ends when it is told to, whatever hangs."""

from __future__ import annotations

import asyncio

import pytest

from headgate.runtime.ending import end_all, end_in_time, run_until_told


async def test_a_part_that_overhears_its_cancellation_is_cancelled_again() -> None:
    heard: list[str] = []

    async def hard_of_hearing() -> None:
        while len(heard) < 2:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                heard.append("cancel")

    parts = [asyncio.create_task(hard_of_hearing()), asyncio.create_task(asyncio.sleep(3600))]
    await asyncio.sleep(0)

    await end_all(parts)

    assert len(heard) == 2
    assert all(part.done() for part in parts)


async def test_what_does_not_end_is_named_and_left(caplog: pytest.LogCaptureFixture) -> None:
    told, done = asyncio.Event(), list[str]()

    async def release() -> None:
        done.append("release")

    def leave(code: int) -> None:
        done.append(f"leave with {code}")

    stuck = asyncio.create_task(asyncio.sleep(3600), name="statuses")
    guard = asyncio.create_task(end_in_time(told, release, leave, seconds=0.05))
    await asyncio.sleep(0.1)
    assert not done

    told.set()
    await guard
    stuck.cancel()

    assert done == ["release", "leave with 1"]
    assert "statuses in " in caplog.text


async def test_it_ends_without_who_overhears_that_it_is_to_end() -> None:
    told, done = asyncio.Event(), list[str]()

    async def hard_of_hearing() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            done.append("heard")
            raise

    async def finish() -> None:
        done.append("finished")

    running = asyncio.create_task(run_until_told(hard_of_hearing(), told, finish, seconds=0.05))
    await asyncio.sleep(0.1)
    assert not done

    told.set()
    await running

    assert done == ["finished", "heard"]


async def test_it_ends_with_who_ends_by_itself() -> None:
    told = asyncio.Event()

    async def breaks() -> None:
        raise RuntimeError("nobody has foreseen this")

    with pytest.raises(RuntimeError, match="foreseen"):
        await run_until_told(breaks(), told, lambda: pytest.fail("somebody else has finished it"))
