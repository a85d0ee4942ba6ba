"""Watches as iterators: first what is there, then each change, over reconnects and for as long as it is iterated."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

from headgate.client._connection import Outage, field_value
from headgate.client._errors import HeadgateError, error_of, unreachable
from headgate.kube.client import ApiError
from headgate.kube.list_watch import ListWatch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from headgate.client._connection import Connection, Json
    from headgate.kube.client import Api

logger = logging.getLogger(__name__)

EventType = Literal["ADDED", "MODIFIED", "DELETED"]

T = TypeVar("T")


class Change(NamedTuple, Generic[T]):
    """What has happened to an object, and the object as it is since, or was last."""

    type: EventType
    object: T


async def changes(
    connection: Connection,
    path: str,
    read: Callable[[Json], T | None],
    *,
    labels: str = "",
    fields: str = "",
    after: str | None = None,
) -> AsyncGenerator[Change[T], None]:
    """Yield an ADDED for each object that is there, and each change from then on; raises `HeadgateError`.

    `read` returns None for what does not matter; what does not any more is told as DELETED, as it was last. With
    `after`, a resourceVersion, only what has changed since is told, the first time as ADDED. A request that fails and
    may succeed later is made again; one that the API server refuses ends it.
    """
    async with aclosing(_follow(connection, path, read, labels, fields, after)) as told:
        async for change in told:
            if change is not None:
                yield change


async def versions(
    connection: Connection, path: str, name: str, read: Callable[[Json], T]
) -> AsyncGenerator[T, None]:
    """Yield an object as it is and after each change, and end when it is not there (any more); raises as `changes`."""
    there = False
    fields = f"metadata.name={field_value(name)}"
    async with aclosing(_follow(connection, path, read, "", fields, None)) as told:
        async for change in told:
            if change is None and not there:
                return
            if change is not None:
                there = True
                if change.type == "DELETED":
                    return
                yield change.object


async def _follow(
    connection: Connection,
    path: str,
    read: Callable[[Json], T | None],
    labels: str,
    fields: str,
    after: str | None,
) -> AsyncGenerator[Change[T] | None, None]:
    """Yield changes, and None whenever all that is there has been told."""
    api = await connection.open()
    follower = _Follower(
        api, path, read, labels=labels, fields=fields, after=after, outages=connection.outages
    )
    task = asyncio.create_task(follower.follow())
    try:
        while True:
            change = await follower.queue.get()
            if isinstance(change, Exception):
                raise change
            yield change
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        follower.heard()


class _Version(NamedTuple, Generic[T]):
    """A version of an object, and what the caller wants of it; None where it does not matter."""

    uid: str
    number: int
    """Its resourceVersion."""
    object: T | None


class _Follower(ListWatch[_Version[T]]):
    """Puts what the watch tells into a queue.

    It keeps the last of each object that was told: a list that is taken anew shows which are gone, and not what they
    were.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        read: Callable[[Json], T | None],
        *,
        labels: str,
        fields: str,
        after: str | None = None,
        outages: dict[int, Outage],
    ) -> None:
        super().__init__(lambda: api, path, labels=labels, fields=fields, subject=path)
        self.queue: asyncio.Queue[Change[T] | Exception | None] = asyncio.Queue()
        self._convert = read
        self._told: dict[str, tuple[int, T]] = {}
        self._unreadable: set[str] = set()
        self._server = api.base
        self._outages = outages
        self._heard_at = time.time()
        self._version = after or ""
        self._latest = int(after or 0)
        self._began = after is not None

    async def follow(self) -> None:
        """Follow until cancelled, or until there is no use in it: the error comes last."""
        try:
            await self.run()
        except Exception as error:
            self.queue.put_nowait(error)

    def heard(self) -> None:
        """Take note that the API server is there."""
        self._heard_at = time.time()
        self._outages.pop(id(self), None)

    def read(self, raw: Json) -> _Version[T]:
        """Return the version of an object; one that makes no sense is as it was before, if it was told."""
        metadata = raw["metadata"]
        uid, number = metadata["uid"], int(metadata["resourceVersion"])
        try:
            return _Version(uid, number, self._convert(raw))
        except HeadgateError as error:
            if uid not in self._unreadable:
                logger.warning("%s", error)
            self._unreadable.add(uid)
            before = self._told.get(uid)
            return _Version(uid, number, before[1] if before is not None else None)

    def opened(self) -> None:
        """Take note that the API server answers."""
        self.heard()

    def listed(self, objects: list[_Version[T]], version: str) -> None:
        """Tell how the list differs from what was known."""
        self.heard()
        self._began = True
        there = {each.uid for each in objects}
        for uid in [uid for uid in self._told if uid not in there]:
            self.queue.put_nowait(Change("DELETED", self._told.pop(uid)[1]))
        # What is older was seen, or was there before `after`.
        latest = self._latest
        for each in objects:
            if each.number > latest:
                self.seen(each)
        self._latest = int(version)
        self.queue.put_nowait(None)

    def seen(self, known: _Version[T]) -> None:
        """Tell of an object that is new, or has another version."""
        self.heard()
        uid, self._latest, wanted = known
        before = self._told.get(uid)
        if before is not None and before[0] == known.number:
            return
        if wanted is not None:
            self._told[uid] = (known.number, wanted)
            self.queue.put_nowait(Change("ADDED" if before is None else "MODIFIED", wanted))
        elif before is not None:
            self.queue.put_nowait(Change("DELETED", self._told.pop(uid)[1]))

    def passed(self, version: str) -> None:
        """Take note that nothing else has happened."""
        self.heard()
        self._latest = int(version)

    def gone(self, raw: Json) -> None:
        """Tell that an object was deleted."""
        self.heard()
        uid, self._latest, last = self.read(raw)
        before = self._told.pop(uid, None)
        if last is None and before is not None:
            last = before[1]
        if last is not None:
            self.queue.put_nowait(Change("DELETED", last))

    def failed(self, error: Exception) -> None:
        """End where it is of no use to try again, and where nothing was ever heard of the API server."""
        if isinstance(error, ApiError):
            if error.is_final or not self._began:
                raise error_of(error.status, error.reason, error.message) from None
        elif not self._began:
            raise unreachable(self._server, error) from error
        self._outages[id(self)] = Outage(self._heard_at, str(error) or type(error).__name__)
