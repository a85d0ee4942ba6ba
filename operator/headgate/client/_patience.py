"""How long a call waits for something."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from headgate.client import _errors as errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@asynccontextmanager
async def patience(seconds: float | None, state: Callable[[], str]) -> AsyncIterator[None]:
    """End what is inside after so many seconds, None for never, with a `TimeoutError` that says the state by then."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        if isinstance(error, errors.HeadgateError):
            raise
        raise errors.TimeoutError(f"{state()} after {seconds:g} seconds") from None
