"""The client for an API server, as far as no API server is needed to see it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from headgate.kube.client import UNREACHABLE, Api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def answering(text: str) -> AsyncIterator[Api]:
    """A client of a server that gives every request this answer, and a watch nothing after it."""
    parted = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.Response(text=text)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(text.encode())
        await parted.wait()
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    api = Api(configuration)
    try:
        yield api
    finally:
        parted.set()
        await api.close()
        await runner.cleanup()


async def test_an_answer_that_is_not_json_is_none() -> None:
    async with answering("<html>sign in</html>\n") as api:
        with pytest.raises(UNREACHABLE):
            await api.call("GET", "/version")
        async with api.watch("/apis/batch/v1/jobs", silence=60) as events:
            with pytest.raises(UNREACHABLE):
                await anext(events)
        assert await api.text("/readyz") == "<html>sign in</html>\n"


async def test_a_closed_client_reaches_nobody() -> None:
    async with answering("{}") as api:
        assert await api.call("GET", "/version") == {}
        await api.close()
        with pytest.raises(UNREACHABLE):
            await api.call("GET", "/version")


async def test_a_watch_ends_when_its_client_is_closed() -> None:
    async with answering('{"type": "BOOKMARK"}\n') as api, api.watch("/apis", silence=60) as events:
        assert await anext(events) == {"type": "BOOKMARK"}
        next_event = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await api.close()
        await asyncio.wait({next_event}, timeout=30)
        assert isinstance(next_event.exception(), UNREACHABLE)


async def test_a_watch_that_is_left_before_it_opens_leaves_nothing_open() -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def answer_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        ended.set()
        writer.close()

    server = await asyncio.start_server(answer_nothing, "127.0.0.1", 0)
    async with server:
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        api = Api(configuration)

        async def look() -> None:
            async with api.watch("/apis", silence=60):
                raise AssertionError("there is no answer")

        looking = asyncio.create_task(look())
        await asyncio.wait_for(asked.wait(), 30)
        looking.cancel()
        await asyncio.wait({looking})
        await api.close()

        await asyncio.wait_for(ended.wait(), 30)
        assert api._left == set()
