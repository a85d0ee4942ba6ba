"""What Headgate wrote on a Job stays, whoever updates it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cluster.policies.support import (
    ADMITTED_AT,
    ENVIRONMENT,
    PLACEMENT,
    POOL,
    QUEUE,
    REQUEUED_FROM,
    SUBMITTED_BY,
    TERM,
    Api,
    eventually,
    job,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.cluster


@pytest.fixture
def admitted(api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None]) -> str:
    """The name of a Job that has been let through."""
    set_term(3)
    api.create(job(queue=make_queue()), user="alice").accepted()
    eventually(lambda: api.admit("job", term="3").accepted())
    return "job"


def test_a_gitops_re_apply_with_suspend_changes_nothing(api: Api, admitted: str) -> None:
    before = api.get("job", admitted)
    manifest = job(queue=before["metadata"]["labels"][QUEUE], suspend=True)
    api.send("apply", manifest, user="alice", options=("--server-side", "--force-conflicts")).accepted()
    after = api.get("job", admitted)
    assert after["spec"]["suspend"] is False
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]


def test_a_client_side_apply_with_suspend_changes_nothing(api: Api, admitted: str) -> None:
    before = api.get("job", admitted)
    api.send("apply", job(queue=before["metadata"]["labels"][QUEUE], suspend=True), user="alice").accepted()
    after = api.get("job", admitted)
    assert after["spec"]["suspend"] is False
    assert before["metadata"]["annotations"].items() <= after["metadata"]["annotations"].items()


def test_replace_without_annotations_changes_nothing(api: Api, admitted: str) -> None:
    before = api.get("job", admitted)
    body = api.get("job", admitted)
    del body["metadata"]["annotations"], body["metadata"]["labels"][POOL], body["metadata"]["resourceVersion"]
    body["spec"]["suspend"] = True
    api.send("replace", body, user="admin").accepted()
    after = api.get("job", admitted)
    assert after["spec"]["suspend"] is False
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]


@pytest.mark.parametrize("user", ["alice", "admin"])
def test_nobody_rewrites_the_record(api: Api, admitted: str, user: str) -> None:
    before = api.annotations("job", admitted)
    change = {
        "annotations": {
            SUBMITTED_BY: "bob",
            ADMITTED_AT: None,
            TERM: "9",
            ENVIRONMENT: "x",
            PLACEMENT: "{}",
            REQUEUED_FROM: "local",
        },
        "labels": {POOL: "other"},
    }
    api.patch("job", admitted, {"metadata": change}, user=user).accepted()
    assert api.annotations("job", admitted) == before
    assert api.get("job", admitted)["metadata"]["labels"][POOL] == "default"


def test_a_waiting_job_cannot_be_made_to_look_admitted(api: Api, make_queue: Callable[..., str]) -> None:
    api.create(job(queue=make_queue()), user="alice").accepted()
    annotations = {ADMITTED_AT: "now", TERM: "0", SUBMITTED_BY: "bob", ENVIRONMENT: "spot"}
    annotations |= {PLACEMENT: "{}", REQUEUED_FROM: "east"}
    change = {"annotations": annotations, "labels": {POOL: None}}
    api.patch("job", "job", {"metadata": change}, user="alice").accepted()
    metadata = api.get("job", "job")["metadata"]
    assert metadata["annotations"] == {SUBMITTED_BY: "alice"}
    assert metadata["labels"][POOL] == "default"


def test_the_admission_writes_its_record_and_keeps_the_submitter(
    api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None]
) -> None:
    set_term(5)
    api.create(job(queue=make_queue()), user="alice").accepted()
    eventually(lambda: api.admit("job", term="5").accepted())
    found = api.annotations("job", "job")
    assert found[SUBMITTED_BY] == "alice"
    assert found[ADMITTED_AT] == "2026-01-01T00:00:00.000001Z"
    assert found[TERM] == "5"
    assert not api.suspended("job")


def test_the_environment_of_an_admission_stays(
    api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None]
) -> None:
    set_term(5)
    api.create(job(queue=make_queue()), user="alice").accepted()
    placed = {"nodeSelector": {"pool": "spot"}, "tolerations": [{"key": "spot", "operator": "Exists"}]}
    annotations = {ADMITTED_AT: "2026-01-01T00:00:00.000001Z", TERM: "5", ENVIRONMENT: "spot"}
    change = {
        "metadata": {"annotations": annotations},
        "spec": {"suspend": False, "template": {"spec": placed}},
    }
    eventually(lambda: api.patch("job", "job", change).accepted())
    for other in ("reserved", None):
        api.patch("job", "job", {"metadata": {"annotations": {ENVIRONMENT: other}}}, user="alice").accepted()
        assert api.annotations("job", "job")[ENVIRONMENT] == "spot"
    assert placed.items() <= api.get("job", "job")["spec"]["template"]["spec"].items()
