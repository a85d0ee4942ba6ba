"""Logs, through a real API server; the kubelet that it asks is played by a small server, as no container runs here."""

from __future__ import annotations

import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.cluster.harness.client import ENDLESS, eventually

from controlplane.nodes import NodeShape, manifest
from headgate.client import LogLine, NotFoundError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness.client import User
    from tests.cluster.harness.cluster import Site

    from headgate.client import Client

CERTIFICATES = Path(__file__).parents[2] / "certificates"

pytestmark = pytest.mark.usefixtures("operator")


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


@pytest.fixture(scope="module")
def node(site: Site) -> Iterator[str]:
    """A simulated node whose kubelet answers, and to which nothing is scheduled by itself."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Kubelet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.crt", CERTIFICATES / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"logs-{os.urandom(4).hex()}"
    body = manifest(name, NodeShape())
    body["spec"] = {"unschedulable": True}
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


def test_logs(client: Client, viewer: Client, given: User, node: str) -> None:
    given.queue("line")
    containers = [{"name": name, "image": "none"} for name in ("main", "side")]
    given.job("two", "line", seconds=ENDLESS, parallelism=2, pod={"nodeName": node, "containers": containers})
    eventually(lambda: [pod["status"]["phase"] for pod in given.pods("two")] == ["Running"] * 2)
    pods = {pod["metadata"]["name"] for pod in given.pods("two")}

    lines = list(client.jobs.logs("two"))

    assert len(lines) == 6
    assert {line.pod for line in lines} == pods
    assert [line.text for line in lines[:3]] == ["main ", "zweite Zeile: ü", "the end"]
    assert {line.pod for line in lines[:3]} == {lines[0].pod}
    asked = next(iter(client.jobs.logs("two", container="side", tail=5, timestamps=True)))
    assert asked == LogLine(asked.pod, "side", "side tailLines=5,timestamps=true")
    followed = list(viewer.jobs.logs(f"{given.namespace}/two", follow=True))
    assert sorted(line.text for line in followed) == sorted(
        ["main follow=true", "zweite Zeile: ü", "the end"] * 2
    )
    for line in client.jobs.logs("two", follow=True):
        assert line.container == "main"
        break
    with pytest.raises(RefusedError, match="container nothing is not valid"):
        list(client.jobs.logs("two", container="nothing", follow=True))
    given.end("two")


def test_logs_that_are_not_there(client: Client, given: User, site: Site) -> None:
    given.queue("line", dispatch={"paused": True})
    given.job("waits", "line")
    with pytest.raises(RefusedError, match=r'Job ".*/waits" has no Pods yet: it waits'):
        list(client.jobs.logs("waits"))
    with pytest.raises(NotFoundError):
        list(client.jobs.logs("nobody"))
    client.jobs.cancel("waits")
    client.jobs.wait("waits", timeout=120)
    with pytest.raises(RefusedError, match="has no Pods any more"):
        list(client.jobs.logs("waits"))
