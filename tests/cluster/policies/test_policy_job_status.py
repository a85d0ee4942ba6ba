"""Who may write the status of a Job writes nothing of Headgate's by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.policies.support import (
    ADMITTED_AT,
    POOL,
    QUEUE,
    SUBMITTED_BY,
    Answer,
    Api,
    eventually,
    job,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.cluster import Kubectl

HOLD = "headgate.dev/hold"


@pytest.fixture
def may_cancel(kubectl: Kubectl, api: Api) -> Iterator[None]:
    """Let alice write the status of Jobs in her namespace, as who may cancel them does."""
    where = ("-n", api.namespace)
    kubectl("create", "role", "cancel", "--verb=get,patch,update", "--resource=jobs/status", *where)
    kubectl("create", "rolebinding", "cancel", "--role=cancel", "--user=alice", *where)
    yield
    kubectl("delete", "rolebinding,role", "cancel", *where)


@pytest.fixture
def waiting(api: Api, make_queue: Callable[..., str], may_cancel: None) -> str:
    """The name of a Job that waits."""
    api.create(job(queue=make_queue(), annotations={HOLD: "true"}), user="alice").accepted()
    eventually(lambda: write(api, {"labels": {"mine": "x"}}).accepted())
    return "job"


def write(api: Api, metadata: dict[str, Any], user: str = "alice", name: str = "job") -> Answer:
    return api.patch("job", name, {"metadata": metadata}, user=user, subresource="status")


@pytest.mark.parametrize("user", ["alice", "admin"])
@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("labels", QUEUE, "other"),
        ("labels", QUEUE, None),
        ("labels", POOL, "other"),
        ("labels", "headgate.dev/run", "one"),
        ("annotations", SUBMITTED_BY, "bob"),
        ("annotations", SUBMITTED_BY, None),
        ("annotations", ADMITTED_AT, "2026-01-01T00:00:00.000001Z"),
        ("annotations", HOLD, None),
    ],
)
def test_labels_and_annotations_of_headgate_stay(
    api: Api, waiting: str, user: str, place: str, key: str, value: str | None
) -> None:
    before = api.get("job", waiting)["metadata"]
    write(api, {place: {key: value}}, user).refused(
        f'Job "job": metadata.{place}["{key}"] cannot change together with the status',
        "change the Job itself",
    )
    write(api, {place: None}, user).refused("cannot change together with the status")
    after = api.get("job", waiting)["metadata"]
    assert (after["labels"], after["annotations"]) == (before["labels"], before["annotations"])


def test_neither_apply_nor_replace_gets_around_it(api: Api, waiting: str) -> None:
    body = api.get("job", waiting)
    body["metadata"]["annotations"][SUBMITTED_BY] = "bob"
    told = f'metadata.annotations["{SUBMITTED_BY}"] cannot change'
    api.send("replace", body, options=("--subresource=status",)).refused(told)
    metadata = {"name": waiting, "annotations": {SUBMITTED_BY: "bob"}}
    apply = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}
    options = ("--server-side", "--force-conflicts", "--subresource=status")
    api.send("apply", apply, options=options).refused(told)


def test_a_job_does_not_enter_a_queue_by_its_status(
    api: Api, make_queue: Callable[..., str], may_cancel: None
) -> None:
    api.create(job(suspend=True), user="alice").accepted()
    eventually(lambda: write(api, {"labels": {"mine": "x"}}).accepted())
    write(api, {"labels": {QUEUE: make_queue()}}).refused("cannot change together with the status")


def test_everything_else_is_as_ever(api: Api, waiting: str) -> None:
    write(api, {"labels": {"mine": "y"}, "annotations": {"mine": "y"}}).accepted()
    api.create(job("plain"), user="alice").accepted()
    write(api, {"annotations": {SUBMITTED_BY: "x"}}, name="plain").accepted()
    api.finish(waiting)
