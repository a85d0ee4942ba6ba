"""What a test puts between a client and the API server.

A `Wire` can be cut, without a look at what goes over it: that drops watches, and loses the answers of writes that were
carried out. Or it can be held: then nothing arrives, and nobody is told, as when a network is parted. A `Gate` speaks
TLS with the API server and none with the client, so it can hold back some requests, and answer some itself: watches as
an API server does that has forgotten where they stopped, writes with a conflict that there is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType


class Wire:
    """Forwards TCP connections from a port of its own to a server."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._target = (parts.hostname or "", parts.port or 443)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.server = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._threads: list[threading.Thread] = []
        self._open = threading.Event()
        self._open.set()

    def __len__(self) -> int:
        """Return how many connections there are."""
        with self._lock:
            return len(self._pairs)

    def cut(self) -> int:
        """Drop every connection now, both ways; return how many there were. New ones are served."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        return len(pairs)

    def lead_to(self, server: str) -> None:
        """Lead new connections to another server, and drop those there are."""
        parts = urlsplit(server)
        self._target = (parts.hostname or "", parts.port or 443)
        self.cut()

    def hold(self) -> None:
        """Let nothing through any more, in either way; connections stay, and new ones are taken."""
        self._open.clear()

    def release(self) -> None:
        """Let through what was held, and all that comes."""
        self._open.set()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing through for a while."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.release()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _spawn(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                upstream = socket.create_connection(self._target, timeout=60)
            except OSError:
                client.close()
                continue
            upstream.settimeout(None)
            self._spawn(self._pump, client, upstream)

    def _pump(self, client: socket.socket, upstream: socket.socket) -> None:
        pair = (client, upstream)
        with self._lock:
            self._pairs.add(pair)
        try:
            while True:
                for end in select.select(pair, [], [])[0]:
                    self._open.wait()
                    data = end.recv(65536)
                    if not data:
                        return
                    (upstream if end is client else client).sendall(data)
        except OSError:
            return
        finally:
            with self._lock:
                self._pairs.discard(pair)
            client.close()
            upstream.close()


FORGOTTEN = b"""\
{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old resource version: \
1 (2)","reason":"Expired","code":410}}
"""
CLASH = b"""\
{"kind":"Status","apiVersion":"v1","status":"Failure","message":"the object has been modified","reason":"Conflict",\
"code":409}
"""


class Gate:
    """Forwards HTTP to the API server, but for requests in whose first words a part occurs that is held back."""

    def __init__(self, server: str, ca_file: Path) -> None:
        parts = urlsplit(server)
        self._target = (parts.hostname or "", parts.port or 443)
        self._tls = ssl.create_default_context(cafile=str(ca_file))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.server = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._part = b""
        self._forgotten: list[bytes] = []
        self._clashes: list[bytes] = []
        self.holds = 0
        """How many requests it holds back now."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=[self._serve()], daemon=True
        )
        self._end = asyncio.Event()

    def hold(self, part: str) -> None:
        """Hold back, from now on, requests that have this in their first words."""
        self._loop.call_soon_threadsafe(self._set, part.encode())

    def release(self) -> None:
        """Let go on what was held back, and whatever comes."""
        self._loop.call_soon_threadsafe(self._set, b"")

    def cut(self) -> None:
        """Drop every connection now; new ones are served."""
        self._loop.call_soon_threadsafe(self._cut)

    def forget(self, *parts: str) -> None:
        """Tell once each watch that has one of these in its first words that it is too old (410)."""
        self._loop.call_soon_threadsafe(self._forgotten.extend, [part.encode() for part in parts])

    def clash(self, *parts: str) -> None:
        """Answer one request that has a part in its first words, for each, with a conflict, and do not forward it."""
        self._loop.call_soon_threadsafe(self._clashes.extend, [part.encode() for part in parts])

    @property
    def clashes(self) -> int:
        """How many requests are still to be answered so."""
        return len(self._clashes)

    @property
    def remembers(self) -> bool:
        """Whether every watch that was forgotten has been told so."""
        return not self._forgotten

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.close()

    def _set(self, part: bytes) -> None:
        self._part = part
        if part:
            self._open.clear()
        else:
            self._open.set()

    def _cut(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _serve(self) -> None:
        tasks = self._tasks

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._forward(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            # Here, not in the task: one that is cancelled before it begins would leave the connection open.
            task.add_done_callback(lambda _: writer.transport.abort())

        async with await asyncio.start_server(connected, sock=self._listener) as server:
            await self._end.wait()
            server.close()
            # What was accepted in the last moment is served a moment later: there may be more after these.
            await asyncio.sleep(0.05)
            while tasks:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
        await asyncio.sleep(0.05)  # Until the connections have noticed that they are closed.

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(*self._target, ssl=self._tls)
        except OSError:
            return
        # Whichever side ends, the other has nobody to talk to.
        ways = [
            self._loop.create_task(self._ask(reader, to_server, writer)),
            self._loop.create_task(self._copy(from_server, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_server.transport.abort()

    async def _ask(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter, answer: asyncio.StreamWriter
    ) -> None:
        while data := await client.read(65536):
            first_words = data.partition(b"\r\n")[0]
            if self._part and self._part in first_words:
                self.holds += 1
                await self._open.wait()
                self.holds -= 1
            for part in self._forgotten:
                if b"watch=" in first_words and part in first_words:
                    self._forgotten.remove(part)
                    await _answer(answer, "200 OK", FORGOTTEN)
                    return
            for part in self._clashes:
                if part in first_words:
                    self._clashes.remove(part)
                    await _take_in(client, data)
                    await _answer(answer, "409 Conflict", CLASH)
                    return
            server.write(data)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            # Without a wait until it is taken: a client that is frozen must not slow down what tells it the news.
            sink.write(data)


async def _take_in(client: asyncio.StreamReader, data: bytes) -> None:
    """Read what is missing of a request: a client that is cut off while it sends sees no answer."""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += await client.read(65536)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", data[:end])
    if length is not None:
        await client.readexactly(max(int(length[1]) - (len(data) - end - 4), 0))


async def _answer(writer: asyncio.StreamWriter, status: str, body: bytes) -> None:
    """Answer a request in the API server's place, and close the connection."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()


def through(server: str, kubeconfig: Path, directory: Path) -> Path:
    """Return a copy of a kubeconfig that names another server."""
    config = yaml.safe_load(kubeconfig.read_text())
    for cluster in config["clusters"]:
        cluster["cluster"]["server"] = server
    path = directory / "through.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
