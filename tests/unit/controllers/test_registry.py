"""kopf, as far as no API server is needed to see it."""

from __future__ import annotations

import asyncio

import kopf
import pytest
from tests.unit.controllers.surroundings import Around

from headgate.controllers.registry import registry_for


async def test_an_operator_whose_start_fails_ends() -> None:
    """Or it would lead with half an engine, and no other replica would take over."""
    begun = 0

    async def start() -> None:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0.1)
        raise RuntimeError("nobody has foreseen this")

    async def stop() -> None:
        pass

    around = Around()
    registry = registry_for(around.api, start=start, stop=stop, listed=lambda: None)  # type: ignore[arg-type]
    operator = asyncio.create_task(
        kopf.operator(registry=registry, memo=around.context, standalone=True, clusterwide=True)
    )
    # kopf's own answer would be to try again after a minute.
    await asyncio.wait({operator}, timeout=45)
    assert operator.done()
    with pytest.raises(Exception, match="handlers failed"):
        await operator
    assert begun == 1
