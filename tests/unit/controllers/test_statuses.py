"""Statuses that cannot be written, or not be computed. On a real API server: `tests/cluster/test_statuses.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.builders import a_job, a_queue
from tests.unit.controllers.surroundings import Around, raw

from headgate.controllers import statuses
from headgate.controllers.jobqueue import JOBQUEUES
from headgate.controllers.resync import Resync
from headgate.controllers.statuses import LONGEST_SECONDS, StatusWriter
from headgate.kube.client import ApiError

WRITE = "PUT jobqueues/gold/status"


class Writing(Around):
    """A writer with one queue, gold, whose status has not been written yet."""

    def __init__(self) -> None:
        super().__init__()
        resync = Resync(self.api, self.context)  # type: ignore[arg-type]
        self.writer = StatusWriter(
            self.api,  # type: ignore[arg-type]
            self.context,
            resync,
            events=self.events,  # type: ignore[arg-type]
        )
        self.queue = a_queue()
        self.api.put(self.queue)
        JOBQUEUES.take(raw(self.queue), self.context)
        self.world.listed()

    async def flush(self, after: float = 0.0) -> int:
        """Let time pass, write what is due then, and return how often the queue's status was tried."""
        self.world.later(after)
        self.api.calls.clear()
        await self.writer.flush(self.world.now)
        return self.api.calls.count(WRITE)

    @property
    def known(self) -> Any:
        return JOBQUEUES.known(self.world.engine, "gold")


@pytest.fixture(autouse=True)
def queues_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statuses, "KINDS", (JOBQUEUES,))


async def test_a_queue_whose_status_has_no_place_any_more_is_gone_at_once() -> None:
    around = Writing()
    around.api.delete("jobqueues", "gold")
    assert await around.flush() == 1
    assert around.known is None
    assert around.bindings.wanted == {}
    assert await around.flush(60) == 0


async def test_one_that_was_created_anew_meanwhile_is_another_one() -> None:
    around = Writing()

    async def call(method: str, path: str, body: Any = None) -> Any:
        if method == "PUT":
            raise ApiError(409, "Conflict", "the UID in the precondition is another")
        return raw(a_queue(uid="new"))

    around.api.call = call  # type: ignore[method-assign]
    await around.flush()
    assert around.known.metadata.uid == "new"
    assert around.bindings.wanted == {"gold": "new"}


async def test_a_queue_that_is_deleted_while_its_status_is_written_does_not_come_back() -> None:
    around = Writing()
    around.api.meanwhile = lambda: JOBQUEUES.take(raw(around.queue), around.context, deleted=True)
    assert await around.flush() == 1
    assert around.known is None
    assert around.world.given(a_job()).admits() == ""


async def test_a_status_that_cannot_be_computed_is_tried_again_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    computed = 0

    def cannot(*_: Any) -> Any:
        nonlocal computed
        computed += 1
        raise ValueError("too much of it")

    around = Writing()
    monkeypatch.setattr(statuses, "KINDS", (replace(JOBQUEUES, status=cannot),))
    await around.flush()
    await around.flush(0.5)
    assert computed == 1
    for pause in (1, 2, 4, 8, 16, LONGEST_SECONDS, LONGEST_SECONDS):
        before = computed
        await around.flush(pause)
        assert computed == before + 1
    (notice,) = around.events.notices
    assert (notice.kind, notice.name, notice.reason) == ("JobQueue", "gold", "StatusNotComputed")
    assert "too much of it" in caplog.text

    monkeypatch.setattr(statuses, "KINDS", (JOBQUEUES,))
    assert await around.flush(LONGEST_SECONDS) == 1
    assert around.known.status.observed_generation == 1


async def test_what_is_gone_leaves_no_pace_behind() -> None:
    around = Writing()
    await around.flush()
    assert list(around.writer._paces) == [("JobQueue", "gold")]
    JOBQUEUES.lose("gold", around.context)
    around.writer._forget()
    assert not around.writer._paces


async def test_a_failure_may_last_for_days() -> None:
    around = Writing()
    around.api.answer = ApiError(500, "", "etcdserver: no leader")
    for _ in range(1500):
        assert await around.flush(LONGEST_SECONDS) == 1
