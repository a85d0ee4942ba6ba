"""That the API server is not heard any more: what is shown is as it was then."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headgate.client import AsyncClient, Outage

PERIOD: Final = 0.5


def in_words(outage: Outage) -> str:
    """Return what to tell of an outage."""
    since = time.strftime("%H:%M:%S", time.localtime(outage.since))
    return f"connection lost, this is as of {since}: {outage.reason}"


class Teller:
    """Says on stderr when the connection is lost, and when it is there again."""

    def __init__(self) -> None:
        self._lost = False

    def tell(self, outage: Outage | None) -> None:
        """Say how it is, where that is news."""
        if outage is not None and not self._lost:
            typer.echo(in_words(outage), err=True)
        elif outage is None and self._lost:
            typer.echo("connected again", err=True)
        self._lost = outage is not None


@asynccontextmanager
async def outages_told(client: AsyncClient) -> AsyncIterator[None]:
    """Tell of outages while something is followed inside."""

    async def look() -> None:
        teller = Teller()
        while True:
            teller.tell(client.outage)
            await asyncio.sleep(PERIOD)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
