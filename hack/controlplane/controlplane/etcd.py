"""etcd, for one or several API servers that keep their objects under different prefixes.

Its data is thrown away with the control plane, so it never waits for the disk.
"""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controlplane.process import Processes

NAME = "etcd"


class Etcd:
    """One etcd server, on one port of 127.0.0.1."""

    def __init__(self, processes: Processes, tool: Callable[[str], Path], directory: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._processes = processes
        self._tool = tool
        self._directory = directory

    def start(self) -> None:
        """Start it on what its folder holds; return when it serves."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._processes.start(
            NAME,
            [
                self._tool(NAME),
                "--name=headgate",
                f"--data-dir={self._directory}",
                f"--listen-client-urls={self.url}",
                f"--advertise-client-urls={self.url}",
                "--listen-peer-urls=http://127.0.0.1:0",  # one member: nobody connects
                "--initial-advertise-peer-urls=http://127.0.0.1:0",
                "--initial-cluster=headgate=http://127.0.0.1:0",
                "--unsafe-no-fsync=true",
                "--quota-backend-bytes=8589934592",
                "--snapshot-count=100000",
                "--log-level=warn",
            ],
        )
        self._processes.wait_until(self.is_healthy, "etcd's start")

    def is_healthy(self) -> bool:
        """Tell whether it answers reads and writes."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
