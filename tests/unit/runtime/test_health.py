"""Probes and metrics can be had by whatever address the Pod has."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from headgate.runtime.health import HealthServer, Remark
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


@pytest.mark.parametrize(
    ("problem", "status", "line"),
    [
        (None, 200, "[+]bindings ok"),
        ("not in order yet", 503, "[-]bindings: not in order yet"),
        (Remark("refused for gold"), 200, "[!]bindings: refused for gold"),
    ],
    ids=["well", "wrong", "a remark"],
)
async def test_what_is_wrong_is_named_whether_it_makes_unready_or_not(
    problem: str | None, status: int, line: str
) -> None:
    server = HealthServer(
        Metrics(), alive=lambda: {"loop": None}, ready=lambda: {"loop": None, "bindings": problem}
    )
    await server.start("127.0.0.1", 0)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{server.port}/readyz") as answer,
        ):
            assert (answer.status, await answer.text()) == (status, f"[+]loop ok\n{line}\n")
    finally:
        await server.stop()
