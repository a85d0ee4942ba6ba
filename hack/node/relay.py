"""Lets the box reach the API server, which listens on the machine's 127.0.0.1 only: `relay.py NAMESPACE PORT`.

It listens on that port in a network namespace (a file, as in /proc/PID/ns/net) and connects to the same port of the
machine's 127.0.0.1, so that inside the API server has the address that it has outside. Run as a program of its own:
standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import sys

CLONE_NEWNET = 0x40000000


def listener(namespace: str, port: int) -> socket.socket:
    """Return a socket that listens in another network namespace, and come back from there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as here, open(namespace, "rb") as there:
        enter(libc, there.fileno())
        try:
            return socket.create_server(("0.0.0.0", port), backlog=512)
        finally:
            enter(libc, here.fileno())


def enter(libc: ctypes.CDLL, namespace: int) -> None:
    """Go into a network namespace. The functions of `os` for this are of Python 3.12."""
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, until the end of it."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def serve(there: socket.socket, port: int) -> None:
    """Connect whoever comes, for ever."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        except OSError:  # the API server is away: so is this
            writer.close()
            return
        await asyncio.gather(pass_on(reader, to_server), pass_on(from_server, writer))

    server = await asyncio.start_server(connect, sock=there)
    await server.serve_forever()


if __name__ == "__main__":
    number = int(sys.argv[2])
    asyncio.run(serve(listener(sys.argv[1], number), number))
