"""Probes and metrics can be had by whatever address the Pod has."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from headgate.runtime.health import HealthServer
from headgate.telemetry.metrics import Metrics


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
async def test_without_a_host_it_serves_ipv4_and_ipv6(address: str) -> None:
    if "::" in address and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    server = HealthServer(Metrics(), alive=lambda: {"loop": None}, ready=lambda: {"standby": None})
    await server.start("", 0)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{address}:{server.port}/readyz") as answer,
        ):
            assert (answer.status, await answer.text()) == (200, "[+]standby ok\n")
    finally:
        await server.stop()
