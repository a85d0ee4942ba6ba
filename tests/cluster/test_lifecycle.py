"""A queue's life: draining, sealing, terminating, pausing, deleting, and the queue called default."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import QUEUES, RefusedError, User, eventually
from tests.cluster.harness.invariants import outcome, why_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.recorder import Recorder

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator", "recorder")


def states(recorder: Recorder, queue: str) -> list[str]:
    """The states that a queue's status went through."""
    seen = [one for one in recorder.record() if one.kind == "JobQueue" and one.name == queue]
    known = [one.body["status"]["state"] for one in seen if one.body.get("status", {}).get("state")]
    return [state for state, _ in groupby(known)]


def in_state(given: User, queue: str, state: str) -> None:
    eventually(lambda: given.status(queue)["state"] == state)


def test_drain_and_back(given: User, recorder: Recorder, settled: Settled) -> None:
    given.queue("line", actionConcurrency=1)
    given.jobs(3, "line", seconds=0.5)
    given.until_active("line", 1)

    given.change_queue("line", state="Drained")

    in_state(given, "line", "Draining")
    assert given.condition("line", "Accepting")["status"] == "False"
    assert given.condition("line", "Reconciling")["status"] == "True"
    given.refuses("line", "Drained", given.full("line"))
    in_state(given, "line", "Drained")
    status = settled(given.full("line"))
    assert status["jobs"]["succeeded"] == 3
    drained_at = datetime.fromisoformat(status["drainedAt"])
    assert drained_at.tzinfo is not None
    assert given.condition("line", "Ready")["status"] == "True"

    given.change_queue("line", state="Active")

    in_state(given, "line", "Active")
    assert "drainedAt" not in given.status("line")
    given.accepts("line")
    given.job("again", "line", seconds=0.1)
    given.succeeded("line", 4)
    assert states(recorder, given.full("line")) == ["Active", "Draining", "Drained", "Active"]


def test_a_drain_can_be_called_off(given: User, recorder: Recorder) -> None:
    given.queue("line", actionConcurrency=1)
    given.jobs(2, "line", seconds=1)
    given.until_active("line", 1)
    given.change_queue("line", state="Drained")
    in_state(given, "line", "Draining")

    given.change_queue("line", state="Active")

    given.accepts("line")
    given.succeeded("line", 2)
    assert states(recorder, given.full("line")) == ["Active", "Draining", "Active"]


def test_seal(given: User, recorder: Recorder) -> None:
    given.queue("line", actionConcurrency=1)
    given.jobs(2, "line", seconds=0.3)
    given.until_active("line", 1)

    given.change_queue("line", state="Sealed")

    given.refuses("line", "Sealed")
    in_state(given, "line", "Sealed")
    assert given.status("line")["jobs"]["succeeded"] == 2
    assert states(recorder, given.full("line")) == ["Active", "Sealing", "Sealed"]
    with pytest.raises(RefusedError):
        given.change_queue("line", state="Active")


def test_terminate_cancels_what_waits_and_what_runs(
    given: User, recorder: Recorder, settled: Settled
) -> None:
    given.queue("line", actionConcurrency=2)
    given.jobs(5, "line", seconds=600)
    given.until_active("line", 2)
    eventually(lambda: sum(len(given.pods(f"job-{number:04}")) for number in range(5)) == 2)

    given.change_queue("line", state="Terminated")

    in_state(given, "line", "Terminated")
    status = settled(given.full("line"))
    assert status["jobs"]["canceled"] == 5
    assert status["jobs"]["active"] == status["jobs"]["waiting"] == 0
    assert {why_failed(body) for body in given.all_jobs()} == {"Canceled"}
    eventually(lambda: not any(given.pods(f"job-{number:04}") for number in range(5)))
    assert given.events_on("job-0000", reason="Canceled")
    given.refuses("line", "Terminated")
    assert states(recorder, given.full("line")) == ["Active", "Terminating", "Terminated"]


def test_pause_and_resume(given: User, site: Site) -> None:
    site.kubectl(
        "create", "clusterrolebinding", given.full("alice"), "--clusterrole=headgate-editor", "--user=alice"
    )
    alice = User(site.client_of("alice"), given.namespace)
    given.queue("line")

    eventually(lambda: alice.change_queue("line", dispatch={"paused": True, "note": "licences ran out"}))

    def paused() -> bool:
        assert given.status("line")["dispatch"]["paused"]
        return True

    eventually(paused)
    dispatch = given.status("line")["dispatch"]
    assert (dispatch["pausedBy"], dispatch["note"]) == ("alice", "licences ran out")
    datetime.fromisoformat(dispatch["pausedAt"])
    dispatching = given.condition("line", "Dispatching")
    assert (dispatching["status"], dispatching["reason"]) == ("False", "Paused")
    assert "alice" in dispatching["message"]
    assert "licences ran out" in dispatching["message"]
    assert given.condition("line", "Ready")["status"] == "True"
    given.job("patient", "line", seconds=0.1)
    given.until_waiting("line", 1)

    # A change of something else, by somebody else, changes nothing about who paused it, and when.
    given.change_queue("line", description="still paused")
    generation = given.get_queue("line")["metadata"]["generation"]
    eventually(lambda: given.status("line")["observedGeneration"] == generation)
    assert given.status("line")["dispatch"] == dispatch
    assert given.get_job("patient")["spec"]["suspend"] is True

    given.change_queue("line", dispatch={"paused": False, "note": ""})

    given.succeeded("line", 1)
    eventually(lambda: given.status("line")["dispatch"] == {"paused": False})
    assert given.condition("line", "Dispatching")["status"] == "True"


def test_a_paused_queue_that_drains_says_that_it_makes_no_progress(given: User) -> None:
    given.queue("line", dispatch={"paused": True})
    given.jobs(2, "line", seconds=0.1)
    given.until_waiting("line", 2)

    given.change_queue("line", state="Drained")

    in_state(given, "line", "Draining")
    eventually(lambda: "makes no progress" in given.condition("line", "Reconciling")["message"])
    assert "2 live Jobs" in given.condition("line", "Reconciling")["message"]
    given.change_queue("line", dispatch={"paused": False})
    in_state(given, "line", "Drained")
    assert given.status("line")["jobs"]["succeeded"] == 2


def test_the_default_queue(given: User) -> None:
    default = given.client.get(f"{QUEUES}/default")
    assert default["status"]["state"] == "Active"
    before = default["status"]["jobs"]["succeeded"]

    given.job("anybody", None, labels={"headgate.dev/queue": "default"}, seconds=0.1)

    eventually(lambda: given.client.get(f"{QUEUES}/default")["status"]["jobs"]["succeeded"] == before + 1)
    for state in ("Drained", "Sealed", "Terminated"):
        with pytest.raises(RefusedError):
            given.client.patch(f"{QUEUES}/default", {"spec": {"state": state}})
    with pytest.raises(RefusedError, match='"default" cannot be deleted'):
        given.client.delete(f"{QUEUES}/default")


def test_a_queue_is_deleted_only_when_nothing_in_it_is_live(given: User, settled: Settled) -> None:
    given.queue("line", actionConcurrency=1)
    given.jobs(3, "line", seconds=0.8)
    given.until_active("line", 1)
    path = f"{QUEUES}/{given.full('line')}"

    with pytest.raises(RefusedError, match=r"3 live Jobs \(2 waiting, 1 active\)"):
        given.client.delete(path)

    given.succeeded("line", 3)
    eventually(lambda: given.status("line")["depth"]["current"] == 0)
    first = given.client.delete(path)
    assert [outcome(body) for body in given.all_jobs()] == ["succeeded"] * 3

    # Another queue of that name: what finished in the first one is still there, and new Jobs go.
    again = given.queue("line", actionConcurrency=1)
    assert again["metadata"]["uid"] != first.get("metadata", {}).get("uid")
    given.job("new", "line", seconds=0.1)
    eventually(lambda: outcome(given.get_job("new")) == "succeeded")
    assert settled(given.full("line"))["jobs"]["succeeded"] == 4
