"""A leader steps down in time, whatever hangs. With a real API server: `tests/cluster/test_crash.py`."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Any

import pytest

from headgate.api.meta import INT32_MAX
from headgate.kube.client import ApiError
from headgate.runtime.leader import Leadership, Timing

Json = dict[str, Any]
LONG_AGO = 17
"""A term that a Lease may have come to when they still began with 1."""


class FakeApi:
    """An API server with one Lease, which may cease to answer."""

    def __init__(self, lease: Json | None = None) -> None:
        self.lease = lease
        self.renewed = 0
        self.hangs = False
        self.deaf = False
        """Who asks it does not hear that it is to ask no more."""
        self.end = asyncio.Event()

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        while self.hangs:
            try:
                await self.end.wait()
                raise TimeoutError
            except asyncio.CancelledError:
                if not self.deaf:
                    raise
        if method == "GET":
            if self.lease is None:
                raise ApiError(404, "NotFound", "not found")
            return deepcopy(self.lease)
        assert body is not None
        self.renewed += method == "PUT"
        self.lease = deepcopy(body)
        return body


def candidate(api: FakeApi, identity: str = "me", *, renew_deadline: float = 10.0) -> Leadership:
    timing = Timing(renew_deadline=renew_deadline, retry_period=0.05)
    return Leadership(api, name="headgate", namespace="system", identity=identity, timing=timing)  # type: ignore[arg-type]


@pytest.mark.parametrize("deaf", [False, True], ids=["hangs", "hangs and does not hear"])
async def test_a_leader_steps_down_when_nothing_answers_any_more(deaf: bool) -> None:
    api = FakeApi()
    api.deaf = deaf
    election = candidate(api, renew_deadline=2.0).stand()
    while api.renewed < 3 and not election.done():
        await asyncio.sleep(0.01)
    api.hangs = True
    # Otherwise it would lead on for as long as a request may take.
    await asyncio.wait({election}, timeout=60)
    assert election.done()
    api.hangs = False
    api.end.set()


async def test_a_leader_whose_lease_is_another_ones_steps_down() -> None:
    api = FakeApi()
    election = (mine := candidate(api)).stand()
    await mine.won()
    assert api.lease is not None
    api.lease["spec"]["holderIdentity"] = "another"
    await asyncio.wait({election}, timeout=60)
    assert election.done()


async def test_a_take_over_is_the_next_term() -> None:
    api = FakeApi({"metadata": {}, "spec": {"holderIdentity": "", "leaseTransitions": LONG_AGO}})
    mine = candidate(api)
    mine.stand()
    await mine.won()
    assert mine.term == str(LONG_AGO + 1)
    await mine.release()


@pytest.mark.parametrize("lease", [None, {"metadata": {}, "spec": {}}], ids=["none", "one without a term"])
async def test_a_new_lease_begins_with_a_term_that_none_has_had(lease: Json | None) -> None:
    api = FakeApi(lease)
    mine = candidate(api)
    mine.stand()
    await mine.won()
    first = int(mine.term)
    # Not even after a take-over each second for a whole year.
    assert LONG_AGO < first < INT32_MAX - 365 * 24 * 3600
    await mine.release()

    api.lease = None
    await asyncio.sleep(1.1)
    another = candidate(api, "another")
    another.stand()
    await another.won()
    assert int(another.term) > first
    await another.release()
