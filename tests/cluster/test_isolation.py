"""One broken object is reported on itself and stops nothing else; what somebody spoils is put right."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, QUEUES, RefusedError, User, eventually
from tests.cluster.harness.invariants import outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.recorder import Recorder

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator", "recorder")


@pytest.fixture
def field_policy_off(site: Site) -> Iterator[None]:
    """What a user writes on a Job is not looked at by the API server."""
    with site.without_policies("job-fields"):
        yield


@pytest.mark.usefixtures("field_policy_off")
@pytest.mark.parametrize(
    ("annotation", "wrong", "right"), [("priority", "high", "7"), ("hold", "maybe", "false")]
)
def test_a_job_with_a_wrong_annotation_waits_alone(
    given: User, settled: Settled, annotation: str, wrong: str, right: str
) -> None:
    given.queue("line", actionConcurrency=1)
    given.job("broken", "line", seconds=0.1, annotations={f"headgate.dev/{annotation}": wrong})

    given.jobs(2, "line", seconds=0.1)

    given.succeeded("line", 2)
    (event,) = eventually(lambda: given.events_on("broken", reason="InvalidJob"))
    assert event["type"] == "Warning"
    assert annotation in event["note"]
    assert wrong in event["note"]
    assert settled(given.full("line"))["jobs"]["waiting"] == 1

    given.annotate("broken", **{annotation: right})

    given.succeeded("line", 3)


@pytest.mark.parametrize(
    "status",
    [
        {
            "jobs": {
                "total": 99,
                "waiting": 7,
                "active": 5,
                "succeeded": 2,
                "failed": 9,
                "canceled": 3,
                "timedOut": 1,
            }
        },
        {"state": "Drained", "depth": {"current": 50, "limit": 50}},
        {"conditions": []},
        {"actions": {"active": 17, "limit": 3}, "dispatch": {"paused": True, "pausedBy": "mallory"}},
        {"observedGeneration": 77, "clusters": []},
    ],
    ids=["jobs", "state", "conditions", "usage", "generation"],
)
def test_a_spoilt_status_is_put_right(
    given: User, recorder: Recorder, settled: Settled, status: dict[str, Any]
) -> None:
    recorder.mangled.add(given.full("line"))
    given.queue("line")
    given.jobs(2, "line", seconds=0.1)
    given.succeeded("line", 2)
    before = settled(given.full("line"))

    given.client.patch(f"{QUEUES}/{given.full('line')}/status", {"status": status})

    def unchanged_but_for_times() -> bool:
        after = given.status("line")
        assert timeless(after) == timeless(before)
        return True

    eventually(unchanged_but_for_times)
    given.accepts("line")
    given.job("after", "line", seconds=0.1)
    given.succeeded("line", 3)
    settled(given.full("line"))


def timeless(status: dict[str, Any]) -> dict[str, Any]:
    conditions = [
        {key: value for key, value in condition.items() if key != "lastTransitionTime"}
        for condition in status["conditions"]
    ]
    kept = {key: value for key, value in status.items() if key != "accounting"}
    return {**kept, "conditions": sorted(conditions, key=lambda one: str(one["type"]))}


def test_a_job_of_a_missing_queue_says_so_and_goes_on(given: User) -> None:
    given.job("early", "late", seconds=0.1)
    assert given.get_job("early")["spec"]["suspend"] is True

    (event,) = eventually(lambda: given.events_on("early", reason="QueueNotFound"))

    assert given.full("late") in event["note"]
    given.queue("late")
    given.succeeded("late", 1)


def test_a_labelled_job_that_runs_unadmitted_is_suspended_again(
    given: User, site: Site, settled: Settled
) -> None:
    given.queue("line", actionConcurrency=1)
    given.job("first", "line", seconds=ENDLESS)
    given.until_active("line", 1)

    with site.without_policies("job-submit"):
        given.job("old", "line", seconds=ENDLESS)
        assert eventually(lambda: given.events_on("old", reason="Suspended"))
        assert given.get_job("old")["spec"]["suspend"] is True
        eventually(lambda: not given.pods("old"))

    given.end_all("line", 2)
    assert settled(given.full("line"))["jobs"]["total"] == 2


def test_a_waiting_job_moves_to_another_queue_of_its_pool(given: User, settled: Settled) -> None:
    given.queue("full", dispatch={"paused": True})
    given.queue("free")
    given.accepts("free")
    given.jobs(2, "full", seconds=0.1)
    given.until_waiting("full", 2)

    move = {"metadata": {"labels": {"headgate.dev/queue": given.full("free")}}}
    eventually(lambda: given.change_job("job-0000", move))

    given.succeeded("free", 1)
    assert settled(given.full("free"))["jobs"]["total"] == 1
    assert settled(given.full("full"))["jobs"] == {
        **dict.fromkeys(("active", "succeeded", "failed", "canceled", "timedOut"), 0),
        "total": 1,
        "waiting": 1,
    }


def test_a_job_deleted_while_it_waits_is_forgotten(given: User, settled: Settled) -> None:
    given.queue("line", dispatch={"paused": True})
    given.jobs(3, "line")
    given.until_waiting("line", 3)

    given.client.delete(f"{given.jobs_path}/job-0001")

    given.until_waiting("line", 2)
    assert settled(given.full("line"))["depth"]["current"] == 2


def test_a_job_deleted_and_created_anew_under_its_name_is_another_one(given: User, settled: Settled) -> None:
    given.queue("line", dispatch={"paused": True})
    old = given.job("again", "line", seconds=0.1)
    given.until_waiting("line", 1)
    given.client.delete(f"{given.jobs_path}/again")
    new = eventually(lambda: given.job("again", "line", seconds=0.1))
    assert new["metadata"]["uid"] != old["metadata"]["uid"]

    given.change_queue("line", dispatch={"paused": False})

    given.succeeded("line", 1)
    settled(given.full("line"))


def test_a_job_that_fails_at_the_api_server_does_not_hold_up_others(given: User) -> None:
    # A Job that no longer matches any object: it goes while it is being admitted.
    given.queue("line", actionConcurrency=1, dispatch={"paused": True})
    given.jobs(6, "line", seconds=0.1)
    given.until_waiting("line", 6)

    given.change_queue("line", dispatch={"paused": False})
    for number in range(0, 6, 2):
        given.client.delete(f"{given.jobs_path}/job-{number:04}")

    eventually(lambda: given.status("line")["depth"]["current"] == 0)
    left = [outcome(body) for body in given.all_jobs()]
    assert left == ["succeeded"] * len(left)
    assert len(left) >= 3


WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@contextmanager
def failing_webhook(site: Site, given: User, job: str, *, hangs: bool) -> Iterator[None]:
    """Have the API server ask somebody about each change of a Job in a namespace who is not there, or does not answer.

    `job` is one of these Jobs.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if hangs else 1
        yield from _asked_by_the_api_server(site, given, job, f"https://127.0.0.1:{port}/")


def _asked_by_the_api_server(site: Site, given: User, job: str, url: str) -> Iterator[None]:
    webhook = {
        "name": f"{given.namespace}.example.com",
        "clientConfig": {"url": url},
        "timeoutSeconds": 3,
        "rules": [
            {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["jobs"]}
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": given.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }

    def fails() -> bool:
        try:
            site.admin.patch(f"{given.jobs_path}/{job}?dryRun=All", {"metadata": {"labels": {"probe": "x"}}})
        except RefusedError as error:
            return error.status == 500 and "failed calling webhook" in error.message
        return False

    site.admin.create(WEBHOOKS, {"metadata": {"name": given.namespace}, "webhooks": [webhook]})
    try:
        eventually(fails)
        yield
    finally:
        site.admin.delete(f"{WEBHOOKS}/{given.namespace}")
    eventually(lambda: not fails())


@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
def test_a_webhook_that_fails_in_one_namespace_stops_no_other(
    given: User, site: Site, settled: Settled, hangs: bool
) -> None:
    other = site.given()
    given.queue("line", dispatch={"paused": True})
    given.queue("shared", actionConcurrency=1, dispatch={"paused": True})
    # More than are sent at once.
    given.jobs(40, "line", seconds=0.1)
    given.job("first", "shared", seconds=0.1)
    given.until_waiting("line", 40)
    other.job("second", None, labels={"headgate.dev/queue": given.full("shared")}, seconds=0.1)
    given.until_waiting("shared", 2)

    with failing_webhook(site, given, "first", hangs=hangs):
        for queue in ("line", "shared"):
            given.change_queue(queue, dispatch={"paused": False})
        other.queue("line")
        other.jobs(40, "line", seconds=0.1)

        other.succeeded("line", 40)
        # Nor does a Job keep a place that it cannot take.
        given.succeeded("shared", 1)
        assert outcome(other.get_job("second")) == "succeeded"
        for name in ("first", "job-0000", "job-0039"):
            (event,) = eventually(lambda name=name: given.events_on(name, reason="Refused"))  # type: ignore[misc]
            assert "failed calling webhook" in event["note"]
        assert settled(given.full("line"))["jobs"]["waiting"] == 40

    given.succeeded("line", 40)
    given.succeeded("shared", 2)
    settled(given.full("shared"))
