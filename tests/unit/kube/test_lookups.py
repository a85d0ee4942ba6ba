"""Lookups of host names: one at a time for each, and none that waits for another's."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from headgate.kube.lookups import Lookups


class NameServers:
    """What answers for the names of a test, which may take its time."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.hung = threading.Event()
        """Set when those that hang are let go."""

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked[host] += 1
        if host.startswith("hung"):
            self.hung.wait(60)
        if host.startswith("unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> NameServers:
    servers = NameServers()
    monkeypatch.setattr(socket, "getaddrinfo", servers.getaddrinfo)
    return servers


async def tried(lookups: Lookups, host: str) -> None:
    """Look a name up, and leave before there is an answer."""
    task = asyncio.create_task(lookups.resolve(host, 443))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_name_that_hangs_is_asked_for_once_however_often_one_tries(servers: NameServers) -> None:
    lookups = Lookups()
    for _ in range(20):
        await tried(lookups, "hung.example")
    waiting = asyncio.create_task(lookups.resolve("hung.example", 443))
    await asyncio.sleep(0)
    servers.hung.set()
    (found,) = await waiting
    assert (found["hostname"], found["host"], found["port"]) == ("hung.example", "127.0.0.1", 443)
    assert servers.asked == {"hung.example": 1}
    # What was found then may have changed since.
    await lookups.resolve("hung.example", 443)
    assert servers.asked == {"hung.example": 2}


async def test_others_are_found_while_many_hang(servers: NameServers) -> None:
    lookups = Lookups()
    for number in range(200):
        await tried(lookups, f"hung-{number}.example")
    (found,) = await lookups.resolve("well.example", 443)
    assert found["host"] == "127.0.0.1"
    servers.hung.set()


async def test_a_name_that_is_not_there(servers: NameServers) -> None:
    lookups = Lookups()
    with pytest.raises(socket.gaierror):
        await lookups.resolve("unknown.example", 443)
    # Nobody waits for the answer any more: it is nobody's error.
    await tried(lookups, "unknown.example")
    while lookups._under_way:
        await asyncio.sleep(0.001)


def test_an_answer_after_the_end_is_none(servers: NameServers) -> None:
    asyncio.run(tried(Lookups(), "hung.example"))
    servers.hung.set()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon and "look_up" in thread.name:
            thread.join(60)


async def test_it_serves_clients(servers: NameServers) -> None:
    app = web.Application()
    app.router.add_get("/", _answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    lookups = Lookups()
    try:
        for _ in range(2):
            connector = aiohttp.TCPConnector(resolver=lookups)
            url = f"http://well.example:{runner.addresses[0][1]}/"
            async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as response:
                assert await response.text() == "ok"
    finally:
        await runner.cleanup()
    assert servers.asked == {"well.example": 2}


async def _answer(_: web.Request) -> web.Response:
    return web.Response(text="ok")
