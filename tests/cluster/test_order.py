"""Waiting Jobs go through in order, under the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cluster.harness.client import User, eventually
from tests.cluster.harness.invariants import out_of_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder


def test_a_queue_drains_under_its_limit(
    operator: OperatorProcess, given: User, recorder: Recorder, settled: Callable[..., dict[str, Any]]
) -> None:
    given.queue("line", actionConcurrency=3)

    given.jobs(12, "line", seconds=0.5)

    eventually(lambda: given.status("line")["jobs"]["succeeded"] == 12, within=60)
    status = settled(given.full("line"))
    assert status["actions"] == {"active": 0, "limit": 3}
    assert out_of_order(recorder.record(), given.full("line")) == []
