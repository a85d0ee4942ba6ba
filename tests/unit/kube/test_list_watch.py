"""Following a list on a server that is none of Kubernetes': with one, see `tests/cluster/test_watch.py`."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from aiohttp import web
from kubernetes.aio.client import Configuration

from headgate.kube.client import Api
from headgate.kube.list_watch import ListWatch

if TYPE_CHECKING:
    from headgate.kube.client import Json

WATCHES = 5


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


async def test_a_watch_that_ends_at_once_is_not_opened_again_at_once() -> None:
    """Or else a server that answers whatever it is asked would be asked as fast as it can answer."""
    opened: list[float] = []
    enough = asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        if "watch" in request.query:
            opened.append(monotonic())
            if len(opened) == WATCHES:
                enough.set()
            return web.Response()
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    api = Api(configuration)
    follower = Follower(lambda: api, "/things", labels="", subject="things")
    following = asyncio.ensure_future(follower.run())
    try:
        await asyncio.wait({following, asyncio.ensure_future(enough.wait())}, return_when="FIRST_COMPLETED")
        assert not following.done()
        # Pauses of 0.1, 0.2, 0.4 and 0.8 seconds, or half as long by chance.
        assert opened[-1] - opened[0] > 0.7
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await api.close()
        await runner.cleanup()
