"""The cluster's DNS, as far as Pods here need it: `names.py ADDRESS SERVER CA_FILE TOKEN_FILE`.

It knows the names of Services (A records only) and asks the API server for each anew, so nothing it says is ever out
of date. Run as a program of its own in the box: standard library only.
"""

from __future__ import annotations

import json
import socketserver
import ssl
import struct
import sys
import urllib.error
import urllib.request
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

DOMAIN: Final = ("svc", "cluster", "local")
A: Final = 1
TTL_SECONDS: Final = 5
ANSWER: Final = 0x8400
"""An answer, and an authoritative one."""
RECURSION_DESIRED: Final = 0x0100
NO_SUCH_NAME: Final = 3
SERVER_FAILED: Final = 2


class Services:
    """What the API server says of Services."""

    def __init__(self, server: str, ca_file: str, token_file: str) -> None:
        self._server = server
        self._context = ssl.create_default_context(cafile=ca_file)
        self._token = Path(token_file).read_text().strip()

    def address(self, namespace: str, name: str) -> IPv4Address | None:
        """Return the address of a Service, or None where there is none; raises OSError where nobody answers."""
        request = urllib.request.Request(
            f"{self._server}/api/v1/namespaces/{namespace}/services/{name}",
            headers={"Authorization": f"Bearer {self._token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10, context=self._context) as answer:
                return IPv4Address(json.load(answer)["spec"]["clusterIP"])
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
            raise
        except ValueError:  # one without an address
            return None


def question(query: bytes) -> tuple[tuple[str, ...], int, bytes]:
    """Return the name that a query asks for, the type of record, and the question as it stands there."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    (kind,) = struct.unpack_from("!H", query, at + 1)
    return tuple(labels), kind, query[12 : at + 5]


def reply(query: bytes, services: Services) -> bytes:
    """Return the answer to a query."""
    labels, kind, asked = question(query)
    code, record = 0, b""
    try:
        known = labels[2:] == DOMAIN
        address = services.address(labels[1], labels[0]) if known else None
    except OSError:
        code = SERVER_FAILED
    else:
        if address is None:
            code = NO_SUCH_NAME
        elif kind == A:
            record = struct.pack("!HHHIH", 0xC00C, A, 1, TTL_SECONDS, 4) + address.packed
    number, flags = struct.unpack_from("!HH", query)
    flags = ANSWER | (flags & RECURSION_DESIRED) | code
    return struct.pack("!HHHHHH", number, flags, 1, int(bool(record)), 0, 0) + asked + record


class Handler(socketserver.BaseRequestHandler):
    """Answers one datagram."""

    services: Services

    def handle(self) -> None:
        """Answer it."""
        query, there = self.request
        there.sendto(reply(query, self.services), self.client_address)


if __name__ == "__main__":
    Handler.services = Services(*sys.argv[2:])
    with socketserver.ThreadingUDPServer((sys.argv[1], 53), Handler) as server:
        server.serve_forever()
