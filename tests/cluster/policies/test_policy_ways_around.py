"""Whatever way a change takes to the API server: nobody but the operator admits, and what it wrote stays.

Each is refused, or it is accepted and changes nothing of that.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.policies.support import (
    ADMITTED_AT,
    CLUSTER,
    ENVIRONMENT,
    POOL,
    QUEUE,
    SUBMITTED_BY,
    TERM,
    Answer,
    Api,
    eventually,
    job,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.cluster import Kubectl

    Json = dict[str, Any]
    Way = Callable[[Api, Json, str], Answer]

JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
FORCED = ("--server-side", "--force-conflicts", "--field-manager=other")
RECORD = (SUBMITTED_BY, ADMITTED_AT, TERM, CLUSTER, ENVIRONMENT)


def without(place: str) -> Way:
    """Remove all labels, or all annotations."""

    def way(api: Api, body: Json, user: str) -> Answer:
        change = [{"op": "remove", "path": f"/metadata/{place}"}]
        return api.patch("job", body["metadata"]["name"], change, user=user, content_type=JSON_PATCH)

    return way


def merged(change: Json, content_type: str = "application/merge-patch+json") -> Way:
    def way(api: Api, body: Json, user: str) -> Answer:
        return api.patch("job", body["metadata"]["name"], change, user=user, content_type=content_type)

    return way


def replaced(subresource: str | None = None, **metadata: Any) -> Way:
    """Replace the whole object, with other labels or annotations and the other value of `suspend`."""

    def way(api: Api, body: Json, user: str) -> Answer:
        changed = {**body, "metadata": {**body["metadata"], **metadata}}
        changed["spec"] = {**body["spec"], "suspend": not body["spec"]["suspend"]}
        return api.put(changed, user=user, subresource=subresource)

    return way


def applied(*, suspend: bool, annotations: dict[str, str] | None = None) -> Way:
    def way(api: Api, body: Json, user: str) -> Answer:
        manifest = job(
            body["metadata"]["name"],
            queue=body["metadata"]["labels"][QUEUE],
            suspend=suspend,
            annotations=annotations,
        )
        return api.send("apply", manifest, user=user, options=FORCED)

    return way


FORGED = {
    SUBMITTED_BY: "bob",
    ADMITTED_AT: "2026-01-01T00:00:00.000009Z",
    TERM: "1",
    CLUSTER: "x",
    ENVIRONMENT: "x",
}
WAYS = {
    "no labels": without("labels"),
    "no annotations": without("annotations"),
    "no suspend": merged({"spec": {"suspend": None}}),
    "not suspended": merged({"spec": {"suspend": False}}),
    "suspended": merged({"spec": {"suspend": True}}),
    "label emptied": merged({"metadata": {"labels": {QUEUE: ""}}}),
    "label and suspend": merged({"metadata": {"labels": {QUEUE: None}}, "spec": {"suspend": False}}),
    "strategic": merged({"metadata": {"labels": {"$patch": "replace", "mine": "x"}}}, STRATEGIC),
    "no template": merged({"spec": {"template": {"spec": {"nodeSelector": None, "tolerations": None}}}}),
    "put": replaced(),
    "put without labels": replaced(labels={}),
    "put without annotations": replaced(annotations={}),
    "put forged": replaced(annotations=FORGED),
    "put status": replaced("status"),
    "put status without labels": replaced("status", labels={}),
    "put status forged": replaced("status", annotations=FORGED),
    "apply": applied(suspend=False),
    "apply suspended": applied(suspend=True),
    "apply forged": applied(suspend=False, annotations=FORGED),
}


def kept(body: Json) -> Json:
    """Return what nobody changes."""
    metadata, pod = body["metadata"], body["spec"]["template"]["spec"]
    return {
        "labels": {key: metadata["labels"].get(key) for key in (QUEUE, POOL)},
        "annotations": {key: metadata["annotations"].get(key) for key in RECORD},
        "suspend": body["spec"]["suspend"],
        "pod": [pod.get("nodeSelector"), pod.get("tolerations")],
    }


def check(api: Api, name: str) -> None:
    """Go every way as every user."""
    for what, way in WAYS.items():
        for user in ("alice", "admin"):
            while True:
                before = api.get("job", name)
                answer = way(api, before, user)
                assert kept(api.get("job", name)) == kept(before), (what, user, answer)
                # The Job controller writes to it as well.
                if "the object has been modified" not in answer.message:
                    break


@pytest.fixture
def term(set_term: Callable[[int | None], None]) -> str:
    set_term(6)
    return "6"


def test_into_a_job_that_waits(api: Api, make_queue: Callable[..., str], term: str) -> None:
    api.create(job(queue=make_queue()), user="alice").accepted()
    eventually(lambda: api.admit("job", term=term, dry_run=True).accepted())
    check(api, "job")


def test_into_a_job_that_is_admitted(api: Api, make_queue: Callable[..., str], term: str) -> None:
    api.create(job(queue=make_queue()), user="alice").accepted()
    added = {"nodeSelector": {"pool": "spot"}, "tolerations": [{"key": "spot", "operator": "Exists"}]}
    eventually(lambda: api.admit("job", term=term, environment="spot", pod=added).accepted())
    check(api, "job")


def test_into_a_queue_at_creation(api: Api, make_queue: Callable[..., str], term: str) -> None:
    name = make_queue()
    forged = job("applied", queue=name, suspend=False, annotations=FORGED)
    api.send("apply", forged, user="alice", options=("--server-side",)).accepted()
    api.send(
        "apply", {**forged, "metadata": {**forged["metadata"], "name": "by-client"}}, user="alice"
    ).accepted()
    named = job(queue=name, suspend=False)
    named["metadata"]["generateName"] = f"{named['metadata'].pop('name')}-"
    generated = api.create(named, user="alice").accepted().object["metadata"]["name"]
    assert generated.startswith("job-")
    named["metadata"]["labels"][QUEUE] = "Not-A-Queue"
    api.create(named, user="alice").refused('Job "job-')
    for created in ("applied", "by-client", generated):
        body = api.get("job", created)
        assert body["spec"]["suspend"] is True
        assert body["metadata"]["labels"][POOL] == "default"
        found = {key: body["metadata"]["annotations"].get(key) for key in RECORD}
        assert found == {**dict.fromkeys(RECORD), SUBMITTED_BY: "alice"}


def test_who_impersonates_somebody_is_that_one(
    api: Api, kubectl: Kubectl, make_queue: Callable[..., str], term: str
) -> None:
    api.send("create", job(queue=make_queue()), options=("--as=bob",)).accepted()
    assert api.annotations("job", "job")[SUBMITTED_BY] == "bob"
    eventually(lambda: api.admit("job", term=term, dry_run=True).accepted())
    change = {"metadata": {"annotations": {ADMITTED_AT: "now", TERM: term}}, "spec": {"suspend": False}}
    patch = ("patch", "job", "job", "-n", api.namespace, "--type=merge", "-p", json.dumps(change))
    assert "belongs to Headgate" in kubectl(*patch, "--as=bob", check=False).stderr
    kubectl(*patch)


def test_the_record_of_a_queue_does_not_change_by_its_status(
    api: Api, make_queue: Callable[..., str]
) -> None:
    name = make_queue()
    before = api.get("jobqueue", name)
    forged = {"headgate.dev/created-by": "bob", "headgate.dev/paused-by": "bob"}
    change = {
        "metadata": {"annotations": forged},
        "spec": {"actionConcurrency": 9},
        "status": {"state": "Active"},
    }
    api.patch("jobqueue", name, change, subresource="status").accepted()
    after = api.get("jobqueue", name)
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert after["spec"] == before["spec"]
