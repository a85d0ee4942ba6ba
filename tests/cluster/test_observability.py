"""What the operator says about itself: probes, metrics, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.harness.client import ENDLESS, QUEUES, User, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess


@pytest.mark.usefixtures("recorder")
def test_metrics_by_queue(given: User, operator: OperatorProcess) -> None:
    given.queue("line", actionConcurrency=2)
    given.jobs(3, "line", prefix="quick", seconds=0.1)
    given.succeeded("line", 3)
    given.jobs(4, "line", prefix="slow", seconds=ENDLESS)
    given.until("line", waiting=2, active=2)
    queue = given.full("line")

    def value(name: str, **labels: str) -> float | None:
        return operator.metric(f"headgate_{name}", queue=queue, **labels)

    assert value("waiting") == 2
    assert value("active") == 2
    assert value("active_runs") == 2
    # Counted when the answer to the write is there, which the watch may be ahead of.
    eventually(lambda: value("admitted_total") == 5)
    assert value("admission_latency_seconds_count") == 5
    assert value("admission_latency_seconds_sum") is not None
    assert value("finished_total", result="succeeded") == 3
    assert operator.metric("headgate_leader") == 1
    assert (operator.metric("headgate_decision_seconds_count") or 0) > 0
    assert (operator.metric("headgate_status_writes_total", kind="JobQueue") or 0) > 0
    assert operator.metric("headgate_events_dropped_total") == 0
    assert operator.metric("headgate_unreadable_objects_total") == 0

    # A queue that is gone leaves no series behind.
    given.change_queue("line", state="Terminated")
    eventually(lambda: given.status("line")["state"] == "Terminated")
    eventually(lambda: given.client.delete(f"{QUEUES}/{queue}"))
    eventually(lambda: queue not in operator.fetch("/metrics")[1])


@pytest.mark.usefixtures("recorder")
def test_probes_of_a_leader_and_of_a_standby(site: Site, operator: OperatorProcess, tmp_path: Path) -> None:
    assert operator.fetch("/healthz") == (200, "[+]loop ok\n")
    # Bindings are in order again a moment after queues came or went.
    eventually(
        lambda: operator.fetch("/readyz") == (200, "[+]loop ok\n[+]jobs ok\n[+]members ok\n[+]bindings ok\n")
    )

    standby = site.operator(tmp_path, "standby").start()
    try:
        eventually(lambda: standby.fetch("/readyz") == (200, "[+]standby ok\n"))
        assert standby.fetch("/healthz")[0] == 200
        assert standby.metric("headgate_leader") == 0
        assert not standby.leads
    finally:
        assert standby.stop() == 0


@pytest.mark.usefixtures("recorder")
def test_events_tell_what_a_person_would_ask_about_and_nothing_of_admissions(
    given: User, operator: OperatorProcess
) -> None:
    def reasons(name: str) -> set[str]:
        return {event["reason"] for event in given.events_on(name)}

    queue = given.full("line")
    given.queue("line", pool=given.full("late"), depth=4)
    eventually(lambda: reasons(queue) == {"PoolNotFound"})
    given.pool("late", "one")
    given.jobs(3, "line", seconds=0.1)
    given.succeeded("line", 3)
    given.change_queue("line", dispatch={"paused": True, "note": "a note"})
    eventually(lambda: "Paused" in reasons(queue))
    given.change_queue("line", dispatch={"paused": False})
    eventually(lambda: "Resumed" in reasons(queue))
    given.job("last", "line", seconds=ENDLESS)
    given.until_active("line", 1)
    given.change_queue("line", state="Drained")
    eventually(lambda: "Draining" in reasons(queue))
    given.end("last")
    eventually(lambda: "Drained" in reasons(queue))
    given.change_queue("line", state="Active")
    eventually(lambda: "Active" in reasons(queue))
    given.accepts("line")
    given.job("endless", "line", seconds=ENDLESS)
    given.until_active("line", 1)
    given.change_queue("line", state="Terminated")
    eventually(lambda: "Canceled" in reasons("endless"))

    (paused,) = given.events_on(queue, reason="Paused")
    assert "a note" in paused["note"]
    (stalled,) = given.events_on(queue, reason="PoolNotFound")
    assert (stalled["type"], stalled["regarding"]["kind"]) == ("Warning", "JobQueue")
    assert reasons(queue) >= {"PoolNotFound", "Healed", "Paused", "Resumed", "Draining", "Drained", "Active"}
    for name in (*(f"job-{number:04}" for number in range(3)), "last"):
        assert reasons(name) == set()
    assert reasons("endless") == {"Canceled"}
