"""What was deleted while no watch could tell.

When the API server no longer remembers where a watch stopped (410), kopf lists anew and tells of all there is, and
never of what there is no more. Nor does it know what was loaded before its first list. So what the engine knows is
compared with names and UIDs from a list of metadata: a little after kopf has listed, and once in a while. What is not
there is read by itself before it is given up: another object of that name may have come meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from headgate.controllers.kinds import KINDS
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.resources import path_of
from headgate.kube.retry import backoff, pause_after

if TYPE_CHECKING:
    from headgate.controllers.context import Context
    from headgate.controllers.kind import Kind
    from headgate.kube.client import Api, Json

logger = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 60.0
SOON_SECONDS: Final = 1.0
"""kopf tells of a list object by object: this is for all of it."""


class Resync:
    """Has the engine forget what does not exist any more, whoever was to tell."""

    def __init__(self, api: Api, context: Context) -> None:
        self._api = api
        self._context = context
        self._wanted = asyncio.Event()

    def soon(self) -> None:
        """Have all kinds compared in a moment: there was a list instead of a watch."""
        self._wanted.set()

    async def run(self) -> None:
        """Compare until cancelled."""
        pauses = backoff()
        while True:
            try:
                for kind in KINDS:
                    await self._compare(kind)
            except (ApiError, *UNREACHABLE) as error:
                self._context.metrics.api_error("list", error)
                logger.info(
                    "cannot look for what was deleted, trying again: %s", error or type(error).__name__
                )
                await asyncio.sleep(pause_after(error, next(pauses)))
            else:
                pauses = backoff()
                with suppress(TimeoutError):
                    async with asyncio.timeout(INTERVAL_SECONDS):
                        await self._wanted.wait()
                        await asyncio.sleep(SOON_SECONDS)
                self._wanted.clear()

    async def look(self, kind: Kind[Any], name: str) -> None:
        """Read a known object anew and take in what has become of it; raises `ApiError` or one of `UNREACHABLE`."""
        engine = self._context.engine
        known = kind.known(engine, name)
        if known is None:
            return
        found: Json | None = None
        try:
            found = await self._api.call("GET", path_of(kind.model, name))
        except ApiError as error:
            if not error.is_missing:
                raise
        if not kind.knows(engine, known):
            # The watch was faster, and what was read may be older than what it told.
            return
        if found is not None:
            kind.take(found, self._context)
            return
        logger.info("%s %s was deleted, which no watch has told", kind.name, name)
        kind.lose(name, self._context)

    async def _compare(self, kind: Kind[Any]) -> None:
        # Taken before the list: what is known now and not in it is gone, not yet to come.
        known = kind.all_known(self._context.engine)
        if not known:
            return
        listed = {
            metadata["name"]: metadata["uid"]
            async for metadata in self._api.metadata_of_all(path_of(kind.model))
        }
        for resource in known:
            if listed.get(resource.name) != resource.metadata.uid and kind.knows(
                self._context.engine, resource
            ):
                await self.look(kind, resource.name)
