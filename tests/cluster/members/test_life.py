"""The life of a Job whose work is done in a member."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, RefusedError, eventually
from tests.cluster.harness.copies import MANAGED_BY, ended
from tests.cluster.harness.invariants import outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.client import User
    from tests.cluster.harness.members import Fleet

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(scope="session")
def operator_arguments() -> tuple[str, ...]:
    """Seldom: a member that is late with an answer would be passed over."""
    return ("--member-probe-seconds=10",)


def test_jobs_spread_over_the_members_and_their_ends_are_mirrored(
    fleet: Fleet, given: User, settled: Settled
) -> None:
    fleet.pool("pool", "east", "north", "west")
    fleet.queue("line")
    fleet.until_all_run()

    given.jobs(6, "line", prefix="good", seconds=ENDLESS)
    given.until_active("line", 6)

    fleet.until_mirrored(*(f"good-{number:04}" for number in range(6)))
    assert sorted(fleet.places().values()) == sorted(2 * list(fleet.members))
    given.jobs(3, "line", prefix="bad", seconds=0.1, fail=True)
    given.until("line", failed=3)
    fleet.end_all("line", 6)

    for body in given.all_jobs():
        assert body["spec"]["managedBy"] == MANAGED_BY
        good = body["metadata"]["name"].startswith("good")
        assert outcome(body) == ("succeeded" if good else "failed")
        assert body["status"]["succeeded" if good else "failed"] == 1
        if not good:
            assert ended(body)["reason"] == "BackoffLimitExceeded"
    assert settled(given.full("line"))["jobs"]["total"] == 9
    eventually(lambda: {one["active"] for one in given.pool_status("pool")["clusters"]} == {0})


def test_a_terminated_queue_cancels_the_copies(fleet: Fleet, given: User, settled: Settled) -> None:
    fleet.pool("pool", "east", "north")
    fleet.queue("line", actionConcurrency=2)
    given.jobs(3, "line", seconds=ENDLESS)
    given.until("line", active=2, waiting=1)
    eventually(lambda: len(fleet.places()) == 2)
    fleet.until_mirrored(*fleet.places())

    given.change_queue("line", state="Terminated")

    given.until("line", canceled=3)
    for name, member in fleet.places().items():
        copy = fleet.there(member).get_job(name)
        assert ended(copy)["reason"] == ended(given.get_job(name))["reason"] == "Canceled"
        eventually(partial(podless, fleet.there(member), name))
    settled(given.full("line"))


def podless(there: User, name: str) -> bool:
    return not there.pods(name)


def test_a_deleted_job_takes_its_copy_with_it(fleet: Fleet, given: User) -> None:
    fleet.pool("pool", "east")
    fleet.queue("line")
    given.jobs(3, "line", seconds=ENDLESS)
    fleet.until_mirrored("job-0000", "job-0001", "job-0002")
    fleet.end("job-0002")
    given.succeeded("line", 1)

    for name in ("job-0000", "job-0002"):
        given.client.delete(f"{given.jobs_path}/{name}")

    eventually(lambda: list(fleet.places()) == ["job-0001"])
    eventually(lambda: not fleet.there("east").pods("job-0000"))
    fleet.end("job-0001")
    given.succeeded("line", 2)


def test_a_copy_deleted_in_the_member_fails_its_job(fleet: Fleet, given: User, settled: Settled) -> None:
    fleet.pool("pool", "east")
    fleet.queue("line", actionConcurrency=1)
    given.job("deleted", "line", seconds=ENDLESS)
    given.job("next", "line", seconds=0.1)
    fleet.until_mirrored("deleted")

    there = fleet.there("east")
    there.client.delete(f"{there.jobs_path}/deleted")

    given.until("line", failed=1, succeeded=1)
    end = ended(given.get_job("deleted"))
    assert end["reason"] == "CopyDeleted"
    assert fleet.full("east") in end["message"]
    assert list(fleet.places()) == ["next"]
    settled(given.full("line"))


def test_a_name_that_is_taken_fails_the_job_and_leaves_the_other_alone(fleet: Fleet, given: User) -> None:
    fleet.pool("pool", "east")
    fleet.queue("line")
    there = fleet.there("east")
    stranger = there.job("mine", None, seconds=ENDLESS)

    given.job("mine", "line", seconds=0.1)

    given.until("line", failed=1)
    end = ended(given.get_job("mine"))
    assert end["reason"] == "NameTaken"
    assert fleet.full("east") in end["message"]
    assert f"{given.namespace}/mine" in end["message"]
    left = there.get_job("mine")
    assert left["metadata"]["uid"] == stranger["metadata"]["uid"]
    assert not left["metadata"].get("deletionTimestamp")
    # It stays when the Job that it was in the way of goes.
    given.client.delete(f"{given.jobs_path}/mine")
    eventually(lambda: not given.all_jobs())
    given.job("after", "line", seconds=0.1)
    given.until("line", succeeded=1)
    assert there.get_job("mine")["metadata"]["uid"] == stranger["metadata"]["uid"]


def test_a_namespace_that_a_member_lacks_is_waited_for(fleet: Fleet, given: User) -> None:
    fleet.pool("pool", "east")
    fleet.queue("line")
    elsewhere = f"{given.namespace}-late"
    given.client.create("/api/v1/namespaces", {"metadata": {"name": elsewhere}})
    body = given.job_body("early", "line", seconds=0.1)
    path = f"/apis/batch/v1/namespaces/{elsewhere}/jobs"
    given.client.create(path, body)

    def told() -> str:
        events = given.client.items(f"/apis/events.k8s.io/v1/namespaces/{elsewhere}/events")
        return "; ".join(event["note"] for event in events if event["reason"] == "CopyRefused")

    note = eventually(told)

    assert elsewhere in note
    assert fleet.full("east") in note
    fleet.members["east"].admin.create("/api/v1/namespaces", {"metadata": {"name": elsewhere}})
    eventually(lambda: outcome(given.client.get(f"{path}/early")) == "succeeded")
    given.client.delete(f"/api/v1/namespaces/{elsewhere}")


def test_a_copy_that_a_member_refuses_for_good_fails_the_job(fleet: Fleet, given: User) -> None:
    fleet.pool("pool", "east")
    fleet.queue("line")
    policy = {
        "metadata": {"name": given.full("no")},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
                ]
            },
            "validations": [
                {"expression": "object.metadata.name != 'unwanted'", "message": "not here", "reason": "Invalid"}
            ],
        },
    }  # fmt: skip
    binding = {
        "metadata": {"name": given.full("no")},
        "spec": {"policyName": given.full("no"), "validationActions": ["Deny"]},
    }
    there = fleet.there("east")
    base = "/apis/admissionregistration.k8s.io/v1"
    there.client.create(f"{base}/validatingadmissionpolicies", policy)
    there.client.create(f"{base}/validatingadmissionpolicybindings", binding)
    try:

        def refused() -> bool:
            try:
                there.client.create(f"{there.jobs_path}?dryRun=All", there.job_body("unwanted", None))
            except RefusedError as error:
                return "not here" in error.message
            return False

        eventually(refused)
        given.job("unwanted", "line")
        given.job("wanted", "line", seconds=0.1)

        given.until("line", failed=1, succeeded=1)
        end = ended(given.get_job("unwanted"))
        assert end["reason"] == "CopyRefused"
        assert "not here" in end["message"]
    finally:
        there.client.delete(f"{base}/validatingadmissionpolicybindings/{given.full('no')}")
        there.client.delete(f"{base}/validatingadmissionpolicies/{given.full('no')}")
