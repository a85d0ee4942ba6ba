"""A member that is gone for longer than its pool allows, and returns."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, eventually
from tests.cluster.harness.copies import ORIGIN, annotations_of, ended, labels_of
from tests.cluster.harness.invariants import ADMITTED_AT, CLUSTER, outcome
from tests.cluster.harness.proxy import Wire
from tests.cluster.members.probes import until_probed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.client import User
    from tests.cluster.harness.members import Fleet
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator")

REQUEUED_FROM = "headgate.dev/requeued-from"
LOST = {"lostAfterSeconds": 10}


@pytest.fixture(scope="session")
def operator_arguments() -> tuple[str, ...]:
    """Time enough, until it is noticed that a member does not answer, to admit a Job to it."""
    return ("--member-probe-seconds=4",)


@pytest.fixture
def wire(fleet: Fleet) -> Iterator[Wire]:
    """The way to east, which can be held."""
    with Wire(fleet.members["east"].cluster.server) as wire:
        yield wire


@pytest.fixture
def parted(fleet: Fleet, wire: Wire) -> Callable[..., Fleet]:
    """A pool of east, behind the wire, and west."""

    def make(**spec: Any) -> Fleet:
        fleet.pool("pool", fleet.cluster("east", server=wire.server), "west", **LOST, **spec)
        fleet.queue("line")
        for member in ("east", "west"):
            fleet.until_state(member, "Running")
        return fleet

    return make


def test_wait_leaves_the_jobs_where_they_are(
    parted: Callable[..., Fleet], wire: Wire, given: User, settled: Settled
) -> None:
    """What is cancelled, deleted, or ends there meanwhile is made up for."""
    fleet = parted(onClusterLost="Wait")
    fleet.queue("pinned", clusters=[fleet.full("east")])
    fleet.queue("doomed", clusters=[fleet.full("east")])
    assert [fleet.place(name, "pinned") for name in ("stays", "ends", "deleted")] == ["east"] * 3
    assert fleet.place("canceled", "doomed") == "east"
    fleet.until_mirrored("stays", "ends", "deleted", "canceled")
    before = given.get_job("stays")

    with wire.held():
        fleet.until_state("east", "Pending")
        fleet.there("east").end("ends")
        given.change_queue("doomed", state="Terminated")
        given.client.delete(f"{given.jobs_path}/deleted")
        lost = fleet.until_state("east", "Unknown")
        assert lost["active"] == 3
        assert lost["notReadySince"]
        # Others go elsewhere.
        assert fleet.place("next", seconds=0.1) == "west"
        given.succeeded("line", 1)
        assert annotations_of(given.get_job("stays")) == annotations_of(before)
        assert [outcome(given.get_job(name)) for name in ("stays", "ends", "canceled")] == [None] * 3
        assert sorted(fleet.places()) == ["canceled", "deleted", "ends", "next", "stays"]

    given.until("pinned", succeeded=1, active=1)
    given.until("doomed", canceled=1)
    eventually(lambda: sorted(fleet.places()) == ["canceled", "ends", "next", "stays"])
    assert ended(fleet.there("east").get_job("canceled"))["reason"] == "Canceled"
    fleet.until_state("east", "Running")
    fleet.end("stays")
    given.succeeded("pinned", 2)
    for queue in ("line", "pinned", "doomed"):
        settled(given.full(queue))


def test_requeue_sends_the_jobs_back_to_the_head_of_their_queue(
    parted: Callable[..., Fleet],
    wire: Wire,
    given: User,
    operator: OperatorProcess,
    recorder: Recorder,
    settled: Settled,
) -> None:
    fleet = parted(onClusterLost="Requeue")
    given.change_queue("line", actionConcurrency=2)
    for queue in ("doomed", "late"):
        fleet.queue(queue, clusters=[fleet.full("east")])
    assert [fleet.place("lost"), fleet.place("other")] == ["east", "west"]
    assert fleet.place("canceled", "doomed") == "east"
    fleet.until_mirrored("lost", "other", "canceled")
    given.jobs(2, "line", prefix="later", seconds=ENDLESS)
    given.until("line", waiting=2, active=2)
    old = annotations_of(given.get_job("lost"))[ADMITTED_AT]

    # From now on it takes a while until it is noticed that east does not answer, and Jobs may go there.
    until_probed(operator, fleet.full("east"), 1)
    with wire.held():
        # The request for this copy is on its way, and gets there when nobody wants it any more.
        given.job("late", "late", seconds=ENDLESS)
        eventually(lambda: sent(given, "late", "east"))
        given.change_queue("late", clusters=["*"])
        fleet.until_state("east", "Pending")
        given.change_queue("doomed", state="Terminated")
        # There is a place for it again at once, and it goes before those that have waited all the time.
        again = eventually(lambda: annotations_of(sent(given, "lost", "west")))
        assert again[REQUEUED_FROM] == fleet.full("east")
        assert again[ADMITTED_AT] > old
        fleet.until_state("east", "Unknown")
        given.until("line", waiting=2, active=2)
        # What is cancelled there ends without its member.
        given.until("doomed", canceled=1)
        assert ended(given.get_job("canceled"))["reason"] == "Canceled"
        # The other runs twice now: in east nobody could be told.
        eventually(lambda: {"late", "lost"} <= set(names(fleet.copies("west"))))
        assert names(fleet.copies("east")) == ["canceled", "lost"]

    fleet.until_state("east", "Running")
    assert "lost" not in names(fleet.copies("east"))
    eventually(lambda: "late" not in names(fleet.copies("east")))
    for name in ("lost", "canceled"):
        eventually(partial(podless, fleet.there("east"), name))
    fleet.end_all("line", 4)
    fleet.end_all("late", 1)
    for queue in ("line", "doomed", "late"):
        settled(given.full(queue))

    # What is stale goes first: before the pool says that the member is back, and before anything is sent there.
    record = fleet.recorders["east"].record()
    gone = [
        seen.revision for seen in record if seen.deleted and annotations_of(seen.body).get(ADMITTED_AT) == old
    ]
    assert len(gone) == 1
    made = [
        seen.revision
        for seen in record
        if labels_of(seen.body).get(ORIGIN) and annotations_of(seen.body)[ADMITTED_AT] > again[ADMITTED_AT]
    ]
    assert all(revision > gone[0] for revision in made)
    assert back(recorder, fleet) > gone[0]


def test_a_stale_copy_that_does_not_go_holds_up_its_name_alone(
    parted: Callable[..., Fleet], wire: Wire, given: User, settled: Settled
) -> None:
    fleet = parted(onClusterLost="Wait")
    there = fleet.there("east")
    given.change_queue("line", clusters=[fleet.full("east")])
    fleet.queue("doomed", clusters=[fleet.full("east")])
    assert [fleet.place(name) for name in ("stuck", "ends", "stays")] == ["east"] * 3
    assert fleet.place("canceled", "doomed") == "east"
    fleet.until_mirrored("stuck", "ends", "stays", "canceled")
    (pod,) = there.pods("stuck")
    path = f"/api/v1/namespaces/{given.namespace}/pods/{pod['metadata']['name']}"
    there.client.patch(path, {"metadata": {"finalizers": ["example.com/keep"]}})

    with wire.held():
        fleet.until_state("east", "Pending")
        given.client.delete(f"{given.jobs_path}/stuck")
        there.end("ends")
        given.change_queue("doomed", state="Terminated")

    # What runs there is looked after, whatever does not go.
    given.succeeded("line", 1)
    given.until("doomed", canceled=1)
    assert "deletionTimestamp" in eventually(lambda: there.get_job("stuck"))["metadata"]
    fleet.until_state("east", "Running")
    assert "deletionTimestamp" in there.get_job("stuck")["metadata"]
    assert fleet.place("new") == "east"
    given.job("stuck", "line", seconds=ENDLESS)
    (event,) = eventually(lambda: given.events_on("stuck", reason="CopyNotDeleted"))
    assert fleet.full("east") in event["note"]
    assert "finalizers" in event["note"]

    there.client.patch(path, {"metadata": {"finalizers": None}})

    fleet.until_mirrored("stuck", "new", "stays")
    fleet.end_all("line", 4)
    for queue in ("line", "doomed"):
        settled(given.full(queue))


def names(bodies: list[dict[str, Any]]) -> list[str]:
    return sorted(body["metadata"]["name"] for body in bodies)


def podless(there: User, name: str) -> bool:
    return not there.pods(name)


def sent(given: User, name: str, member: str) -> dict[str, Any]:
    """Return a Job, if it is admitted to a member."""
    body = given.get_job(name)
    found = annotations_of(body).get(CLUSTER)
    assert found == given.full(member), f"{name} is sent to {found}"
    return body


def back(recorder: Recorder, fleet: Fleet) -> int:
    """Return the revision at which the pool said last that east runs again."""
    states = [
        (seen.revision, one["state"])
        for seen in recorder.record()
        if seen.kind == "ClusterPool" and seen.name == fleet.full("pool")
        for one in (seen.body.get("status") or {}).get("clusters") or ()
        if one["name"] == fleet.full("east")
    ]
    lost = max(revision for revision, state in states if state == "Unknown")
    return min(revision for revision, state in states if state == "Running" and revision > lost)
