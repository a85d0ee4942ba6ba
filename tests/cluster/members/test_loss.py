"""A member that is gone for longer than its pool allows, and returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, POOLS, eventually
from tests.cluster.harness.copies import ORIGIN, annotations_of, ended, labels_of
from tests.cluster.harness.invariants import ADMITTED_AT, CLUSTER, outcome
from tests.cluster.harness.proxy import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.client import User
    from tests.cluster.harness.members import Fleet
    from tests.cluster.harness.recorder import Recorder

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator")

REQUEUED_FROM = "headgate.dev/requeued-from"
LOST = {"lostAfterSeconds": 5}


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
    fleet = parted(onClusterLost="Wait")
    given.jobs(2, "line", seconds=ENDLESS)
    fleet.until_mirrored("job-0000", "job-0001")
    assert sorted(fleet.places().items()) == [("job-0000", "east"), ("job-0001", "west")]
    before = given.get_job("job-0000")

    with wire.held():
        fleet.until_state("east", "Pending")
        lost = fleet.until_state("east", "Unknown")
        assert lost["active"] == 1
        assert lost["notReadySince"]
        # It ends there meanwhile, and others do not go there.
        fleet.there("east").end("job-0000")
        given.jobs(2, "line", prefix="next", seconds=0.1)
        given.succeeded("line", 2)
        places = fleet.places()
        assert {places["next-0000"], places["next-0001"]} == {"west"}
        after = given.get_job("job-0000")
        assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
        assert outcome(after) is None

    fleet.until_state("east", "Running")
    given.succeeded("line", 3)
    fleet.end("job-0001")
    given.succeeded("line", 4)
    assert settled(given.full("line"))["jobs"]["total"] == 4


def test_requeue_sends_the_jobs_back_to_the_head_of_their_queue(
    parted: Callable[..., Fleet], wire: Wire, given: User, recorder: Recorder, settled: Settled
) -> None:
    fleet = parted(onClusterLost="Requeue")
    given.change_queue("line", actionConcurrency=2)
    given.jobs(2, "line", prefix="first", seconds=ENDLESS)
    fleet.until_mirrored("first-0000", "first-0001")
    assert sorted(fleet.places().items()) == [("first-0000", "east"), ("first-0001", "west")]
    given.jobs(2, "line", prefix="later", seconds=ENDLESS)
    given.until("line", waiting=2, active=2)
    old = annotations_of(given.get_job("first-0000"))[ADMITTED_AT]

    with wire.held():
        # There is a place for it again at once, and it goes before those that have waited all the time.
        again = eventually(lambda: annotations_of(sent(given, "first-0000", "west")))
        assert again[REQUEUED_FROM] == fleet.full("east")
        assert again[ADMITTED_AT] > old
        fleet.until_state("east", "Unknown")
        given.until("line", waiting=2, active=2)
        # It runs twice now: in east nobody could be told.
        eventually(lambda: [body for body in fleet.copies("west") if named(body, "first-0000")])
        assert [named(body, "first-0000") for body in fleet.copies("east")] == [True]

    fleet.until_state("east", "Running")
    assert not fleet.copies("east")
    eventually(lambda: not fleet.there("east").pods("first-0000"))
    fleet.end_all("line", 4)
    settled(given.full("line"))

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


def named(body: dict[str, Any], name: str) -> bool:
    return bool(body["metadata"]["name"] == name)


def sent(given: User, name: str, member: str) -> dict[str, Any]:
    """Return a Job, if it is admitted to a member."""
    body = given.get_job(name)
    return body if annotations_of(body).get(CLUSTER) == given.full(member) else {}


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


def test_what_arrives_late_does_no_harm(
    parted: Callable[..., Fleet], wire: Wire, given: User, settled: Settled
) -> None:
    """The request for a copy is on its way when the network is parted, and gets there when nobody wants it any more."""
    fleet = parted(onClusterLost="Requeue")
    wire.hold()
    given.job("late", "line", seconds=ENDLESS)
    # Or else it was known before that east does not answer, and nothing was on its way.
    eventually(lambda: annotations_of(given.get_job("late"))[CLUSTER] == fleet.full("east"))
    eventually(lambda: sent(given, "late", "west"))
    fleet.until_mirrored("late")

    wire.release()

    fleet.until_state("east", "Running")
    eventually(lambda: fleet.places() == {"late": "west"})
    fleet.end("late")
    given.succeeded("line", 1)
    settled(given.full("line"))


def test_what_is_cancelled_or_deleted_meanwhile_is_made_up_for(
    parted: Callable[..., Fleet], wire: Wire, given: User, settled: Settled
) -> None:
    fleet = parted(onClusterLost="Wait")
    fleet.queue("doomed", clusters=[fleet.full("east")])
    given.job("canceled", "doomed", seconds=ENDLESS)
    fleet.queue("pinned", clusters=[fleet.full("east")])
    given.jobs(2, "pinned", seconds=ENDLESS)
    fleet.until_mirrored("canceled", "job-0000", "job-0001")

    with wire.held():
        fleet.until_state("east", "Pending")
        given.change_queue("doomed", state="Terminated")
        given.client.delete(f"{given.jobs_path}/job-0000")
        eventually(lambda: given.status("pinned")["jobs"]["active"] == 1)
        fleet.until_state("east", "Unknown")
        assert outcome(given.get_job("canceled")) is None
        assert sorted(fleet.places()) == ["canceled", "job-0000", "job-0001"]

    given.until("doomed", canceled=1)
    eventually(lambda: sorted(fleet.places()) == ["canceled", "job-0001"])
    assert ended(fleet.there("east").get_job("canceled"))["reason"] == "Canceled"
    fleet.end("job-0001")
    given.succeeded("pinned", 1)
    settled(given.full("doomed"))


def test_a_cancelled_job_of_a_member_that_is_given_up_ends_without_it(
    parted: Callable[..., Fleet], wire: Wire, given: User
) -> None:
    fleet = parted(onClusterLost="Wait")
    fleet.queue("doomed", clusters=[fleet.full("east")])
    given.job("canceled", "doomed", seconds=ENDLESS)
    fleet.until_mirrored("canceled")

    with wire.held():
        fleet.until_state("east", "Pending")
        given.change_queue("doomed", state="Terminated")
        fleet.until_state("east", "Unknown")
        given.client.patch(f"{POOLS}/{given.full('pool')}", {"spec": {"onClusterLost": "Requeue"}})

        given.until("doomed", canceled=1)
        assert ended(given.get_job("canceled"))["reason"] == "Canceled"
        assert list(fleet.places()) == ["canceled"]

    fleet.until_state("east", "Running")
    eventually(lambda: not fleet.there("east").pods("canceled"))


def test_credentials_that_are_gone_are_no_loss_of_the_jobs(
    fleet: Fleet, given: User, settled: Settled
) -> None:
    """Also a Secret that is deleted, or holds nonsense, only keeps Headgate from asking."""
    fleet.pool("pool", "east", **LOST)
    fleet.queue("line")
    given.job("runs", "line", seconds=ENDLESS)
    fleet.until_mirrored("runs")

    fleet.secret("east", "not: [a kubeconfig")
    lost = fleet.until_state("east", "Unknown")
    assert "not: [a" not in lost["message"]
    fleet.secret("east", fleet.members["east"].kubeconfig())

    fleet.until_state("east", "Running")
    fleet.end("runs")
    given.succeeded("line", 1)
    settled(given.full("line"))
