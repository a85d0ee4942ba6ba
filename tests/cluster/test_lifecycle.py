"""A queue's life: draining, sealing, terminating, pausing, deleting, and the queue called default."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.cluster.harness.client import ENDLESS, QUEUES, Json, RefusedError, User, eventually
from tests.cluster.harness.invariants import outcome, why_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.recorder import Recorder

    Settled = Callable[..., dict[str, Any]]

T = TypeVar("T")
FINALIZER = "headgate.dev/test"

pytestmark = pytest.mark.usefixtures("operator", "recorder")


def states(recorder: Recorder, queue: str) -> list[str]:
    """The states that a queue's status went through."""
    seen = [one for one in recorder.record() if one.kind == "JobQueue" and one.name == queue]
    known = [one.body["status"]["state"] for one in seen if one.body.get("status", {}).get("state")]
    return [state for state, _ in groupby(known)]


def two(found: Iterable[T]) -> list[T]:
    """The two that there are to be."""
    some = list(found)
    assert len(some) == 2
    return some


def finalized(given: User, path: str, change: Callable[[list[str]], list[str]]) -> Json:
    """Change the finalizers of an object; a conflict where somebody else does at the same time."""
    metadata = given.client.get(path)["metadata"]
    names = change(metadata.get("finalizers") or [])
    body = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": names}}
    return given.client.patch(path, body)


def in_state(given: User, queue: str, state: str) -> None:
    eventually(lambda: given.status(queue)["state"] == state)


def test_drain_and_back(given: User, recorder: Recorder, settled: Settled) -> None:
    given.queue("line", actionConcurrency=1)
    given.jobs(3, "line", seconds=ENDLESS)
    given.until("line", waiting=2, active=1)

    given.change_queue("line", state="Drained")

    in_state(given, "line", "Draining")
    assert given.condition("line", "Accepting")["status"] == "False"
    assert given.condition("line", "Reconciling")["status"] == "True"
    given.refuses("line", "Drained", given.full("line"))
    given.end_all("line", 3)
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
    given.jobs(2, "line", seconds=ENDLESS)
    given.until("line", waiting=1, active=1)
    given.change_queue("line", state="Drained")
    in_state(given, "line", "Draining")

    given.change_queue("line", state="Active")

    in_state(given, "line", "Active")
    given.accepts("line")
    given.end_all("line", 2)
    assert states(recorder, given.full("line")) == ["Active", "Draining", "Active"]


def test_seal(given: User, recorder: Recorder) -> None:
    given.queue("line", actionConcurrency=1)
    given.jobs(2, "line", seconds=ENDLESS)
    given.until("line", waiting=1, active=1)

    given.change_queue("line", state="Sealed")

    given.refuses("line", "Sealed")
    in_state(given, "line", "Sealing")
    given.end_all("line", 2)
    in_state(given, "line", "Sealed")
    assert given.status("line")["jobs"]["succeeded"] == 2
    assert states(recorder, given.full("line")) == ["Active", "Sealing", "Sealed"]
    with pytest.raises(RefusedError):
        given.change_queue("line", state="Active")


def test_terminate_cancels_what_waits_and_what_runs(
    given: User, recorder: Recorder, settled: Settled
) -> None:
    given.queue("line", actionConcurrency=2)
    given.jobs(5, "line", seconds=ENDLESS)
    given.until("line", waiting=3, active=2)
    pods = eventually(lambda: two(pod for number in range(5) for pod in given.pods(f"job-{number:04}")))
    # A Pod that takes its time to end: so long the queue is on its way.
    path = f"/api/v1/namespaces/{given.namespace}/pods/{pods[0]['metadata']['name']}"
    eventually(lambda: finalized(given, path, lambda names: [*names, FINALIZER]))

    given.change_queue("line", state="Terminated")

    in_state(given, "line", "Terminating")
    eventually(lambda: finalized(given, path, lambda names: [name for name in names if name != FINALIZER]))
    in_state(given, "line", "Terminated")
    status = settled(given.full("line"))
    assert status["jobs"]["canceled"] == 5
    assert status["jobs"]["active"] == status["jobs"]["waiting"] == 0
    assert {why_failed(body) for body in given.all_jobs()} == {"Canceled"}
    eventually(lambda: not any(given.pods(f"job-{number:04}") for number in range(5)))
    assert eventually(lambda: given.events_on("job-0000", reason="Canceled"))
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
    def succeeded() -> int:
        status = given.client.get(f"{QUEUES}/default")["status"]
        assert status["state"] == "Active"
        return int(status["jobs"]["succeeded"])

    eventually(lambda: succeeded() >= 0)
    before = succeeded()

    given.job("anybody", None, labels={"headgate.dev/queue": "default"}, seconds=0.1)

    eventually(lambda: outcome(given.get_job("anybody")) == "succeeded")
    eventually(lambda: succeeded() > before)
    for state in ("Drained", "Sealed", "Terminated"):
        with pytest.raises(RefusedError):
            given.client.patch(f"{QUEUES}/default", {"spec": {"state": state}})
    with pytest.raises(RefusedError, match='"default" cannot be deleted'):
        given.client.delete(f"{QUEUES}/default")


def test_a_queue_is_deleted_only_when_nothing_in_it_is_live(given: User, settled: Settled) -> None:
    first = given.queue("line", actionConcurrency=1)
    given.jobs(3, "line", seconds=ENDLESS)
    given.until("line", waiting=2, active=1)
    path = f"{QUEUES}/{given.full('line')}"

    with pytest.raises(RefusedError, match=r"3 live Jobs \(2 waiting, 1 active\)"):
        given.client.delete(path)

    given.end_all("line", 3)
    eventually(lambda: given.status("line")["depth"]["current"] == 0)
    given.client.delete(path)
    assert [outcome(body) for body in given.all_jobs()] == ["succeeded"] * 3

    # Another queue of that name: what finished in the first one is still there, and new Jobs go.
    again = given.queue("line", actionConcurrency=1)
    assert again["metadata"]["uid"] != first["metadata"]["uid"]
    given.job("new", "line", seconds=0.1)
    eventually(lambda: outcome(given.get_job("new")) == "succeeded")
    assert settled(given.full("line"))["jobs"]["succeeded"] == 4
