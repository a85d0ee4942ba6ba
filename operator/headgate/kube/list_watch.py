"""Following a list of objects: a full list, then a watch from there on.

It keeps nothing itself: who follows is told what there is and what happens, in order. A watch ends all the time: it is
opened again where it stopped; when the API server no longer remembers that place (410), all is listed anew, and what
the list lacks is gone.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.paging import PAGE
from headgate.kube.retry import backoff, pause_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.kube.client import Api, Json

logger = logging.getLogger(__name__)

WATCH_SECONDS: Final = 290
"""How long the API server keeps one watch open."""
SILENCE_SECONDS: Final = 90.0
"""Bookmarks come about once a minute: a watch that is silent for longer is dead, whatever TCP says."""
SHORTEST_SECONDS: Final = 1.0
"""A watch that ends in order within this time is not an API server's, which must not be asked again at once."""
GONE: Final = 410

T = TypeVar("T")


class ListWatch(ABC, Generic[T]):
    """Follows the objects of one path that a label and a field selector select; `T` is what is kept of one."""

    def __init__(
        self,
        api: Callable[[], Api],
        path: str,
        *,
        labels: str,
        subject: str,
        fields: str = "",
        page: int = PAGE,
    ) -> None:
        """Follow what `api` reaches, which is asked for anew each time.

        `subject` is the log's word for the objects, `page` how many of them are listed at once.
        """
        self._api = api
        self._path = path
        self._labels = labels
        self._fields = fields
        self._subject = subject
        self._page = page
        self._version = ""

    @abstractmethod
    def read(self, raw: Json) -> T | None:
        """Return what is kept of an object, None to leave it out."""

    @abstractmethod
    def listed(self, objects: list[T], version: str) -> None:
        """Take in all there is at a resourceVersion: what is not among it is gone."""

    @abstractmethod
    def seen(self, known: T) -> None:
        """Take in a version of an object."""

    @abstractmethod
    def gone(self, raw: Json) -> None:
        """Take in that an object was deleted, with its last state."""

    def passed(self, version: str) -> None:
        """Take in that nothing else has happened up to a resourceVersion."""

    def opened(self) -> None:
        """Take in that the API server has opened a watch."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """Take in that a request failed; it is tried again."""

    async def list(self) -> None:
        """List all there is, page by page; raises `ApiError`, or one of `UNREACHABLE`."""
        objects: list[T] = []
        version = ""
        async for page in self._api().pages(
            self._path, limit=self._page, labelSelector=self._labels, fieldSelector=self._fields
        ):
            version = page["metadata"]["resourceVersion"]
            objects.extend(known for raw in page["items"] if (known := self.read(raw)) is not None)
            # Parsing a page takes a while: renewing the lease must not wait for all of them.
            await asyncio.sleep(0)
        self.listed(objects, version)
        self._version = version

    async def run(self) -> None:
        """Follow until cancelled; `list` has been called once."""
        pauses = backoff()
        while True:
            try:
                if not self._version:
                    await self.list()
                began = monotonic()
                await self._watch()
                if monotonic() - began > SHORTEST_SECONDS:
                    pauses = backoff()
                else:
                    await asyncio.sleep(next(pauses))
            except ApiError as error:
                if error.status == GONE:
                    logger.info("the watch of %s is too old, listing them anew", self._subject)
                    self._version = ""
                    # One that has forgotten its own list at once must not be asked for all of it again and again.
                    await asyncio.sleep(next(pauses))
                    continue
                await self._recover(error, next(pauses))
            except UNREACHABLE as error:
                await self._recover(error, next(pauses))

    async def _watch(self) -> None:
        async with self._api().watch(
            self._path,
            silence=SILENCE_SECONDS,
            labelSelector=self._labels,
            fieldSelector=self._fields,
            resourceVersion=self._version,
            timeoutSeconds=str(WATCH_SECONDS),
        ) as events:
            self.opened()
            async for event in events:
                self._take(event)

    def _take(self, event: Json) -> None:
        raw: dict[str, Any] = event["object"]
        kind = event["type"]
        if kind == "ERROR":
            raise ApiError(int(raw.get("code") or 500), raw.get("reason") or "", raw.get("message") or "")
        version: str = raw["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            self.passed(version)
        elif kind == "DELETED":
            self.gone(raw)
        elif (known := self.read(raw)) is not None:
            self.seen(known)
        self._version = version

    async def _recover(self, error: Exception, pause: float) -> None:
        self.failed(error)
        await asyncio.sleep(pause_after(error, pause))
