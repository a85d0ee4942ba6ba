"""Sending a write until it is known what becomes of it.

Whoever is told "refused" gives the place of an admission to another Job. So that is said only of a write that can no
longer land: all its attempts were answered before anything was stored; or the last one of which that is not known was
so long ago that no API server works on it any more, and the Job is still as it was. Until then the write goes on
counting, but while it pauses it keeps nobody else from being sent.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from headgate.api.names import TERM_ANNOTATION
from headgate.dispatch.breaker import Breaker
from headgate.dispatch.writes import read_version, send
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.retry import backoff, pause_after

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from headgate.engine.decisions import Write
    from headgate.kube.client import Api
    from headgate.telemetry.metrics import Metrics

MAX_SENT: Final = 32
"""Writes on their way to the API server at once: few, so the order of decisions is the order in which Jobs go."""
MAX_UNSETTLED: Final = 256
"""Writes of which it is not known yet what becomes of them, those that pause before the next attempt among them."""
ATTEMPTS: Final = 3
"""How often a write may go wrong in a way of its own before it is given up for now."""
PATIENCE_SECONDS: Final = 30.0
"""How long it may go wrong in a way that may also be the API server's."""
SLOW_SECONDS: Final = 2.0
"""What goes wrong and takes longer than this is not to be waited for by others."""
LANDED_SECONDS: Final = 120.0
"""An attempt this old has landed, or never will: an API server gives a request a minute."""
_CONFLICT: Final = "it answered with a conflict, although the Job had not changed"


class Outcome(NamedTuple):
    """What became of a write."""

    fate: Literal["written", "outdated", "refused"]
    why: str = ""


class _Failure(NamedTuple):
    """An attempt that leaves open what becomes of a write."""

    error: Exception
    seconds: float


class Deliveries:
    """The writes under way, of the leader of one term."""

    def __init__(
        self,
        api: Api,
        *,
        term: str,
        metrics: Metrics,
        suspect_deposed: Callable[[], None],
        rested: Callable[[], None],
    ) -> None:
        """Prepare; `rested` is called when there is room for another write although none has ended."""
        self._api = api
        self._term = term
        self._metrics = metrics
        self._suspect_deposed = suspect_deposed
        self._rested = rested
        self._breaker = Breaker()
        self._slots = asyncio.Semaphore(MAX_SENT)
        self._stopped = asyncio.Event()
        self._unsettled = 0
        self._resting = 0

    @property
    def room(self) -> int:
        """How many more writes may begin now."""
        return max(min(MAX_SENT + self._resting, MAX_UNSETTLED) - self._unsettled, 0)

    def deliver(self, write: Write, stamp: str) -> Coroutine[None, None, Outcome | None]:
        """Send a write until it is known what becomes of it; None when told to stop before.

        It takes its room now, not only when it is awaited.
        """
        self._unsettled += 1
        return self._deliver(write, stamp)

    def stop(self) -> None:
        """Try nothing again. What is on its way is waited for."""
        self._stopped.set()

    async def _deliver(self, write: Write, stamp: str) -> Outcome | None:
        namespace = write.job.namespace
        attempts = _Attempts()
        pauses = backoff()
        try:
            while not self._stopped.is_set():
                if (why := self._breaker.why_not(namespace)) is not None:
                    return await self._settle(write, attempts, why)
                with self._breaker.trying(namespace):
                    result = await self._attempt(write, stamp)
                if isinstance(result, Outcome):
                    self._breaker.close(namespace)
                    if result.fate == "outdated" and attempts.unsure_at is not None:
                        return await self._doubt(write, attempts)
                    return result
                if self._gives_up(namespace, attempts, result):
                    return await self._settle(write, attempts, _words(result.error))
                await self._rest(pause_after(result.error, next(pauses)))
            return None
        finally:
            self._unsettled -= 1

    async def _attempt(self, write: Write, stamp: str) -> Outcome | _Failure:
        """Send a write once; return what became of it, or the error that leaves that open."""
        async with self._slots:
            began = monotonic()
            try:
                await send(self._api, write, term=self._term, now=stamp)
            except (ApiError, *UNREACHABLE) as error:
                self._metrics.api_error("patch", error)
                if isinstance(error, ApiError) and error.status in (404, 409) and not error.by_admission:
                    return Outcome("outdated")
                return _Failure(error, monotonic() - began)
        return Outcome("written")

    def _gives_up(self, namespace: str, attempts: _Attempts, failure: _Failure) -> bool:
        """Take note of a failure; return whether the write is not to be sent again for now."""
        error = failure.error
        if isinstance(error, ApiError) and is_fenced(error):
            self._suspect_deposed()
            return False
        is_open = self._breaker.is_open(namespace)
        attempts.failed(error)
        match _blame(error):
            case "refused":
                self._breaker.close(namespace)
                return True
            case "own":
                gives_up = is_open or attempts.are_enough
                if gives_up or failure.seconds > SLOW_SECONDS:
                    self._breaker.open(namespace, _words(error))
                return gives_up
            case _:
                return False

    async def _settle(self, write: Write, attempts: _Attempts, why: str) -> Outcome | None:
        """Find out what has become of a write that is given up."""
        if attempts.unsure_at is None:
            return Outcome("refused", why)
        await self._rest(attempts.unsure_at + LANDED_SECONDS - monotonic())
        return await self._look(write, why)

    async def _doubt(self, write: Write, attempts: _Attempts) -> Outcome | None:
        """Find out what has become of a write that met a conflict after an attempt that may still land.

        Anything in the way of a write may answer so. Only a newer version keeps that attempt from landing.
        """
        outcome = await self._look(write, _CONFLICT)
        if outcome is not None and outcome.fate == "refused":
            return await self._settle(write, attempts, outcome.why)
        return outcome

    async def _look(self, write: Write, why: str) -> Outcome | None:
        """Read the Job; return that the write is outdated, or else refused for a reason."""
        pauses = backoff()
        while not self._stopped.is_set():
            try:
                version = await read_version(self._api, write.job)
            except (ApiError, *UNREACHABLE) as error:
                self._metrics.api_error("get", error)
                await self._rest(pause_after(error, next(pauses)))
            else:
                return Outcome("refused", why) if version == write.resource_version else Outcome("outdated")
        return None

    async def _rest(self, seconds: float) -> None:
        with self._at_rest(), suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._stopped.wait()

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        self._resting += 1
        self._rested()
        try:
            yield
        finally:
            self._resting -= 1


class _Attempts:
    """What is known of the attempts at one write."""

    def __init__(self) -> None:
        self.unsure_at: float | None = None
        """When the last one ended that may still land."""
        self._own = 0
        self._patience = 0.0
        self._began = monotonic()

    @property
    def are_enough(self) -> bool:
        """Whether it has gone wrong in a way of its own often enough, and for long enough."""
        return self._own >= ATTEMPTS and monotonic() - self._began >= self._patience

    def failed(self, error: Exception) -> None:
        """Take note of an error."""
        if not _has_stored_nothing(error):
            self.unsure_at = monotonic()
            self._patience = PATIENCE_SECONDS
        self._own += _blame(error) == "own"


def is_fenced(error: ApiError) -> bool:
    """Whether the API server took this replica for one that does not lead.

    It may be right, or its view of the Lease lags behind a take-over: the first is found out, the second passes.
    """
    return error.status in (403, 422) and f"{TERM_ANNOTATION}: term " in error.message


def _blame(error: Exception) -> Literal["refused", "own", "everybody's"]:
    """Return whether a write was refused, goes wrong by itself, or fares no worse than any other would."""
    if isinstance(error, ApiError):
        if error.is_final:
            return "refused"
        return "everybody's" if error.is_general else "own"
    return "own" if isinstance(error, TimeoutError) else "everybody's"


def _has_stored_nothing(error: Exception) -> bool:
    """Whether what was asked for will not happen any more; a plain 500 may come from a store that is late."""
    return isinstance(error, ApiError) and (
        error.by_admission or (error.status < 500 and error.status != 408)
    )


def _words(error: Exception) -> str:
    return error.message if isinstance(error, ApiError) else "it did not answer in time"
