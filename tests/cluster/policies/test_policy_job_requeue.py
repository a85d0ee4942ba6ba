"""A Job of a lost cluster goes back to its queue: the one way in which an admitted Job waits again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.policies.support import (
    ADMITTED_AT,
    CLUSTER,
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
    remote,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.cluster import Kubectl
    from tests.cluster.policies.support import Answer

    SetTerm = Callable[[int | None], None]

RECORD = (ADMITTED_AT, CLUSTER, ENVIRONMENT, PLACEMENT)


@pytest.fixture
def east(namespace: str) -> str:
    """The name of a remote cluster."""
    return f"east-{namespace}"


@pytest.fixture
def proxy(
    api: Api,
    east: str,
    make_pool: Callable[..., str],
    make_queue: Callable[..., str],
    set_term: SetTerm,
) -> str:
    """The name of a Job that was let through to that cluster in term 4."""
    set_term(4)
    api.create(job("proxy", queue=make_queue(pool=make_pool(remote(east)))), user="alice").accepted()
    eventually(lambda: admit(api, "proxy", east).accepted())
    return "proxy"


def admit(api: Api, name: str, cluster: str) -> Answer:
    """Do what the operator does when it lets a Job through to a member."""
    annotations = {
        ADMITTED_AT: "2026-01-01T00:00:00.000001Z",
        TERM: "4",
        CLUSTER: cluster,
        ENVIRONMENT: "spot",
        PLACEMENT: "{}",
    }
    return api.patch("job", name, {"metadata": {"annotations": annotations}, "spec": {"suspend": False}})


def requeue(
    api: Api,
    name: str,
    cluster: str,
    *,
    instead: dict[str, str | None] | None = None,
    user: str = "admin",
    dry_run: bool = False,
) -> Answer:
    """Do what the operator does when a cluster is lost, with some annotations as they should not be."""
    annotations = {**dict.fromkeys(RECORD), TERM: "4", REQUEUED_FROM: cluster, **(instead or {})}
    change = {"metadata": {"annotations": annotations}, "spec": {"suspend": True}}
    return api.patch("job", name, change, user=user, dry_run=dry_run)


def unchanged(api: Api, name: str, change: Callable[[], Answer]) -> None:
    """Check that a change is accepted and changes nothing."""
    before = api.get("job", name)
    change().accepted()
    after = api.get("job", name)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]


def test_a_job_of_a_lost_cluster_waits_again(api: Api, proxy: str, east: str) -> None:
    before = api.get("job", proxy)["metadata"]["labels"]
    requeue(api, proxy, east).accepted()
    after = api.get("job", proxy)
    assert after["spec"]["suspend"] is True
    assert after["metadata"]["annotations"] == {SUBMITTED_BY: "alice", TERM: "4", REQUEUED_FROM: east}
    assert after["metadata"]["labels"] == before

    # It is a waiting Job like others: nobody but the operator lets it through, or writes where it came from.
    api.patch("job", proxy, {"spec": {"suspend": False}}, user="alice").refused("belongs to Headgate")
    for value in ("west", None):
        forged = {"metadata": {"annotations": {REQUEUED_FROM: value, PLACEMENT: "{}", ADMITTED_AT: "now"}}}
        unchanged(api, proxy, lambda: api.patch("job", proxy, forged, user="alice"))  # noqa: B023 - called at once
    admit(api, proxy, "west").accepted()
    assert api.annotations("job", proxy)[REQUEUED_FROM] == east
    assert not api.suspended(proxy)


def test_a_waiting_job_that_came_back_may_move_within_its_pool(
    api: Api, proxy: str, east: str, make_queue: Callable[..., str]
) -> None:
    metadata = api.get("job", proxy)["metadata"]
    other = make_queue(pool=metadata["labels"][POOL])
    move = {"metadata": {"labels": {QUEUE: other}}}
    api.patch("job", proxy, move, user="alice").refused("is fixed once the Job is admitted")
    requeue(api, proxy, east).accepted()
    api.patch("job", proxy, move, user="alice").accepted()
    assert api.annotations("job", proxy)[REQUEUED_FROM] == east


def test_a_stale_term_is_refused(api: Api, proxy: str, east: str) -> None:
    requeue(api, proxy, east, instead={TERM: "3"}).refused(
        "term 3 is not the current term 4: another replica leads"
    )
    requeue(api, proxy, east, instead={TERM: None}).refused(f'Job "{proxy}"', "belongs to Headgate")
    requeue(api, proxy, east, dry_run=True).accepted()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({REQUEUED_FROM: "west"}, id="of another cluster"),
        pytest.param({REQUEUED_FROM: None}, id="of no cluster"),
        pytest.param({ADMITTED_AT: "2026-01-01T00:00:00.000001Z"}, id="still admitted"),
    ],
)
def test_only_a_whole_record_sends_a_job_back(
    api: Api, proxy: str, east: str, wrong: dict[str, str | None]
) -> None:
    unchanged(api, proxy, lambda: requeue(api, proxy, east, instead=wrong))
    requeue(api, proxy, east, dry_run=True).accepted()


@pytest.fixture
def may_admit(kubectl: Kubectl, api: Api, proxy: str) -> Iterator[None]:
    """Let bob admit the Jobs of this one queue."""
    name = f"admit-{api.namespace}"
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {
                "apiGroups": ["headgate.dev"],
                "resources": ["jobqueues"],
                "resourceNames": [api.get("job", proxy)["metadata"]["labels"][QUEUE]],
                "verbs": ["admit"],
            }
        ],
    }
    kubectl("create", "-f", "-", input=json.dumps(role))
    kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", "--user=bob")
    yield
    kubectl("delete", "clusterrolebinding,clusterrole", name)


@pytest.mark.usefixtures("may_admit")
def test_only_who_may_admit_sends_a_job_back(api: Api, proxy: str, east: str) -> None:
    def allowed() -> None:
        assert requeue(api, proxy, east, user="bob", dry_run=True).accepted().object["spec"]["suspend"]

    eventually(allowed)
    unchanged(api, proxy, lambda: requeue(api, proxy, east, user="alice"))
    requeue(api, proxy, east, user="bob").accepted()
    assert api.suspended(proxy)


def test_a_job_that_runs_here_does_not_go_back(
    api: Api, make_queue: Callable[..., str], set_term: SetTerm
) -> None:
    set_term(4)
    api.create(job(queue=make_queue()), user="alice").accepted()
    eventually(lambda: admit(api, "job", "local").accepted())
    unchanged(api, "job", lambda: requeue(api, "job", "local"))


def test_a_re_apply_by_who_may_do_everything_is_not_taken_for_it(api: Api, proxy: str, east: str) -> None:
    # It came back from this cluster before, so it names the right one.
    requeue(api, proxy, east).accepted()
    admit(api, proxy, east).accepted()
    body = job(proxy, queue=api.get("job", proxy)["metadata"]["labels"][QUEUE], suspend=True)
    forced = ("--server-side", "--force-conflicts")
    unchanged(api, proxy, lambda: api.send("apply", body, options=forced))
    whole: dict[str, Any] = api.get("job", proxy)
    del whole["metadata"]["annotations"], whole["metadata"]["resourceVersion"]
    whole["spec"]["suspend"] = True
    unchanged(api, proxy, lambda: api.send("replace", whole))
