"""The thread behind the synchronous client."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from headgate.client._portal import Portal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal()
    yield portal
    portal.close()


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_calls_return_and_raise(portal: Portal) -> None:
    async def fail() -> None:
        raise ValueError("wrong")

    assert portal.call(double(2)) == 4
    with pytest.raises(ValueError, match="wrong"):
        portal.call(fail())


def test_an_iterator_that_is_left_is_closed(portal: Portal) -> None:
    closed = threading.Event()

    async def count() -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
        finally:
            closed.set()

    assert list(portal.iterate(count())) == list(range(10))
    closed.clear()
    for number in portal.iterate(count()):
        if number == 3:
            break
    assert closed.wait(10)


def test_iterators_that_are_open_are_closed_with_it_from_the_outside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed: list[str] = []

    async def inner() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append("inner")

    async def outer() -> AsyncIterator[int]:
        try:
            async with aclosing(inner()) as numbers:
                async for number in numbers:
                    yield number
        finally:
            closed.append("outer")

    portal = Portal()
    iterators = [portal.iterate(outer()) for _ in range(3)]
    assert [next(iterator) for iterator in iterators] == [1, 1, 1]
    portal.close()

    assert closed == ["inner", "outer"] * 3
    assert caplog.records == []


def test_an_interrupted_call_is_cancelled(portal: Portal) -> None:
    began, cancelled = threading.Event(), threading.Event()

    async def forever() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    def interrupt() -> None:
        began.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    # What runs in the background of a shell ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            portal.call(forever())
    finally:
        signal.signal(signal.SIGINT, before)
    assert cancelled.is_set()
    assert portal.call(double(1)) == 2


def test_a_closed_client_says_so() -> None:
    portal = Portal()
    assert portal.call(double(1)) == 2
    portal.close()
    portal.close()

    with pytest.raises(RuntimeError, match="the client was closed"):
        portal.call(double(1))
    assert not [thread for thread in threading.enumerate() if thread.name == "headgate-client"]
