"""How many live Jobs a queue holds: the API server refuses what comes above it, and what slips past is cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import User, eventually
from tests.cluster.harness.invariants import outcome, why_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.operator import OperatorProcess

pytestmark = pytest.mark.usefixtures("operator", "recorder")

PAUSED = {"paused": True}


def test_a_full_queue_is_refused_by_the_api_server(given: User) -> None:
    given.queue("line", depth=3, dispatch=PAUSED)
    given.jobs(3, "line", seconds=0.1)
    given.until_waiting("line", 3)

    message = given.refuses("line", "is full", "3 live Jobs", "spec.depth is 3")

    assert given.full("line") in message
    given.change_queue("line", dispatch={"paused": False})
    given.succeeded("line", 3)
    given.accepts("line")


def test_what_slips_past_is_cancelled_and_it_is_the_latest(
    given: User, operator: OperatorProcess, settled: Callable[..., dict[str, Any]]
) -> None:
    given.queue("line", depth=5, dispatch=PAUSED)
    given.accepts("line")

    # As long as the operator does not say that the queue is full, the API server lets everything in.
    with operator.frozen():
        accepted, refused = given.many(40, "line", seconds=0.1)

    assert (len(accepted), refused) == (40, [])
    given.until("line", canceled=35)
    by_arrival = sorted(accepted, key=lambda body: int(body["metadata"]["resourceVersion"]))
    kept = {body["metadata"]["name"] for body in by_arrival[:5]}
    jobs = {body["metadata"]["name"]: body for body in given.all_jobs()}
    assert {name for name, body in jobs.items() if outcome(body) is None} == kept
    assert {why_failed(body) for name, body in jobs.items() if name not in kept} == {"QueueFull"}
    assert settled(given.full("line"))["depth"] == {"current": 5, "limit": 5}
    late = by_arrival[-1]["metadata"]["name"]
    (event,) = eventually(lambda: given.events_on(late, reason="QueueFull"))
    assert "spec.depth is 5" in event["note"]

    given.change_queue("line", dispatch={"paused": False})
    given.succeeded("line", 5)


def test_lowering_the_depth_cancels_nobody(given: User, settled: Callable[..., dict[str, Any]]) -> None:
    given.queue("line", depth=10, dispatch=PAUSED)
    given.jobs(6, "line", seconds=0.1)
    given.until_waiting("line", 6)

    generation = given.change_queue("line", depth=2)["metadata"]["generation"]

    eventually(lambda: given.status("line")["observedGeneration"] == generation)
    given.refuses("line", "is full", "6 live Jobs", "spec.depth is 2")
    assert settled(given.full("line"))["jobs"]["canceled"] == 0
    given.change_queue("line", dispatch={"paused": False})
    given.succeeded("line", 6)
    assert given.status("line")["jobs"]["canceled"] == 0


def test_depth_0_is_no_limit(given: User) -> None:
    given.queue("line", depth=0, dispatch=PAUSED)

    accepted, refused = given.many(60, "line", seconds=0.1)

    assert (len(accepted), refused) == (60, [])
    given.until_waiting("line", 60)
    assert given.status("line")["depth"] == {"current": 60, "limit": 0}
    assert given.why_refused("line") == ""
    given.change_queue("line", dispatch={"paused": False})
    given.succeeded("line", 60)
