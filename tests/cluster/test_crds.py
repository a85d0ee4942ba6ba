"""The CRDs on a real API server: it accepts them, fills in defaults, and refuses what the design forbids, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headgate.api.clusterpool import ClusterPool
from headgate.api.jobqueue import JobQueue
from tests.cluster.harness.client import PATIENCE, eventually

if TYPE_CHECKING:
    from subprocess import CompletedProcess

pytestmark = pytest.mark.cluster

Kubectl = Callable[..., "CompletedProcess[str]"]
Object = dict[str, Any]

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="module", autouse=True)
def crds(kubectl: Kubectl) -> Iterator[None]:
    """The CRDs, served and published; what the tests made is gone afterwards."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    kubectl(
        "wait",
        "--for=condition=Established",
        f"--timeout={PATIENCE:.0f}s",
        *(f"crd/{path.stem}.headgate.dev" for path in CRDS.iterdir()),
    )
    for kind in ("jq", "cpool", "ce", "sp"):
        eventually(partial(kubectl, "explain", f"{kind}.spec"))
    yield
    kubectl("delete", "jobqueues,clusterpools", "-l", "test=crds", check=False)


def queue(name: str, **spec: Any) -> Object:
    """A queue with the two required limits, and with what the case is about."""
    return manifest("JobQueue", name, {"runConcurrency": 1, "actionConcurrency": 2} | spec)


def pool(name: str, *clusters: Object) -> Object:
    """A pool of these clusters."""
    return manifest("ClusterPool", name, {"clusters": list(clusters)})


def manifest(kind: str, name: str, spec: Object) -> Object:
    """An object that is removed when the tests end."""
    metadata = {"name": name, "labels": {"test": "crds"}}
    return {"apiVersion": "headgate.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def apply(kubectl: Kubectl, thing: Object) -> Object:
    """Apply and return what the API server made of it."""
    done = kubectl("apply", "-o", "json", "-f", "-", input=json.dumps(thing))
    applied: Object = json.loads(done.stdout)
    return applied


def refusal(kubectl: Kubectl, thing: Object) -> str:
    """Apply what must be refused, and return why."""
    done = kubectl("apply", "-f", "-", input=json.dumps(thing), check=False)
    assert done.returncode != 0, f"accepted: {done.stdout}"
    return done.stderr


def words(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())


def test_defaults_are_filled_in(kubectl: Kubectl) -> None:
    assert apply(kubectl, queue("crd-defaults"))["spec"] == {
        "pool": "default",
        "clusters": ["*"],
        "runConcurrency": 1,
        "actionConcurrency": 2,
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
    }
    assert apply(kubectl, manifest("ClusterPool", "crd-defaults", {}))["spec"] == {
        "clusters": [],
        "onClusterLost": "Wait",
        "lostAfterSeconds": 300,
    }
    local = pool("crd-defaults", {"name": "here", "local": True})
    assert apply(kubectl, local)["spec"]["clusters"] == [{"name": "here", "local": True, "state": "Enabled"}]
    far = pool("crd-defaults-far", {"name": "far", "kubeconfigSecretRef": {"namespace": "ns", "name": "far"}})
    assert apply(kubectl, far)["spec"]["clusters"] == [
        {
            "name": "far",
            "state": "Enabled",
            "kubeconfigSecretRef": {"namespace": "ns", "name": "far", "key": "kubeconfig"},
        }
    ]


@pytest.mark.parametrize(
    "spec",
    [
        {"runConcurrency": 0, "actionConcurrency": 0, "depth": 0},
        {"runConcurrency": 2147483647},
        {"priority": 0},
        {"priority": 1_000_000},
        {"priority": "min"},
        {"priority": "max"},
        {"pool": "crd-nowhere", "clusters": ["a", "b-2", "c" * 63]},
        {"pool": "crd-nowhere", "clusters": [f"cluster-{number}" for number in range(64)]},
        {"executionMode": "PRIORITY", "fairness": "ShuffleInterleave"},
        {"state": "Drained"},
        {"dispatch": {"paused": True, "note": "upgrade"}},
        {"tags": {"k" * 128: "v" * 256, "team": ""}},
        {"tags": {f"tag-{number}": "x" for number in range(50)}},
        {"description": "d" * 1024},
    ],
    ids=lambda spec: ",".join(spec),
)
def test_a_queue_that_is_right(kubectl: Kubectl, spec: Object) -> None:
    kubectl("delete", "jq", "crd-right", "--ignore-not-found")
    applied = apply(kubectl, queue("crd-right", **spec))
    assert {key: applied["spec"][key] for key in spec} == spec
    assert JobQueue.parse(applied).spec.to_dict() | spec == JobQueue.parse(applied).spec.to_dict()


PRIORITY = "a priority is an integer from 0 to 1000000, without quotes, or min, medium or max"
ALONE = "'*' stands for every cluster of the pool and must be the only entry"
TAG_KEY = "the key of a tag has 1 to 128 characters"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"priority": "high"}, f'spec.priority: Invalid value: "high": {PRIORITY}'),
        ({"priority": "50"}, f'spec.priority: Invalid value: "50": {PRIORITY}'),
        ({"priority": -1}, f"spec.priority: Invalid value: -1: {PRIORITY}"),
        ({"priority": 1_000_001}, f"spec.priority: Invalid value: 1000001: {PRIORITY}"),
        ({"priority": 1.5}, "spec.priority in body must be of type integer,string"),
        ({"clusters": ["*", "a"]}, f"spec.clusters: Invalid value: {ALONE}"),
        ({"clusters": ["A_b"]}, 'spec.clusters[0]: Invalid value: "A_b": a cluster\'s name is a DNS label'),
        ({"clusters": [""]}, 'spec.clusters[0]: Invalid value: "": a cluster\'s name is a DNS label'),
        ({"clusters": ["a", "a"]}, 'spec.clusters[1]: Duplicate value: "a"'),
        ({"clusters": []}, "spec.clusters in body should have at least 1 items"),
        ({"clusters": [f"c{number}" for number in range(65)]}, "spec.clusters: Too many: 65"),
        ({"pool": "my.pool"}, 'spec.pool: Invalid value: "my.pool": a pool\'s name is a DNS label'),
        ({"runConcurrency": None}, "spec.runConcurrency: Required value"),
        ({"actionConcurrency": None}, "spec.actionConcurrency: Required value"),
        ({"runConcurrency": -1}, "spec.runConcurrency in body should be greater than or equal to 0"),
        ({"depth": "5"}, 'spec.depth in body must be of type integer: "string"'),
        ({"depth": 1e21}, "spec.depth in body should be less than or equal to 2"),
        ({"state": "Paused"}, 'supported values: "Active", "Drained", "Sealed", "Terminated"'),
        ({"executionMode": "fifo"}, 'supported values: "FIFO", "LIFO", "PRIORITY"'),
        ({"tags": {"": "x"}}, f"spec.tags: Invalid value: {TAG_KEY}"),
        ({"tags": {"k" * 129: "x"}}, f"spec.tags: Invalid value: {TAG_KEY}"),
        ({"tags": {"team": "v" * 257}}, "spec.tags.team: Too long: may not be more than 256"),
        ({"tags": {f"tag-{number}": "x" for number in range(51)}}, "spec.tags: Too many: 51"),
        ({"description": "d" * 1025}, "spec.description: Too long: may not be more than 1024"),
        ({"dispatch": {"paused": "yes"}}, "spec.dispatch.paused in body must be of type boolean"),
        ({"onClusterLost": "Wait"}, 'unknown field "spec.onClusterLost"'),
    ],
)
def test_a_queue_that_is_wrong(kubectl: Kubectl, spec: Object, message: str) -> None:
    thing = queue("crd-wrong", **spec)
    thing["spec"] = {key: value for key, value in thing["spec"].items() if value is not None}
    assert message in refusal(kubectl, thing)


@pytest.mark.parametrize("kind", ["JobQueue", "ClusterPool"])
@pytest.mark.parametrize(
    ("name", "message"),
    [("a.b", "metadata.name: Invalid value: a name is a DNS label"), ("a" * 64, "metadata.name: Too long")],
)
def test_a_name_is_a_dns_label(kubectl: Kubectl, kind: str, name: str, message: str) -> None:
    thing = queue(name) if kind == "JobQueue" else pool(name)
    assert message in refusal(kubectl, thing)


def test_the_longest_name(kubectl: Kubectl) -> None:
    apply(kubectl, queue("q" * 63))
    apply(kubectl, pool("p" * 63))


SECRET = {"kubeconfigSecretRef": {"namespace": "headgate-system", "name": "a"}}


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        (
            [{"name": "a"}],
            "spec.clusters[0]: Invalid value: cluster a is either the one that Headgate runs in or another one: "
            "set local: true, or kubeconfigSecretRef to the Secret with its kubeconfig",
        ),
        ([{"name": "a", "local": False}], "set local: true, or kubeconfigSecretRef to the Secret"),
        (
            [{"name": "a", "local": True} | SECRET],
            "spec.clusters[0]: Invalid value: cluster a is either the one that Headgate runs in or another one: "
            "remove local: true, or kubeconfigSecretRef",
        ),
        (
            [{"name": "a", "local": True}, {"name": "b"} | SECRET],
            "spec.clusters: Invalid value: a local cluster stands alone in its pool",
        ),
        (
            [{"name": "a", "kubeconfigSecretRef": {"name": "a"}}],
            "spec.clusters[0].kubeconfigSecretRef.namespace: Required value",
        ),
        (
            [{"name": "a", "kubeconfigSecretRef": {"namespace": "a"}}],
            "spec.clusters[0].kubeconfigSecretRef.name: Required value",
        ),
        (
            [{"name": "a", "kubeconfigSecretRef": {"namespace": "a.b", "name": "a"}}],
            'spec.clusters[0].kubeconfigSecretRef.namespace: Invalid value: "a.b": a namespace\'s name is a DNS label',
        ),
        (
            [{"name": "a", "kubeconfigSecretRef": {"namespace": "a", "name": "../pods"}}],
            'spec.clusters[0].kubeconfigSecretRef.name: Invalid value: "../pods": a Secret\'s name is a DNS subdomain',
        ),
        (
            [{"name": "a", "kubeconfigSecretRef": {"namespace": "a", "name": "a", "key": "a/b"}}],
            'spec.clusters[0].kubeconfigSecretRef.key: Invalid value: "a/b": a key of a Secret is 1 to 253 characters',
        ),
        ([{"name": "a", "local": True}] * 2, 'spec.clusters[1]: Duplicate value: {"name":"a"}'),
        ([{"name": "*", "local": True}], 'spec.clusters[0].name: Invalid value: "*": a cluster\'s name is'),
        ([{"local": True}], "spec.clusters[0].name: Required value"),
        ([{"name": "a", "local": True, "state": "Off"}], 'supported values: "Enabled", "Disabled"'),
    ],
)
def test_a_pool_that_is_wrong(kubectl: Kubectl, clusters: list[Object], message: str) -> None:
    assert message in refusal(kubectl, pool("crd-wrong", *clusters))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"onClusterLost": "Fail"},
            'spec.onClusterLost: Unsupported value: "Fail": supported values: "Wait", "Requeue"',
        ),
        ({"lostAfterSeconds": 4}, "spec.lostAfterSeconds in body should be greater than or equal to 5"),
        ({"lostAfterSeconds": 86401}, "spec.lostAfterSeconds in body should be less than or equal to 86400"),
        ({"lostAfterSeconds": "60"}, 'spec.lostAfterSeconds in body must be of type integer: "string"'),
    ],
)
def test_a_pool_that_loses_its_clusters_wrongly(kubectl: Kubectl, spec: Object, message: str) -> None:
    assert message in refusal(kubectl, manifest("ClusterPool", "crd-wrong", spec))


def test_a_pool_of_64_remote_clusters_with_the_longest_names(kubectl: Kubectl) -> None:
    secret = {"namespace": "n" * 63, "name": ".".join(["s" * 62] * 4), "key": "k" * 253}
    clusters = [{"name": f"{number:02}{'c' * 61}", "kubeconfigSecretRef": secret} for number in range(64)]
    spec = {"clusters": clusters, "onClusterLost": "Requeue", "lostAfterSeconds": 5}
    applied = apply(kubectl, manifest("ClusterPool", "crd-many", spec))
    assert applied["spec"] == spec | {"clusters": [cluster | {"state": "Enabled"} for cluster in clusters]}
    kubectl("delete", "cpool", "crd-many")


def test_a_pool_stays_local_or_remote(kubectl: Kubectl) -> None:
    message = (
        "spec.clusters: Invalid value: a pool of the local cluster does not become one of remote clusters, nor the "
        "other way: make another pool, and move the queues by drain and replace"
    )
    elsewhere = {"kubeconfigSecretRef": {"namespace": "elsewhere", "name": "b", "key": "config"}}
    apply(kubectl, pool("crd-near", {"name": "crd-near", "local": True}))
    assert message in refusal(kubectl, pool("crd-near", {"name": "crd-near"} | SECRET))
    apply(kubectl, pool("crd-far", {"name": "crd-far"} | SECRET))
    assert message in refusal(kubectl, pool("crd-far", {"name": "crd-far", "local": True}))
    apply(kubectl, pool("crd-far", {"name": "crd-far"} | elsewhere, {"name": "crd-farther"} | elsewhere))
    apply(kubectl, pool("crd-far"))
    apply(kubectl, pool("crd-far", {"name": "crd-far", "local": True}))


def test_a_queue_never_changes_its_pool(kubectl: Kubectl) -> None:
    apply(kubectl, queue("crd-pool", pool="prod"))
    message = "a queue never changes its pool, and this one is in prod: create another queue in dev"
    assert message in refusal(kubectl, queue("crd-pool", pool="dev"))
    implicit = kubectl("patch", "jq", "crd-pool", "--type=merge", "-p", '{"spec":{"pool":null}}', check=False)
    assert "this one is in prod: create another queue in default" in implicit.stderr
    apply(kubectl, queue("crd-pool", pool="prod", depth=1))


TERMINATED = "a terminated queue stays Terminated"
SEALED = "a sealed queue can only become Terminated"
STATES = ("Active", "Drained", "Sealed", "Terminated")
REFUSED = {
    ("Sealed", "Active"): SEALED,
    ("Sealed", "Drained"): SEALED,
    ("Terminated", "Active"): TERMINATED,
    ("Terminated", "Drained"): TERMINATED,
    ("Terminated", "Sealed"): TERMINATED,
}


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_from_state_to_state(kubectl: Kubectl, before: str, after: str) -> None:
    name = f"crd-{before}-{after}".lower()
    apply(kubectl, queue(name, state=before))
    if message := REFUSED.get((before, after)):
        assert f'spec.state: Invalid value: "{after}": {message}' in refusal(
            kubectl, queue(name, state=after)
        )
    else:
        assert apply(kubectl, queue(name, state=after))["spec"]["state"] == after


@pytest.mark.parametrize("state", [state for state in STATES if state != "Active"])
def test_the_default_queue_is_always_active(kubectl: Kubectl, state: str) -> None:
    dry = ("apply", "--dry-run=server", "-f", "-")
    assert kubectl(*dry, input=json.dumps(queue("default"))).returncode == 0
    refused = kubectl(*dry, input=json.dumps(queue("default", state=state)), check=False)
    assert "spec.state: Invalid value: the queue 'default' is always Active" in refused.stderr


STATUS = {
    "state": "Draining",
    "jobs": {
        "total": 9,
        "waiting": 1,
        "active": 2,
        "succeeded": 3,
        "failed": 1,
        "canceled": 1,
        "timedOut": 1,
    },
    "runs": {"active": 1, "limit": 1},
    "actions": {"active": 2, "limit": 2},
    "depth": {"current": 3, "limit": 10000},
    "clusters": [{"name": "local", "state": "Running", "active": 2}],
    "computeEnvironments": [],
    "shares": [],
    "dispatch": {"paused": True, "pausedBy": "alice", "pausedAt": "2026-11-23T10:00:00Z", "note": "upgrade"},
    "createdBy": "alice",
    "drainedAt": "2026-11-23T10:00:00Z",
    "lastAdmittedAt": "2026-11-23T10:00:00.123456Z",
    "accounting": {"resourceVersion": "4711", "depthFloor": 0},
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-23T10:00:00Z",
            "reason": "Paused",
            "message": "",
        }
    ],
}


def write_status(kubectl: Kubectl, resource: str, status: Object) -> Object:
    patch = json.dumps({"status": status})
    done = kubectl("patch", resource, "--subresource=status", "--type=merge", "-o", "json", "-p", patch)
    patched: Object = json.loads(done.stdout)
    return patched


def test_a_whole_status_survives_the_api_server_and_the_models(kubectl: Kubectl) -> None:
    apply(kubectl, queue("crd-status"))
    patched = write_status(kubectl, "jq/crd-status", STATUS)
    assert patched["status"] == STATUS
    assert JobQueue.parse(patched).status.to_dict() == STATUS

    status: Object = {
        "clusters": [
            {
                "name": "crd-here",
                "state": "Running",
                "version": "v1.37.2",
                "message": "fine",
                "active": 2,
                "lastProbeTime": "2026-11-23T10:00:00Z",
                "notReadySince": "2026-11-23T09:59:00Z",
            }
        ],
        "queues": 3,
        "observedGeneration": 1,
        "conditions": STATUS["conditions"],
    }
    apply(kubectl, pool("crd-status", {"name": "crd-here", "local": True}))
    patched = write_status(kubectl, "cpool/crd-status", status)
    assert patched["status"] == status
    assert ClusterPool.parse(patched).status.to_dict() == status


def test_the_table_reads_well(kubectl: Kubectl) -> None:
    apply(kubectl, queue("crd-table", priority=75, dispatch={"paused": True}))
    write_status(kubectl, "jq/crd-table", STATUS)
    head, row = kubectl("get", "jq", "crd-table").stdout.splitlines()
    assert head.split() == [
        *("NAME", "STATE", "POOL", "PRIORITY", "WAITING", "ACTIVE", "SUCCEEDED"),
        *("PAUSED", "READY", "REASON", "AGE"),
    ]
    assert row.split()[:-1] == [
        *("crd-table", "Draining", "default", "75", "1", "2", "3", "true", "True", "Paused"),
    ]


def test_lists_select_by_pool_and_state(kubectl: Kubectl) -> None:
    apply(kubectl, queue("crd-in-a", pool="crd-a"))
    apply(kubectl, queue("crd-in-b", pool="crd-b"))
    apply(kubectl, queue("crd-sealed", pool="crd-a", state="Sealed"))

    def listed(selector: str) -> set[str]:
        return set(kubectl("get", "jq", "-o", "name", "--field-selector", selector).stdout.split())

    assert listed("spec.pool=crd-a") == {"jobqueue.headgate.dev/crd-in-a", "jobqueue.headgate.dev/crd-sealed"}
    assert listed("spec.pool=crd-a,spec.state!=Sealed") == {"jobqueue.headgate.dev/crd-in-a"}


def test_the_category_lists_the_kinds(kubectl: Kubectl) -> None:
    apply(kubectl, queue("crd-category"))
    apply(kubectl, pool("crd-category"))
    listed = kubectl("get", "headgate", "-o", "name").stdout.split()
    assert {"jobqueue.headgate.dev/crd-category", "clusterpool.headgate.dev/crd-category"} <= set(listed)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("jq.spec.runConcurrency", "<integer> DESCRIPTION: How many runs may be active at the same time."),
        ("jq.spec.priority", "An integer from 0 to 1000000, or min (1), medium (50), max (100)."),
        ("jq.status.accounting.resourceVersion", "lets a restarted operator count each exactly once."),
        ("cpool", "clusters: - name: east kubeconfigSecretRef: {namespace: headgate-system, name: east}"),
        ("cpool.spec.onClusterLost", "so until then a Job can run twice"),
        ("cpool.spec.clusters.local", "True for the cluster that Headgate itself runs in."),
        ("cpool.spec.clusters.kubeconfigSecretRef.key", "Default: kubeconfig."),
        ("ce.spec.instanceShape.cpu", "The cores that Jobs can request on one instance: 16 or 500m,"),
        ("sp.spec.fairShare.shares.weightFactor", "<number> DESCRIPTION: How much its usage weighs"),
    ],
)
def test_explain(kubectl: Kubectl, path: str, said: str) -> None:
    assert said in words(kubectl("explain", path).stdout)


@pytest.mark.parametrize(("kind", "lines"), [("jq", 5), ("cpool", 5), ("ce", 8), ("sp", 7)])
def test_explain_shows_an_example_that_can_be_copied(kubectl: Kubectl, kind: str, lines: int) -> None:
    text = kubectl("explain", kind).stdout
    example = re.search(r"^ {6}apiVersion:.*?(?=^\s*$)", text, re.MULTILINE | re.DOTALL)
    assert example, text
    assert len(example[0].splitlines()) == lines
    said = kubectl("create", "--dry-run=server", "-f", "-", input=example[0], check=False).stderr
    # A test before this one may have made one of that name: it is told after all else was found right.
    assert not said or re.fullmatch(r"Error from server \(AlreadyExists\): .* already exists\n", said), said
