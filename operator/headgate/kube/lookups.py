"""Host names, looked up so that one which gets no answer holds up no other.

A lookup cannot be called off: who waits for it may leave, but the thread that does it is in the C library until that
gives up, for half a minute where no name server answers. Event loops have few such threads for all names. So each
lookup here has a thread of its own, and there is one at a time for each name: whoever asks again meanwhile waits for
the same.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from typing import Any

    Info = tuple[Any, Any, int, str, tuple[Any, ...]]
    Lookup = tuple[str, int, int]
    """Host, port and family of addresses."""

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Lookups(AbstractResolver):
    """The lookups of one event loop, for as many clients as want."""

    def __init__(self) -> None:
        self._under_way: dict[Lookup, asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host; raises `OSError` where it has none."""
        lookup = (host, port, int(family))
        future = self._under_way.get(lookup)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            # A daemon: the process does not wait for it when it ends.
            threading.Thread(target=_look_up, args=(lookup, future), daemon=True).start()
            self._under_way[lookup] = future
            future.add_done_callback(lambda done: self._end(lookup, done))
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Do nothing: what is under way is nobody's in particular."""

    def _end(self, lookup: Lookup, done: asyncio.Future[list[ResolveResult]]) -> None:
        del self._under_way[lookup]
        if not done.cancelled():
            # Everybody may have left.
            done.exception()


def _look_up(lookup: Lookup, future: asyncio.Future[list[ResolveResult]]) -> None:
    """Look up a name, in a thread."""
    host, port, family = lookup
    addresses: list[ResolveResult] = []
    error: Exception | None = None
    try:
        infos = socket.getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        addresses = [_result(host, info) for info in infos]
    except Exception as problem:
        error = problem

    def tell() -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(addresses)

    # The loop may have been closed meanwhile.
    with suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(tell)


def _result(host: str, info: Info) -> ResolveResult:
    family, _, proto, _, address = info
    # With its zone, where it is valid on one link only.
    text, port = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return ResolveResult(hostname=host, host=text, port=int(port), family=family, proto=proto, flags=_NUMERIC)
