"""Following a list on a server that is none of Kubernetes': with one, see `tests/cluster/test_watch.py`."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from headgate.kube.client import Api
from headgate.kube.list_watch import ListWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from headgate.kube.client import Json

WATCHES = 5
EMPTY = {"metadata": {"resourceVersion": "1"}, "items": []}
FORGOTTEN = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}


class Follower(ListWatch[dict[str, Any]]):
    def read(self, raw: Json) -> Json:
        return raw

    def listed(self, objects: list[Json], version: str) -> None:
        assert (objects, version) == ([], "1")

    def seen(self, known: Json) -> None:
        raise AssertionError(known)

    def gone(self, raw: Json) -> None:
        raise AssertionError(raw)

    def failed(self, error: Exception) -> None:
        raise error


@asynccontextmanager
async def following(
    handle: Callable[[web.Request], Awaitable[web.Response]],
) -> AsyncIterator[asyncio.Task[None]]:
    """Somebody who follows what this server tells."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    api = Api(configuration)
    task = asyncio.create_task(Follower(lambda: api, "/things", labels="", subject="things").run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await api.close()
        await runner.cleanup()


async def times_of_watches(answer: dict[str, Any] | None) -> list[float]:
    """When the first watches are opened of a server that answers each of them so."""
    opened: list[float] = []
    enough = asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        if "watch" not in request.query:
            return web.json_response(EMPTY)
        opened.append(monotonic())
        if len(opened) == WATCHES:
            enough.set()
        return (
            web.Response()
            if answer is None
            else web.json_response(answer, dumps=lambda it: json.dumps(it) + "\n")
        )

    async with following(handle) as task:
        await asyncio.wait({task, asyncio.create_task(enough.wait())}, return_when="FIRST_COMPLETED")
        assert not task.done()
    return opened


@pytest.mark.parametrize("answer", [None, FORGOTTEN], ids=["ended", "forgotten"])
async def test_a_watch_that_ends_at_once_is_not_opened_again_at_once(answer: dict[str, Any] | None) -> None:
    """Or else a server that answers whatever it is asked would be asked as fast as it can answer."""
    opened = await times_of_watches(answer)
    # Pauses of 0.1, 0.2, 0.4 and 0.8 seconds, or half as long by chance.
    assert opened[-1] - opened[0] > 0.7
