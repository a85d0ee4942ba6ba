"""/healthz, /readyz and /metrics.

Alive is whose loop turns; ready is who has what the job needs, part by part, as `/readyz` says. A replica that does
not lead is ready when it stands for the lead.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from aiohttp import web

from headgate.telemetry.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from headgate.telemetry.metrics import Metrics

STALE_SECONDS: Final = 30.0
"""The loop turns every few seconds, whatever happens: one this old is stuck."""


class Remark(str):
    """Something that is not in order, and that does not make a replica unready."""

    __slots__ = ()


class HealthServer:
    """Serves the probes and the metrics of one process."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        alive: Callable[[], Mapping[str, str | None]],
        ready: Callable[[], Mapping[str, str | None]],
    ) -> None:
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/metrics", self._scrape)
        app.router.add_get("/healthz", _probe(alive))
        app.router.add_get("/readyz", _probe(ready))
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, host: str, port: int) -> None:
        """Begin to serve, on every address where no host is given; raises OSError where the port is taken."""
        await self._runner.setup()
        if host:
            await web.TCPSite(self._runner, host, port).start()
        else:
            await web.SockSite(self._runner, _listen_everywhere(port)).start()

    @property
    def port(self) -> int:
        """Where it serves, once it does."""
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop serving."""
        await self._runner.cleanup()

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})


def _listen_everywhere(port: int) -> socket.socket:
    """Return one socket for IPv4 and IPv6: two of their own would not get the same port where any will do."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _probe(
    checks: Callable[[], Mapping[str, str | None]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return a handler that lists each part with what is wrong with it; 503 where that is more than a remark."""

    async def handle(_: web.Request) -> web.StreamResponse:
        results = checks()
        lines = [_line(part, problem) for part, problem in results.items()]
        failed = any(problem is not None and not isinstance(problem, Remark) for problem in results.values())
        return web.Response(text="\n".join([*lines, ""]), status=503 if failed else 200)

    return handle


def _line(part: str, problem: str | None) -> str:
    if problem is None:
        return f"[+]{part} ok"
    return f"[{'!' if isinstance(problem, Remark) else '-'}]{part}: {problem}"
