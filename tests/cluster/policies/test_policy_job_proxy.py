"""In a pool of remote clusters a Job is a proxy from its creation: nothing runs for it where Headgate runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.policies.support import DISPATCHER, QUEUE, Api, eventually, job, local, remote

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., str]

JOB_CONTROLLER = "kubernetes.io/job-controller"
KUEUE = "kueue.x-k8s.io/multikueue"


@pytest.fixture
def far(api: Api, make_pool: Make, make_queue: Make, namespace: str) -> str:
    """A queue in a pool of remote clusters."""
    name = make_queue(pool=make_pool(remote(f"east-{namespace}"), remote(f"west-{namespace}")))

    def in_effect() -> None:
        assert probe(api, name) == DISPATCHER

    eventually(in_effect)
    return name


@pytest.fixture
def near(make_pool: Make, make_queue: Make, namespace: str) -> str:
    """A queue in a pool of the local cluster."""
    return make_queue(pool=make_pool(local(f"here-{namespace}")))


def probe(api: Api, queue: str, manager: str | None = None) -> Any:
    """Return who would manage a Job created now."""
    body = job("probe", queue=queue, manager=manager)
    return api.create(body, user="alice", dry_run=True).accepted().object["spec"].get("managedBy")


def label(api: Api, name: str, queue: str, *, dry_run: bool = False) -> Any:
    return api.patch("job", name, {"metadata": {"labels": {QUEUE: queue}}}, user="alice", dry_run=dry_run)


def test_a_job_is_created_as_a_proxy(api: Api, far: str) -> None:
    made = api.create(job(queue=far, suspend=False), user="alice").accepted().object
    assert (made["spec"]["managedBy"], made["spec"]["suspend"]) == (DISPATCHER, True)
    assert probe(api, far, DISPATCHER) == DISPATCHER


@pytest.mark.parametrize("manager", [JOB_CONTROLLER, KUEUE])
def test_a_job_that_somebody_else_manages_is_refused(api: Api, far: str, manager: str) -> None:
    body = job("mine", queue=far, manager=manager)
    eventually(
        lambda: api.create(body, user="alice", dry_run=True).refused(
            f'Job "mine": spec.managedBy is "{manager}", and queue "{far}" is in pool "',
            '", which has remote clusters: leave it out, it becomes "headgate.dev/dispatcher"',
        )
    )


def test_in_a_pool_of_the_local_cluster_a_job_is_nobodys_proxy(api: Api, near: str) -> None:
    assert probe(api, near) is None
    assert probe(api, near, KUEUE) == KUEUE
    eventually(
        lambda: api.create(job("mine", queue=near, manager=DISPATCHER), user="alice", dry_run=True).refused(
            f'Job "mine": spec.managedBy is "{DISPATCHER}", and queue "{near}" is in pool "',
            '", which has only the cluster that Headgate runs in: leave it out',
        )
    )


def test_a_job_that_is_no_proxy_cannot_be_labelled_into_such_a_pool(api: Api, far: str, near: str) -> None:
    api.create(job("plain", suspend=True), user="alice").accepted()
    api.create(job("proxy", suspend=True, manager=DISPATCHER), user="alice").accepted()
    told = "cannot change any more: delete the Job and create it anew with the label, without spec.managedBy"
    eventually(
        lambda: label(api, "plain", far, dry_run=True).refused(
            f'Job "plain": metadata.labels["headgate.dev/queue"]: queue "{far}" is in pool "',
            f'", which has remote clusters, and spec.managedBy of the Job is "" and {told}',
        )
    )
    eventually(
        lambda: label(api, "proxy", near, dry_run=True).refused(
            f'Job "proxy": metadata.labels["headgate.dev/queue"]: queue "{near}" is in pool "',
            '", which has only the cluster that Headgate runs in, and spec.managedBy of the Job is '
            f'"{DISPATCHER}" and {told}',
        )
    )
    label(api, "plain", near).accepted()
    label(api, "proxy", far).accepted()


def test_a_proxy_may_move_within_its_pool(api: Api, make_queue: Make, far: str) -> None:
    other = make_queue(pool=api.get("jobqueue", far)["spec"]["pool"])
    api.create(job(queue=far), user="alice").accepted()
    label(api, "job", other).accepted()
    assert api.get("job", "job")["spec"]["managedBy"] == DISPATCHER


def test_a_pool_without_clusters_or_that_is_not_there_says_nothing(
    api: Api, make_pool: Make, make_queue: Make
) -> None:
    for name in (make_queue(pool=make_pool()), make_queue(pool="not-there-yet")):
        assert probe(api, name) is None
        assert probe(api, name, DISPATCHER) == DISPATCHER


def test_what_was_there_before_the_pool_had_clusters_can_still_be_updated(
    api: Api, make_pool: Make, make_queue: Make, namespace: str
) -> None:
    of_pool = make_pool()
    name = make_queue(pool=of_pool)
    api.create(job("early", queue=name), user="alice").accepted()
    api.patch("clusterpool", of_pool, {"spec": {"clusters": [remote(f"east-{namespace}")]}}).accepted()

    def proxies_now() -> None:
        assert probe(api, name) == DISPATCHER

    eventually(proxies_now)
    hold = {"metadata": {"annotations": {"headgate.dev/hold": "true"}}}
    api.patch("job", "early", hold, user="alice").accepted()
    assert "managedBy" not in api.get("job", "early")["spec"]


@pytest.fixture
def admitted(api: Api, far: str, set_term: Callable[[int | None], None]) -> str:
    """The name of a proxy that has been let through."""
    set_term(2)
    api.create(job(queue=far), user="alice").accepted()
    eventually(lambda: api.admit("job", term="2").accepted())
    return "job"


@pytest.mark.parametrize("field", ["parallelism", "activeDeadlineSeconds", "backoffLimit"])
def test_what_the_copy_does_is_fixed(api: Api, admitted: str, field: str) -> None:
    change = {"spec": {field: 7}}
    api.patch("job", admitted, change, user="alice").refused(
        f'Job "job": spec.{field} cannot change any more: the Job is admitted to cluster "local", where its copy '
        "stays as it is; delete the Job and create it anew"
    )
    unrelated = {"metadata": {"labels": {"mine": "x"}}, "spec": {"ttlSecondsAfterFinished": 60}}
    api.patch("job", admitted, unrelated, user="alice").accepted()


def test_what_a_job_does_may_change_as_long_as_there_is_no_copy(
    api: Api, far: str, near: str, set_term: Callable[[int | None], None]
) -> None:
    set_term(2)
    change = {"spec": {"parallelism": 3, "backoffLimit": 2}}
    api.create(job("waits", queue=far), user="alice").accepted()
    api.create(job("runs-here", queue=near), user="alice").accepted()
    eventually(lambda: api.admit("runs-here", term="2").accepted())
    api.patch("job", "waits", change, user="alice").accepted()
    api.patch("job", "runs-here", change, user="alice").accepted()


def test_a_job_outside_of_any_queue_is_managed_by_whom_it_says(api: Api) -> None:
    made = api.create(job(manager=DISPATCHER), user="alice").accepted().object
    assert made["spec"]["managedBy"] == DISPATCHER
    assert "managedBy" not in api.create(job("other"), user="alice").accepted().object["spec"]
