"""A kubelet played by a small server, for the API server to ask it for logs, as no container runs here."""

from __future__ import annotations

import os
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from controlplane.nodes import NodeShape, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness.cluster import Site

CERTIFICATES = Path(__file__).parents[2] / "certificates"


class Kubelet(BaseHTTPRequestHandler):
    """Answers for the log of any container: what it was asked, and two lines, the last without an end."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        container = url.path.rpartition("/")[2]
        asked = ",".join(sorted(f"{key}={value[0]}" for key, value in parse_qs(url.query).items()))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{container} {asked}\nzweite Zeile: ü\n".encode() + b"the end")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def a_node_with_logs(site: Site, *, simulated: bool = True) -> Iterator[str]:
    """A node whose kubelet answers, and to which nothing is scheduled by itself; its name.

    Where it is not `simulated`, its Pods stay as they are until the test says otherwise.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Kubelet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.crt", CERTIFICATES / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"logs-{os.urandom(4).hex()}"
    body = manifest(name, NodeShape())
    body["spec"] = {"unschedulable": True}
    if not simulated:
        body["metadata"].pop("annotations")
    body["status"] |= {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_address[1]}},
    }
    site.admin.create("/api/v1/nodes", body)
    try:
        yield name
    finally:
        site.admin.delete(f"/api/v1/nodes/{name}")
        server.shutdown()
        server.server_close()
