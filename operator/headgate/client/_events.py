"""Watches as iterators: first what is there, then each change, over reconnects and for as long as it is iterated."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

from headgate.client._connection import field_value
from headgate.client._errors import error_of, unreachable
from headgate.kube.client import ApiError
from headgate.kube.list_watch import ListWatch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from headgate.client._connection import Connection, Json
    from headgate.kube.client import Api

EventType = Literal["ADDED", "MODIFIED", "DELETED"]

T = TypeVar("T")


class Change(NamedTuple, Generic[T]):
    """What has happened to an object, and the object as it is since, or was last."""

    type: EventType
    object: T


async def changes(
    connection: Connection, path: str, read: Callable[[Json], T], *, labels: str = "", fields: str = ""
) -> AsyncGenerator[Change[T], None]:
    """Yield an ADDED for each object that is there, and each change from then on; raises `HeadgateError`.

    A request that fails and may succeed later is made again; one that the API server refuses ends it.
    """
    async with aclosing(_follow(connection, path, read, labels, fields)) as told:
        async for change in told:
            if change is not None:
                yield change


async def versions(
    connection: Connection, path: str, name: str, read: Callable[[Json], T]
) -> AsyncGenerator[T, None]:
    """Yield an object as it is and after each change, and end when it is not there (any more); raises as `changes`."""
    there = False
    fields = f"metadata.name={field_value(name)}"
    async with aclosing(_follow(connection, path, read, "", fields)) as told:
        async for change in told:
            if change is None and not there:
                return
            if change is not None:
                there = True
                if change.type == "DELETED":
                    return
                yield change.object


async def _follow(
    connection: Connection, path: str, read: Callable[[Json], T], labels: str, fields: str
) -> AsyncGenerator[Change[T] | None, None]:
    """Yield changes, and None whenever all that is there has been told."""
    follower = _Follower(await connection.open(), path, read, labels=labels, fields=fields)
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


class _Follower(ListWatch[tuple[str, T]]):
    """Puts what the watch tells into a queue.

    It keeps the last of each object: a list that is taken anew shows which are gone, and not what they were.
    """

    def __init__(self, api: Api, path: str, read: Callable[[Json], T], *, labels: str, fields: str) -> None:
        super().__init__(lambda: api, path, labels=labels, fields=fields, subject=path)
        self.queue: asyncio.Queue[Change[T] | Exception | None] = asyncio.Queue()
        self._convert = read
        self._known: dict[str, tuple[str, T]] = {}
        self._server = api.base
        self._began = False

    async def follow(self) -> None:
        """Follow until cancelled, or until there is no use in it: the error comes last."""
        try:
            await self.run()
        except Exception as error:
            self.queue.put_nowait(error)

    def read(self, raw: Json) -> tuple[str, T]:
        """Return the UID and resourceVersion, and what the caller wants of an object."""
        metadata = raw["metadata"]
        return f"{metadata['uid']} {metadata['resourceVersion']}", self._convert(raw)

    def listed(self, objects: list[tuple[str, T]], version: str) -> None:
        """Tell how the list differs from what was known."""
        self._began = True
        there = {key.partition(" ")[0] for key, _ in objects}
        for uid in [uid for uid in self._known if uid not in there]:
            self.queue.put_nowait(Change("DELETED", self._known.pop(uid)[1]))
        for known in objects:
            self.seen(known)
        self.queue.put_nowait(None)

    def seen(self, known: tuple[str, T]) -> None:
        """Tell of an object that is new, or has another version."""
        key, converted = known
        uid, _, version = key.partition(" ")
        before = self._known.get(uid)
        if before is not None and before[0] == version:
            return
        self._known[uid] = (version, converted)
        self.queue.put_nowait(Change("ADDED" if before is None else "MODIFIED", converted))

    def gone(self, raw: Json) -> None:
        """Tell that an object was deleted."""
        self._known.pop(raw["metadata"]["uid"], None)
        self.queue.put_nowait(Change("DELETED", self._convert(raw)))

    def failed(self, error: Exception) -> None:
        """End where it is of no use to try again, and where nothing was ever heard of the API server."""
        if isinstance(error, ApiError):
            if error.is_final or not self._began:
                raise error_of(error.status, error.reason, error.message) from None
        elif not self._began:
            raise unreachable(self._server, error) from error
