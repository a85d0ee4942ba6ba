"""From synchronous code into asyncio: an event loop in a thread of its own.

The thread is a daemon: a program that forgets to close its client still ends.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import CancelledError, Future, wait
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Generator

T = TypeVar("T")

_END: Final[Any] = object()
CANCEL_SECONDS: Final = 5.0
"""How long an interrupted call may take to tidy up."""


class Portal:
    """Runs coroutines for one thread or for several; started by the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._iterators: set[AsyncIterator[Any]] = set()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Running[T]:
        """Start a coroutine and return what waits for it; raises RuntimeError once closed."""
        running = self._prepare(coroutine)
        running.start()
        return running

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return what it returns; if that is interrupted, it is cancelled."""
        running = self._prepare(coroutine)
        try:
            running.start()
            return running.result()
        except BaseException:
            running.cancel()
            raise

    def iterate(self, iterator: AsyncIterator[T]) -> Generator[T, None, None]:
        """Yield what an asynchronous iterator yields; ending early ends that one too."""

        async def step() -> T:
            return await anext(iterator, _END)

        self._iterators.add(iterator)
        try:
            while (value := self.call(step())) is not _END:
                yield value
        finally:
            self._iterators.discard(iterator)
            if self.is_open:
                self.call(_close(iterator))

    @property
    def is_open(self) -> bool:
        """Whether calls can still be made."""
        return not self._closed and not sys.is_finalizing()

    def close(self) -> None:
        """End the thread; calls are errors from then on."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        # One after the other, and each from the outside: what it iterates in turn is its own to close.
        for iterator in list(self._iterators):
            asyncio.run_coroutine_threadsafe(_close(iterator), loop).result()
        asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    def _prepare(self, coroutine: Coroutine[Any, Any, T]) -> Running[T]:
        try:
            return Running(self._started(), coroutine)
        except RuntimeError:
            coroutine.close()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise RuntimeError("the client was closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="headgate-client", daemon=True
                )
                self._thread.start()
            return self._loop


async def _close(iterator: AsyncIterator[Any]) -> None:
    """End an iterator, if it is one that can be ended."""
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()


class Running(Generic[T]):
    """A coroutine of the loop, as the thread that waits for it sees it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._task: asyncio.Task[T] | None = None
        self._future: Future[T] = Future()

    def start(self) -> None:
        """Have it begin."""
        self._loop.call_soon_threadsafe(self._begin)

    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> T:
        """Wait for it, `timeout` seconds at most, and return what it returns; raises what it does, or TimeoutError."""
        return self._future.result(timeout)

    def cancel(self) -> None:
        """Cancel it, where it has not ended, and wait until it has: an interruption may come at any moment."""
        if not self._future.done():
            self._loop.call_soon_threadsafe(self._stop)
            wait((self._future,), CANCEL_SECONDS)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._ended)

    def _stop(self) -> None:
        if self._task is None:
            self._coroutine.close()
            self._future.set_exception(CancelledError())
        else:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self._future.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(task.result())
