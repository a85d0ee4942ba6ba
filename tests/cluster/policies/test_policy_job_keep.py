"""What Headgate wrote on a Job stays, whoever updates it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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
    from pathlib import Path

    from tests.cluster.harness.cluster import Helm

    Json = dict[str, Any]

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


OWN = {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}
"""What a user wrote."""
ADDED = {
    "nodeSelector": {"disk": "ssd", "example.com/pool": "spot"},
    "tolerations": [
        {"key": "gpu", "operator": "Exists"},
        {"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60},
    ],
}
"""With what the environment adds."""


def placeable(queue: str, pod: Json, name: str = "job") -> Json:
    body = job(name, queue=queue)
    body["spec"]["template"]["spec"].update(pod)
    return body


@pytest.fixture
def term(set_term: Callable[[int | None], None]) -> str:
    set_term(5)
    return "5"


def place(api: Api, term: str, name: str = "job") -> None:
    """Admit a Job to the environment `spot`."""
    eventually(lambda: api.admit(name, term=term, environment="spot", pod=ADDED).accepted())


def unchanged(api: Api, before: Json) -> None:
    after = api.get("job", before["metadata"]["name"])
    assert after["spec"] == before["spec"]
    assert before["metadata"]["annotations"].items() <= after["metadata"]["annotations"].items()
    assert after["metadata"]["labels"] == before["metadata"]["labels"]


def test_the_environment_of_an_admission_stays(api: Api, make_queue: Callable[..., str], term: str) -> None:
    api.create(job(queue=make_queue()), user="alice").accepted()
    place(api, term)
    for other in ("reserved", None):
        api.patch("job", "job", {"metadata": {"annotations": {ENVIRONMENT: other}}}, user="alice").accepted()
        assert api.annotations("job", "job")[ENVIRONMENT] == "spot"
    assert ADDED.items() <= api.get("job", "job")["spec"]["template"]["spec"].items()


@pytest.mark.parametrize("pod", [pytest.param(OWN, id="own placement"), pytest.param({}, id="none")])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="client-side"),
        pytest.param(("--server-side", "--force-conflicts"), id="server-side"),
    ],
)
def test_a_re_apply_after_an_environment_has_added_to_the_template_changes_nothing(
    api: Api, make_queue: Callable[..., str], term: str, options: tuple[str, ...], pod: Json
) -> None:
    manifest = placeable(make_queue(), pod)
    api.send("apply", manifest, user="alice", options=options).accepted()
    place(api, term)
    before = api.get("job", "job")
    for _ in range(2):
        api.send("apply", manifest, user="alice", options=options).accepted()
        unchanged(api, before)


@pytest.mark.parametrize("pod", [pytest.param(OWN, id="own placement"), pytest.param({}, id="none")])
def test_a_replace_by_what_was_there_before_the_admission_changes_nothing(
    api: Api, make_queue: Callable[..., str], term: str, pod: Json
) -> None:
    api.create(placeable(make_queue(), pod), user="alice").accepted()
    saved = api.get("job", "job")
    del saved["metadata"]["resourceVersion"]
    place(api, term)
    before = api.get("job", "job")
    api.send("replace", saved, user="alice").accepted()
    unchanged(api, before)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--server-side=false",), id="client-side"),
        pytest.param(("--force-conflicts",), id="server-side"),
    ],
)
def test_a_helm_upgrade_with_the_same_job_changes_nothing(
    api: Api, helm: Helm, make_queue: Callable[..., str], term: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: work\nversion: 0.1.0\n")
    (tmp_path / "templates" / "job.yaml").write_text(json.dumps(placeable(make_queue(), OWN)))
    release = ("work", str(tmp_path), "--namespace", api.namespace)
    helm("install", *release, *(option for option in options if option != "--force-conflicts"))
    place(api, term)
    before = api.get("job", "job")
    for _ in range(2):
        helm("upgrade", *release, *options)
        unchanged(api, before)


@pytest.mark.parametrize(
    "other",
    [
        {"nodeSelector": {"disk": "hdd"}},
        {"nodeSelector": {"disk": "ssd", "zone": "a"}},
        {"tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "other", "operator": "Exists"}]},
        {"tolerations": [{"key": "gpu", "operator": "Equal"}]},
    ],
)
def test_what_is_no_re_apply_is_not_hidden(
    api: Api, make_queue: Callable[..., str], term: str, other: Json
) -> None:
    manifest = placeable(make_queue(), OWN)
    options = ("--server-side", "--force-conflicts")
    api.send("apply", manifest, user="alice", options=options).accepted()
    place(api, term)
    manifest["spec"]["template"]["spec"].update(other)
    answer = api.send("apply", manifest, user="alice", options=options)
    assert not answer.ok
    assert "field is immutable" in answer.message
