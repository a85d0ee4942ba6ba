"""A Job in Flux's words."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from headgate.client import ATTRIBUTES, AsyncClient, JobInfo, RefusedError
from headgate.client._connection import Connection
from headgate.client._job_info import settled
from headgate.client._job_query import JobQuery
from headgate.client._job_reading import info_of
from headgate.client._pods import JobPods, Wanted, _pod, started_containers
from headgate.client._submission import in_queue, job_manifest
from headgate.kube.client import Api

Json = dict[str, Any]

CREATED, ADMITTED, ENDED = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00.500000Z", "2026-01-01T00:02:00Z"
T0 = 1767225600.0


def job(
    *,
    annotations: dict[str, str] | None = None,
    suspend: bool = True,
    conditions: tuple[tuple[str, str], ...] = (),
    deleted: bool = False,
    status: Json | None = None,
    **spec: Any,
) -> Json:
    metadata: Json = {
        "name": "one",
        "namespace": "team",
        "uid": "u1",
        "resourceVersion": "7",
        "creationTimestamp": CREATED,
        "labels": {"headgate.dev/queue": "q", "headgate.dev/run": "r"},
        "annotations": {f"headgate.dev/{key}": value for key, value in (annotations or {}).items()},
    }
    if deleted:
        metadata["deletionTimestamp"] = ENDED
    listed = [
        {"type": type_, "status": "True", "reason": reason, "message": "why", "lastTransitionTime": ENDED}
        for type_, reason in conditions
    ]
    container = {"name": "main", "resources": {"requests": {"cpu": "500m"}}}
    template = {"spec": {"containers": [container]}}
    body_spec = {"suspend": suspend, "parallelism": 4, "completions": 6, "template": template, **spec}
    return {"metadata": metadata, "spec": body_spec, "status": {"conditions": listed, **(status or {})}}


ADMIT = {"admitted-at": ADMITTED, "cluster": "local", "submitted-by": "alice"}


@pytest.mark.parametrize(
    ("raw", "state", "result", "reason"),
    [
        (job(), "sched", None, None),
        (job(annotations={"hold": "true"}), "priority", None, None),
        (job(annotations={"priority": "high"}), "priority", None, None),
        (job(annotations={"depends-on": "a,b"}), "depend", None, None),
        (job(annotations={"depends-on": "a", "requeued-from": "east"}), "sched", None, None),
        (job(annotations=ADMIT, suspend=False), "run", None, None),
        (job(annotations=ADMIT, suspend=False, deleted=True), "cleanup", None, None),
        (job(conditions=(("FailureTarget", "Canceled"),)), "cleanup", None, "Canceled"),
        (job(conditions=(("SuccessCriteriaMet", "x"),), suspend=False), "cleanup", None, None),
        (job(conditions=(("Complete", "x"),), suspend=False), "inactive", "completed", None),
        (job(conditions=(("Failed", "BackoffLimitExceeded"),)), "inactive", "failed", "BackoffLimitExceeded"),
        (job(conditions=(("Failed", "Canceled"),)), "inactive", "canceled", "Canceled"),
        (job(conditions=(("Failed", "DeadlineExceeded"),)), "inactive", "timeout", "DeadlineExceeded"),
    ],
)
def test_states_and_results(raw: Json, state: str, result: str | None, reason: str | None) -> None:
    info = info_of(raw)

    assert (info.state, info.result) == (state, result)
    assert (info.exception.type if info.exception else None) == reason
    assert info.success is (None if result is None else result == "completed")
    assert info.returncode == (0 if result == "completed" else None)
    assert info.status == (result or state).upper()


def test_a_job_whose_dependencies_are_met_waits_its_turn() -> None:
    assert settled(info_of(job(annotations={"depends-on": "a"}))).state == "sched"
    assert settled(info_of(job(annotations={"depends-on": "a", "hold": "true"}))).state == "priority"


@pytest.mark.parametrize(
    ("words", "may"),
    [("depend", True), ("sched", True), ("priority", False), ("pending", True), ("run", False), ((), True)],
)
def test_other_jobs_are_only_asked_for_where_it_matters(words: str, may: bool) -> None:
    query = JobQuery.of(words, None, None, None, 0.0)

    assert query.may_match(info_of(job(annotations={"depends-on": "a"}))) is may


def test_the_record_of_a_job_that_ran() -> None:
    annotations = {**ADMIT, "priority": "7", "depends-on": "a, b", "compute-environment": "spot"}
    done = job(
        annotations=annotations,
        suspend=False,
        conditions=(("Complete", "x"),),
        status={"startTime": "2026-01-01T00:01:01Z", "succeeded": 6},
        activeDeadlineSeconds=600,
    )

    info = info_of(done)

    assert (info.id, info.namespace, info.name, info.uid) == ("team/one", "team", "one", "u1")
    assert (info.username, info.queue, info.run, info.project) == ("alice", "q", "r", "team")
    assert (info.priority, info.dependencies) == (7, ("a", "b"))
    assert (info.cluster, info.environment) == ("local", "spot")
    assert (info.t_submit, info.t_run, info.t_inactive) == (T0, T0 + 60.5, T0 + 120)
    assert (info.duration, info.expiration, info.t_remaining) == (600.0, T0 + 61 + 600, None)
    assert info.runtime == 59.5
    assert (info.ntasks, info.ncores) == (6, 2.0)
    assert (info.nodelist, info.nnodes, info.urgency, info.userid) == (None,) * 4


def test_a_dictionary_has_all_attributes_or_those_asked_for() -> None:
    info = info_of(job(conditions=(("Failed", "Canceled"),)))

    whole = info.to_dict()
    assert tuple(whole) == ATTRIBUTES
    assert whole["exception"] == {"occurred": True, "type": "Canceled", "severity": 0, "note": "why"}
    assert info.to_dict(("name", "state")) == {"name": "one", "state": "inactive"}
    assert info.runtime is None


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ((), {"sched", "run", "completed", "failed"}),
        ("pending", {"sched"}),
        (["running"], {"run"}),
        (["Active"], {"sched", "run"}),
        (["inactive"], {"completed", "failed"}),
        (["failed"], {"failed"}),
        (["failed", "canceled"], {"failed"}),
        (["pending", "failed"], {"sched", "failed"}),
        (["inactive", "failed"], {"completed", "failed"}),
    ],
)
def test_filters_are_states_and_results(filters: str | list[str], found: set[str]) -> None:
    jobs = [
        info_of(job()),
        info_of(job(annotations=ADMIT, suspend=False)),
        info_of(job(conditions=(("Complete", "x"),))),
        info_of(job(conditions=(("Failed", "x"),))),
    ]
    query = JobQuery.of(filters, None, None, None, 0.0)

    assert {one.result or one.state for one in jobs if query.matches(one)} == found


def test_a_filter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"filters: must be some of depend, .* timeout, not 'done'"):
        JobQuery.of(["done"], None, None, None, 0.0)


def test_since_is_for_finished_jobs() -> None:
    waits, ended = info_of(job()), info_of(job(conditions=(("Complete", "x"),)))

    def listed(since: float) -> list[JobInfo]:
        return [one for one in (waits, ended) if JobQuery.of((), None, None, None, since).may_match(one)]

    assert listed(T0 + 119) == [waits, ended]
    assert listed(T0 + 120) == [waits]


def test_a_manifest_has_what_was_asked_for_and_nothing_else() -> None:
    least = job_manifest("busybox", ["true"], queue="q")

    assert least == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "q-", "labels": {"headgate.dev/queue": "q"}, "annotations": {}},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "main", "image": "busybox", "command": ["true"]}],
                }
            },
        },
    }
    most = job_manifest(
        "busybox",
        "echo $A",
        queue="q",
        name="n",
        priority=3,
        share="s",
        project="p",
        run="r",
        depends_on=["a", "b"],
        retry_of="old",
        hold=True,
        cpu=0.5,
        memory="1Gi",
        requests={"nvidia.com/gpu": "1", "ephemeral-storage": "2Gi"},
        parallelism=0,
        completions=2,
        deadline=60,
        retries=3,
        ttl=0,
        env={"A": "1"},
        labels={"x": "y"},
        annotations={"z": "w"},
        service_account="robot",
    )
    assert most["metadata"] == {
        "name": "n",
        "labels": {
            "x": "y",
            "headgate.dev/queue": "q",
            "headgate.dev/run": "r",
            "headgate.dev/project": "p",
            "headgate.dev/share": "s",
        },
        "annotations": {
            "z": "w",
            "headgate.dev/priority": "3",
            "headgate.dev/depends-on": "a,b",
            "headgate.dev/retry-of": "old",
            "headgate.dev/hold": "true",
        },
    }
    spec = most["spec"]
    assert (spec["parallelism"], spec["ttlSecondsAfterFinished"], spec["backoffLimit"]) == (0, 0, 3)
    container = spec["template"]["spec"]["containers"][0]
    assert container["command"] == ["/bin/sh", "-c", "echo $A"]
    assert container["env"] == [{"name": "A", "value": "1"}]
    assert container["resources"] == {
        "requests": {"cpu": "0.5", "memory": "1Gi", "nvidia.com/gpu": "1", "ephemeral-storage": "2Gi"},
        "limits": {"nvidia.com/gpu": "1"},
    }
    assert spec["template"]["spec"]["serviceAccountName"] == "robot"
    with pytest.raises(TypeError, match="a Job has no prio; there are name, priority"):
        job_manifest("busybox", "true", queue="q", prio=1)  # type: ignore[call-arg]
    [own] = job_manifest("train:1", queue="q")["spec"]["template"]["spec"]["containers"]
    assert own == {"name": "main", "image": "train:1"}


@pytest.mark.parametrize(
    ("manifest", "wrong"),
    [
        ({"kind": "Pod"}, "kind: must be Job, not 'Pod'"),
        ({"metadata": "foo"}, "metadata: must be a mapping of names to values, not 'foo'"),
        (
            {"metadata": {"labels": "foo"}},
            r"metadata\.labels: must be a mapping of names to values, not 'foo'",
        ),
        ({}, r"metadata\.labels\['headgate\.dev/queue'\]: is required"),
    ],
)
def test_what_is_no_job_of_a_queue(manifest: Json, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        in_queue(manifest, None)


async def test_what_json_cannot_say_is_refused() -> None:
    body: Any = {"metadata": {"name": "one"}, "spec": {"x": b"bytes"}}
    connection = Connection(_api=Api(Configuration(host="http://127.0.0.1:1")))
    with pytest.raises(RefusedError, match=r"this cannot be written as JSON: .*bytes"):
        await AsyncClient(connection).jobs.submit_manifest(body, queue="q", namespace="n")
    await connection.close()


@pytest.mark.parametrize(
    ("phase", "init", "main", "started", "meant"),
    [
        ("Pending", {"waiting": {"reason": "PodInitializing"}}, {"waiting": {}}, (), "main"),
        ("Pending", {"running": {"startedAt": CREATED}}, {"waiting": {}}, ("fetch",), "fetch"),
        ("Pending", {"terminated": {"exitCode": 1}}, {"waiting": {}}, ("fetch",), "fetch"),
        (
            "Pending",
            {"terminated": {"exitCode": 0}},
            {"running": {"startedAt": CREATED}},
            ("fetch", "main"),
            "main",
        ),
        ("Running", None, None, ("fetch", "main"), "main"),
        ("Succeeded", None, None, ("fetch", "main"), "main"),
    ],
)
def test_which_containers_of_a_pod_have_started(
    phase: str, init: Json | None, main: Json | None, started: tuple[str, ...], meant: str
) -> None:
    status: Json = {"phase": phase}
    if init is not None:
        status["initContainerStatuses"] = [{"name": "fetch", "state": init}]
        status["containerStatuses"] = [{"name": "main", "state": main}]
    raw = {
        "metadata": {"name": "p"},
        "spec": {"initContainers": [{"name": "fetch"}], "containers": [{"name": "main"}]},
        "status": status,
    }
    pod = _pod(raw)

    assert (pod.started, pod.main, pod.containers) == (started, meant, ("fetch", "main"))
    assert Wanted().of(raw) == (("main",) if "main" in started else ())
    assert Wanted(container="fetch").of(raw) == (("fetch",) if "fetch" in started else ())
    assert Wanted(all_containers=True).of(raw) == started
    assert Wanted(pod="q").of(raw) == ()
    assert Wanted(container="nobody").of(raw) == (("nobody",) if started else ())


def test_a_container_that_crashed_and_waits_to_be_tried_again_has_started() -> None:
    crashed = {
        "name": "fetch",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1}},
    }
    status = {"phase": "Pending", "initContainerStatuses": [crashed]}
    assert started_containers({"status": status, "spec": {}}) == ("fetch",)


async def test_logs_of_a_job_in_another_cluster_are_there() -> None:
    proxy = job(annotations={**ADMIT, "cluster": "east"}, suspend=False, managedBy="headgate.dev/dispatcher")

    with pytest.raises(RefusedError, match='Job "team/one" runs in cluster "east", and its Pods are there'):
        await JobPods(Connection(), proxy).started(wait=Wanted())
    waits = job(managedBy="headgate.dev/dispatcher")
    with pytest.raises(RefusedError, match="has no Pods yet: it waits, and they will be"):
        await JobPods(Connection(), waits).started(wait=Wanted())
