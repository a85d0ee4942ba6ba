"""Parsing what the API server sends: strict about types, tolerant of what a newer version adds."""

from typing import Any

import pytest
from pydantic import ValidationError

from headgate.api.clusterpool import ClusterPool, ClusterPoolSpec
from headgate.api.jobqueue import JobQueue, JobQueueSpec
from headgate.api.jobqueue_status import JobQueueStatus
from headgate.api.meta import explain


def queue(**spec: Any) -> dict[str, Any]:
    """A queue with the two required limits, and with what the case is about."""
    limits: dict[str, Any] = {"runConcurrency": 1, "actionConcurrency": 20}
    return {"metadata": {"name": "nightly"}, "spec": limits | spec}


def test_a_queue_with_only_what_is_required() -> None:
    spec = JobQueue.parse(queue()).spec
    assert spec.to_dict() == {
        "description": "",
        "pool": "default",
        "clusters": ["*"],
        "runConcurrency": 1,
        "actionConcurrency": 20,
        "depth": 10000,
        "priority": "medium",
        "executionMode": "FIFO",
        "fairness": "RoundRobin",
        "computeEnvironments": [],
        "headOfLine": "Block",
        "timeLimitActions": [],
        "idleTimeoutSeconds": 0,
        "retryAffinity": "PreferWarmest",
        "state": "Active",
        "dispatch": {"paused": False, "note": ""},
        "tags": {},
    }


def test_both_ways_to_name_a_field() -> None:
    assert JobQueueSpec(run_concurrency=1, action_concurrency=2) == JobQueueSpec.model_validate(
        {"runConcurrency": 1, "actionConcurrency": 2}
    )


@pytest.mark.parametrize(
    ("priority", "value"),
    [("min", 1), ("medium", 50), ("max", 100), (0, 0), (75, 75), (1_000_000, 1_000_000)],
)
def test_priority_as_a_number(priority: Any, value: int) -> None:
    spec = JobQueue.parse(queue(priority=priority)).spec
    assert spec.priority == priority
    assert spec.priority_value == value


@pytest.mark.parametrize("priority", ["high", "50", "MAX", "", -1, 1_000_001, 1.5, 50.0, True, None, [1]])
def test_a_priority_that_is_none(priority: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        JobQueue.parse(queue(priority=priority))
    assert explain(caught.value).startswith(
        "spec.priority: a priority is an integer from 0 to 1000000, without quotes, or min, medium or max"
    )


def test_what_a_newer_version_adds_is_ignored() -> None:
    raw = queue(onClusterLost="Wait", dispatch={"paused": True, "until": "noon"})
    raw["status"] = {"state": "Active", "quotas": [{"name": "gpu"}]}
    parsed = JobQueue.parse(raw | {"apiVersion": "headgate.dev/v1alpha1", "kind": "JobQueue"})
    assert parsed.spec.dispatch.paused
    assert parsed.status.state == "Active"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"runConcurrency": "many"},
            "spec.runConcurrency: Input should be a valid integer, not 'many'",
        ),
        ({"runConcurrency": True}, "spec.runConcurrency: Input should be a valid integer, not True"),
        ({"depth": -1}, "spec.depth: Input should be greater than or equal to 0, not -1"),
        ({"clusters": ["a", 7]}, "spec.clusters[1]: Input should be a valid string, not 7"),
        ({"clusters": "a"}, "spec.clusters: Input should be a valid list, not 'a'"),
        ({"dispatch": {"paused": "yes"}}, "spec.dispatch.paused: Input should be a valid boolean, not 'yes'"),
        ({"tags": {"cost.center": 7}}, "spec.tags['cost.center']: Input should be a valid string, not 7"),
        (
            {"state": "Paused"},
            "spec.state: Input should be 'Active', 'Drained', 'Sealed' or 'Terminated', not 'Paused'",
        ),
    ],
)
def test_a_wrong_type_is_said_with_the_path_of_the_field(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JobQueue.parse(queue(**spec))
    assert explain(caught.value) == message


def test_every_problem_is_named_and_a_long_value_is_cut() -> None:
    with pytest.raises(ValidationError) as caught:
        JobQueue.parse({"metadata": {"name": "q"}, "spec": {"runConcurrency": "x" * 1000}})
    missing, wrong = sorted(explain(caught.value).split("; "))
    assert missing == "spec.actionConcurrency: is required"
    assert wrong.startswith("spec.runConcurrency: Input should be a valid integer, not 'xxx")
    assert len(wrong) < 200


@pytest.mark.parametrize("raw", [None, [], "queue"])
def test_what_is_no_object_at_all(raw: object) -> None:
    with pytest.raises(ValidationError) as caught:
        JobQueue.parse(raw)
    assert explain(caught.value).startswith("the object: ")


def test_a_status_is_written_without_what_is_not_known() -> None:
    status = JobQueueStatus.model_validate(
        {
            "state": "Drained",
            "accounting": {"resourceVersion": "42", "depthFloor": 0},
            "runs": {"active": 0, "limit": 5},
        }
    )
    assert status.to_dict() == {
        "state": "Drained",
        "runs": {"active": 0, "limit": 5},
        "clusters": [],
        "computeEnvironments": [],
        "shares": [],
        "accounting": {"resourceVersion": "42", "depthFloor": 0},
        "conditions": [],
    }


def test_a_pool() -> None:
    pool = ClusterPool.parse(
        {
            "metadata": {"name": "default"},
            "spec": {"clusters": [{"name": "local", "local": True}]},
            "status": {"queues": 2, "clusters": [{"name": "local", "state": "Running", "active": 3}]},
        }
    )
    (member,) = pool.spec.clusters
    assert (pool.name, member.name, member.state, member.local) == ("default", "local", "Enabled", True)
    assert (pool.status.queues, pool.status.clusters[0].active) == (2, 3)
    assert (pool.spec.remote, pool.spec.on_cluster_lost, pool.spec.lost_after_seconds) == (False, "Wait", 300)


def test_a_pool_of_remote_clusters() -> None:
    secret = {"namespace": "headgate-system", "name": "east"}
    pool = ClusterPool.parse(
        {
            "metadata": {"name": "europe"},
            "spec": {
                "clusters": [{"name": "east", "kubeconfigSecretRef": secret}],
                "onClusterLost": "Requeue",
                "lostAfterSeconds": 60,
            },
            "status": {"clusters": [{"name": "east", "notReadySince": "2026-11-23T10:00:00Z"}]},
        }
    )
    (member,) = pool.spec.clusters
    assert str(member.kubeconfig_secret_ref) == "headgate-system/east[kubeconfig]"
    assert (pool.spec.remote, pool.spec.on_cluster_lost, pool.spec.lost_after_seconds) == (
        True,
        "Requeue",
        60,
    )
    assert pool.status.clusters[0].not_ready_since == "2026-11-23T10:00:00Z"


def test_a_pool_without_clusters_is_neither_local_nor_remote() -> None:
    assert ClusterPoolSpec().remote is None
