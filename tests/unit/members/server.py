"""A small HTTPS server, and a proxy before it: what a client for a member meets, without Kubernetes."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CERTIFICATES = Path(__file__).parents[2] / "certificates"
NAME = "member.test"
"""The name in the server's certificate."""


def pem(name: str) -> bytes:
    return (CERTIFICATES / name).read_bytes()


def data(name: str) -> str:
    """A certificate or key as it stands in a kubeconfig."""
    return base64.b64encode(pem(name)).decode()


@dataclass
class Asked:
    """What came with a request."""

    authorization: str | None
    user: str | None
    """The common name of the client's certificate."""
    server_name: str | None
    """The name by which the client asked for the server, in TLS."""


@dataclass
class Server:
    port: int
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@asynccontextmanager
async def https_server() -> AsyncIterator[Server]:
    """Answer every request, and note what came with it."""
    names: list[str | None] = []
    context = server_tls()
    context.verify_mode = ssl.CERT_OPTIONAL
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server = Server(0)

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        certificate: dict[str, Any] | None = request.transport.get_extra_info("peercert")
        subject = dict(part[0] for part in certificate["subject"]) if certificate else {}
        server.asked.append(
            Asked(
                request.headers.get("Authorization"), subject.get("commonName"), names[-1] if names else None
            )
        )
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


def server_tls() -> ssl.SSLContext:
    """TLS with the server's certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(CERTIFICATES / "ca.crt"))
    context.load_cert_chain(CERTIFICATES / "server.crt", CERTIFICATES / "server.key")
    return context


@asynccontextmanager
async def http_proxy(*, tls: bool = False) -> AsyncIterator[tuple[int, list[str]]]:
    """Carry connections (CONNECT) for who asks; the port, and the first lines and headers of what was asked."""
    asked: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65536):
            sink.write(chunk)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head)
        host, _, port = head.split()[1].rpartition(":")
        upstream, downstream = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ways = [asyncio.create_task(copy(reader, downstream)), asyncio.create_task(copy(upstream, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            downstream.transport.abort()
            writer.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=server_tls() if tls else None)
    try:
        yield listener.sockets[0].getsockname()[1], asked
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # Until the connections have noticed that they are closed.
