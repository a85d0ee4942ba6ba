"""ComputeEnvironment, SchedulingPolicy, and what a queue says of them, on a real API server: defaults and rules."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from headgate.api.computeenvironment import ComputeEnvironment
from headgate.api.jobqueue import JobQueue
from headgate.api.schedulingpolicy import SchedulingPolicy
from tests.cluster.harness.client import ENVIRONMENTS, POLICIES, QUEUES, RefusedError, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.client import Client
    from tests.cluster.harness.cluster import Site

pytestmark = pytest.mark.cluster

Object = dict[str, Any]

KINDS = {ENVIRONMENTS: "ComputeEnvironment", POLICIES: "SchedulingPolicy", QUEUES: "JobQueue"}
REQUIRED: dict[str, Object] = {
    ENVIRONMENTS: {"type": "Spot"},
    POLICIES: {},
    QUEUES: {"runConcurrency": 0, "actionConcurrency": 0},
}


@pytest.fixture(scope="module")
def client(site: Site) -> Client:
    """The policies need a moment after the chart is there, in which nothing is accepted."""
    for path in KINDS:
        eventually(partial(accepted, site.admin, path, {}))
    return site.admin


def body(path: str, name: str, spec: Object) -> Object:
    """An object with what is required and what the case is about; a None takes something out."""
    whole = {key: value for key, value in (REQUIRED[path] | spec).items() if value is not None}
    kind = KINDS[path]
    return {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": whole,
    }


@pytest.fixture
def make(client: Client) -> Iterator[Callable[..., Object]]:
    """Create objects, and delete them afterwards."""
    made: list[str] = []

    def create(path: str, **spec: Any) -> Object:
        created = client.create(path, body(path, f"crd-{os.urandom(4).hex()}", spec))
        made.append(own(path, created))
        return created

    yield create
    for path in made:
        client.delete(path)


def own(path: str, thing: Object) -> str:
    """The path of an object."""
    return f"{path}/{thing['metadata']['name']}"


def accepted(client: Client, path: str, spec: Object) -> Object:
    """Return what the API server would make of a spec."""
    created: Object = client.create(f"{path}?dryRun=All", body(path, "crd-right", spec))["spec"]
    return created


def refused(client: Client, path: str, spec: Object) -> str:
    """Return why a spec is refused."""
    with pytest.raises(RefusedError) as caught:
        client.create(f"{path}?dryRun=All", body(path, "crd-wrong", spec))
    assert caught.value.status == 422
    return caught.value.message


def test_defaults_are_filled_in(client: Client) -> None:
    assert accepted(client, ENVIRONMENTS, {}) == {
        "type": "Spot",
        "pool": "default",
        "clusters": ["*"],
        "state": "Enabled",
        "instanceShape": {"name": ""},
        "capacity": {},
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nodes", "namespace": "infra"}
    scaling = {"targetRef": target, "max": 3}
    assert accepted(client, ENVIRONMENTS, {"instanceShape": {"cpu": 4}, "scaling": scaling})["scaling"] == {
        **scaling,
        "min": 0,
        "idleTimeoutSeconds": 0,
    }
    assert accepted(client, POLICIES, {}) == {
        "fairShare": {"shareDecaySeconds": 0, "computeReservation": 0, "shares": []}
    }
    shares = {"fairShare": {"shares": [{"identifier": "a"}]}}
    assert accepted(client, POLICIES, shares)["fairShare"]["shares"] == [
        {"identifier": "a", "weightFactor": 1}
    ]
    limits = [{"reason": "NoMatchingEnvironment", "maxTimeSeconds": 600, "action": "Cancel"}]
    made = accepted(client, QUEUES, {"timeLimitActions": limits})
    assert made["timeLimitActions"] == [limits[0] | {"state": "Waiting"}]
    assert (made["computeEnvironments"], made["headOfLine"]) == ([], "Block")
    assert (made["idleTimeoutSeconds"], made["retryAffinity"]) == (0, "PreferWarmest")
    assert "schedulingPolicy" not in made


SCALING = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nodes"}, "max": 3}


@pytest.mark.parametrize(
    "spec",
    [
        *({"type": kind} for kind in ("OnDemand", "Spot", "Serverless", "ServerlessSpot")),
        {"pool": "crd-nowhere", "clusters": ["a", "b-2", "c" * 63], "state": "Disabled"},
        {"pool": "crd-nowhere", "clusters": [f"cluster-{number}" for number in range(64)]},
        {"instanceShape": {"name": "n" * 63, "machineType": "m7i.4xlarge", "architecture": "arm64"}},
        {"instanceShape": {"name": "", "cpu": 16, "memory": "1.5Gi"}},
        {"capacity": {"cpu": 64, "memory": "256Gi", "nvidia.com/gpu": "0", "pods": "1e2", "x": ".5"}},
        {"capacity": {f"example.com/device-{number}": number for number in range(32)}},
        {"nodeSelector": {"a": "", "example.com/Pool_1": "Spot_1.b", "k" * 63: "v" * 63}},
        {"nodeSelector": {f"{'p' * 253}/{'k' * 63}": "v"}},
        {"nodeSelector": {"kubernetes.io/arch": "arm64"}},
        {
            "nodeSelector": {"kubernetes.io/arch": "arm64"},
            "instanceShape": {"name": "", "architecture": "arm64"},
        },
        {"tolerations": [{"operator": "Exists"}, {"key": "spot", "effect": "NoSchedule"}]},
        {"tolerations": [{"key": "example.com/spot", "operator": "Equal", "value": "yes"}]},
        {
            "tolerations": [
                {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": number}
                for number in range(32)
            ]
        },
        {
            "scaling": SCALING | {"min": 3, "max": 3, "idleTimeoutSeconds": 600},
            "instanceShape": {"name": "", "memory": "1Gi"},
        },
    ],
)
def test_an_environment_that_is_right(client: Client, spec: Object) -> None:
    made = accepted(client, ENVIRONMENTS, spec)
    assert {key: made[key] for key in spec} == spec
    parsed = ComputeEnvironment.parse({"metadata": {"name": "x"}, "spec": made}).spec
    assert parsed.capacity == {name: str(value) for name, value in spec.get("capacity", {}).items()}


QUANTITY = "must be a quantity of at least 0, such as 2, 500m or 16Gi"
SIZE = "must be a quantity above 0, such as 2, 500m or 16Gi"
SHAPE = "spec.instanceShape"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": None}, "spec.type: Required value"),
        ({"type": "Reserved"}, 'supported values: "OnDemand", "Spot", "Serverless", "ServerlessSpot"'),
        ({"state": "Active"}, 'supported values: "Enabled", "Disabled"'),
        ({"pool": "A"}, 'spec.pool: Invalid value: "A": a pool\'s name is a DNS label'),
        ({"clusters": ["*", "a"]}, "'*' stands for every cluster of the pool and must be the only entry"),
        ({"clusters": []}, "spec.clusters in body should have at least 1 items"),
        ({"clusters": ["A"]}, 'spec.clusters[0]: Invalid value: "A": a cluster\'s name is a DNS label'),
        ({"clusters": ["a", "a"]}, 'spec.clusters[1]: Duplicate value: "a"'),
        ({"description": "d" * 1025}, "spec.description: Too long: may not be more than 1024"),
        ({"capacity": {"cpu": -1}}, f"spec.capacity[cpu]: Invalid value: -1: {QUANTITY}"),
        ({"capacity": {"cpu": "-1"}}, f'spec.capacity[cpu]: Invalid value: "-1": {QUANTITY}'),
        ({"capacity": {"cpu": "many"}}, f'spec.capacity[cpu]: Invalid value: "many": {QUANTITY}'),
        ({"capacity": {"memory": "64GB"}}, f'spec.capacity[memory]: Invalid value: "64GB": {QUANTITY}'),
        ({"capacity": {"cpu": ""}}, f'spec.capacity[cpu]: Invalid value: "": {QUANTITY}'),
        ({"capacity": {"cpu": 1.5}}, "spec.capacity.cpu in body must be of type integer,string"),
        ({"capacity": {"cpu": "1" * 65}}, "spec.capacity.cpu: Too long: may not be more than 64"),
        ({"capacity": {"": 1}}, "spec.capacity: Invalid value: the name of a resource has 1 to 317"),
        ({"capacity": {f"r-{number}": 1 for number in range(33)}}, "spec.capacity: Too many: 33"),
        ({"instanceShape": {"cpu": 0}}, f"{SHAPE}.cpu: Invalid value: 0: {SIZE}"),
        ({"instanceShape": {"memory": "0Gi"}}, f'{SHAPE}.memory: Invalid value: "0Gi": {SIZE}'),
        ({"instanceShape": {"memory": "much"}}, f'{SHAPE}.memory: Invalid value: "much": {SIZE}'),
        ({"instanceShape": {"name": "n" * 64}}, f"{SHAPE}.name: Too long"),
        ({"instanceShape": {"machineType": ""}}, f"{SHAPE}.machineType in body should be at least 1 chars"),
        (
            {"instanceShape": {"architecture": "x86 64"}},
            f'{SHAPE}.architecture: Invalid value: "x86 64": an architecture is what the nodes have in the label '
            "kubernetes.io/arch",
        ),
        ({"nodeSelector": {"a b": "c"}}, "spec.nodeSelector: Invalid value: the key of a label is 1 to 63"),
        ({"nodeSelector": {"": "c"}}, "spec.nodeSelector: Invalid value: the key of a label is 1 to 63"),
        (
            {"nodeSelector": {"k" * 64: "c"}},
            "spec.nodeSelector: Invalid value: the key of a label is 1 to 63",
        ),
        *(
            ({"nodeSelector": {key: "c"}}, "spec.nodeSelector: Invalid value: the key of a label is 1 to 63")
            for key in (f"{'p' * 254}/a", "a..b/c", "A/b", "a/b/c", "-a")
        ),
        ({"nodeSelector": {"/a": "c"}}, "spec.nodeSelector: Invalid value: the key of a label is 1 to 63"),
        (
            {"nodeSelector": {"a": "-"}},
            'spec.nodeSelector[a]: Invalid value: "-": it is the value of a label',
        ),
        ({"nodeSelector": {"a": "v" * 64}}, "spec.nodeSelector.a: Too long: may not be more than 63"),
        ({"nodeSelector": {f"k-{number}": "" for number in range(33)}}, "spec.nodeSelector: Too many: 33"),
        (
            {"nodeSelector": {"kubernetes.io/arch": "amd64"}, "instanceShape": {"architecture": "arm64"}},
            "spec.nodeSelector: Invalid value: nodeSelector['kubernetes.io/arch'] must be what "
            "instanceShape.architecture is; it can also be left out",
        ),
        ({"tolerations": [{"operator": "Exists"}] * 33}, "spec.tolerations: Too many: 33"),
        (
            {"tolerations": [{"value": "x"}]},
            "spec.tolerations[0].operator: Invalid value: a toleration without a key is for every taint: "
            "set operator: Exists",
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]},
            "spec.tolerations[0].value: Invalid value: with the operator Exists the value is not looked at",
        ),
        (
            {"tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}]},
            "spec.tolerations[0].tolerationSeconds: Invalid value: tolerationSeconds is for the effect NoExecute",
        ),
        (
            {"tolerations": [{"key": "a b"}]},
            "spec.tolerations[0].key: Invalid value: the key of a taint is 1 to 63",
        ),
        ({"tolerations": [{"key": "a", "value": "b c"}]}, 'spec.tolerations[0].value: Invalid value: "b c"'),
        ({"tolerations": [{"key": "a", "operator": "Gt"}]}, 'supported values: "Exists", "Equal"'),
        ({"tolerations": [{"key": "a", "effect": "Never"}]}, "spec.tolerations[0].effect: Unsupported value"),
        (
            {"scaling": SCALING},
            "spec.scaling: Invalid value: scaling needs the size of an instance: set instanceShape.cpu, "
            "instanceShape.memory or both",
        ),
        (
            {"scaling": SCALING | {"min": 4}, "instanceShape": {"cpu": 1}},
            "spec.scaling.min: Invalid value: min must not be more than max",
        ),
        ({"scaling": SCALING | {"max": 0}}, "spec.scaling.max in body should be greater than or equal to 1"),
        ({"scaling": SCALING | {"min": -1}}, "spec.scaling.min in body should be greater than or equal to 0"),
        ({"scaling": {"targetRef": SCALING["targetRef"]}}, "spec.scaling.max: Required value"),
        ({"scaling": {"max": 1}}, "spec.scaling.targetRef: Required value"),
        ({"scaling": {"max": 1, "targetRef": {"kind": "A", "name": "b"}}}, "targetRef.apiVersion: Required"),
        (
            {"scaling": SCALING | {"idleTimeoutSeconds": -1}},
            "spec.scaling.idleTimeoutSeconds in body should be greater than or equal to 0",
        ),
    ],
)
def test_an_environment_that_is_wrong(client: Client, spec: Object, message: str) -> None:
    assert message in refused(client, ENVIRONMENTS, spec)


FIXED = "of a compute environment is fixed when it is created: create another one"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            {"pool": "crd-a"},
            {"pool": "crd-b"},
            'spec.pool: Invalid value: "crd-b": a compute environment never changes its pool, and this one is in '
            "crd-a: create another one in crd-b",
        ),
        ({"type": "Spot"}, {"type": "OnDemand"}, f"the type {FIXED}"),
        *(
            (
                {"instanceShape": before},
                {"instanceShape": after},
                f"{SHAPE}.{field}: Invalid value: {words} {FIXED}",
            )
            for field, words in (("machineType", "the machine type"), ("architecture", "the architecture"))
            for before, after in (
                ({field: "a"}, {field: "b"}),
                ({field: "a"}, {field: None}),
                ({}, {field: "b"}),
            )
        ),
        (
            {"instanceShape": {"architecture": "amd64"}},
            {"instanceShape": None},
            f"{SHAPE}.architecture: Invalid value: the architecture {FIXED}",
        ),
    ],
)
def test_what_an_environment_never_changes(
    client: Client, make: Callable[..., Object], before: Object, after: Object, message: str
) -> None:
    made = make(ENVIRONMENTS, **before)
    with pytest.raises(RefusedError) as caught:
        client.patch(own(ENVIRONMENTS, made), {"spec": after})
    assert message in caught.value.message
    client.patch(own(ENVIRONMENTS, made), {"spec": {"description": "the same"}})


def test_what_an_environment_may_change(client: Client, make: Callable[..., Object]) -> None:
    shape = {"name": "large", "machineType": "m7i", "architecture": "amd64", "cpu": 16}
    made = make(ENVIRONMENTS, instanceShape=shape, capacity={"cpu": 64}, clusters=["a"], pool="crd-nowhere")
    changes: list[Object] = [
        {"instanceShape": {"name": "larger", "cpu": 32, "memory": "64Gi"}},
        {"instanceShape": {"cpu": None}},
        {"capacity": {"cpu": None, "memory": "1Ti"}},
        {"clusters": ["b"]},
        {"state": "Disabled"},
        {"nodeSelector": {"pool": "large"}},
        {"tolerations": [{"operator": "Exists"}]},
        {"scaling": SCALING},
        {"scaling": {"min": 1, "max": 9}},
        {"scaling": None},
    ]
    for change in changes:
        client.patch(own(ENVIRONMENTS, made), {"spec": change})
    spec = client.get(own(ENVIRONMENTS, made))["spec"]
    assert spec["instanceShape"] == {
        "name": "larger",
        "machineType": "m7i",
        "architecture": "amd64",
        "memory": "64Gi",
    }
    assert (spec["capacity"], spec["clusters"], spec["state"]) == ({"memory": "1Ti"}, ["b"], "Disabled")


@pytest.mark.parametrize(
    "share",
    [
        {"identifier": "team-a", "weightFactor": 0.0001},
        {"identifier": "Team_1.b", "weightFactor": 999.9999},
        {"identifier": "team-*", "weightFactor": 2},
        {"identifier": "team.*", "weightFactor": 0.5},
        {"identifier": "*", "weightFactor": 1.5},
        {"identifier": "i" * 63, "weightFactor": 1},
        {"identifier": "i" * 62 + "*", "weightFactor": 1},
    ],
    ids=lambda share: share["identifier"][:8],
)
def test_a_share_that_is_right(client: Client, share: Object) -> None:
    fair = {"shareDecaySeconds": 604800, "computeReservation": 99, "shares": [share]}
    made = accepted(client, POLICIES, {"fairShare": fair})
    assert made == {"fairShare": fair}
    parsed = SchedulingPolicy.parse({"metadata": {"name": "x"}, "spec": made}).spec.fair_share
    assert parsed.shares[0].weight_factor == share["weightFactor"]


def test_500_shares(client: Client) -> None:
    shares = [{"identifier": f"share-{number}*"} for number in range(500)]
    assert len(accepted(client, POLICIES, {"fairShare": {"shares": shares}})["fairShare"]["shares"]) == 500
    shares.append({"identifier": "one-more"})
    assert "spec.fairShare.shares: Too many: 501" in refused(
        client, POLICIES, {"fairShare": {"shares": shares}}
    )


SHARE = "spec.fairShare.shares[0]"
WEIGHT = "a weight factor is a number from 0.0001 to 999.9999"


@pytest.mark.parametrize(
    ("fair", "message"),
    [
        ({"shareDecaySeconds": -1}, "spec.fairShare.shareDecaySeconds in body should be greater than"),
        ({"shareDecaySeconds": 604801}, "shareDecaySeconds in body should be less than or equal to 604800"),
        ({"computeReservation": 100}, "spec.fairShare.computeReservation in body should be less than or"),
        ({"computeReservation": -1}, "spec.fairShare.computeReservation in body should be greater than"),
        ({"shares": [{"weightFactor": 1}]}, f"{SHARE}.identifier: Required value"),
        ({"shares": [{"identifier": "a"}] * 2}, "Duplicate value"),
        *(
            ({"shares": [{"identifier": "a", "weightFactor": weight}]}, f"{SHARE}.weightFactor{message}")
            for weight, message in (
                (0, f": Invalid value: 0: {WEIGHT}"),
                (0.00009, f": Invalid value: 9e-05: {WEIGHT}"),
                (-1, " in body should be greater than or equal to"),
                (999.99991, " in body should be less than or equal to 999.9999"),
                (1000, " in body should be less than or equal to 999"),
            )
        ),
        ({"shares": [{"identifier": "a", "weightFactor": "1"}]}, f"{SHARE}.weightFactor in body must be of"),
        *(
            (
                {"shares": [{"identifier": text}]},
                f'{SHARE}.identifier: Invalid value: "{text}": a share identifier is',
            )
            for text in ("a*b", "**", "-a", "a-", "-*", "a b")
        ),
        ({"shares": [{"identifier": ""}]}, f"{SHARE}.identifier in body should be at least 1 chars long"),
        ({"shares": [{"identifier": "i" * 64}]}, f"{SHARE}.identifier: Too long"),
    ],
)
def test_a_policy_that_is_wrong(client: Client, fair: Object, message: str) -> None:
    assert message in refused(client, POLICIES, {"fairShare": fair})


@pytest.mark.parametrize(
    "spec",
    [
        {"computeEnvironments": [{"order": number, "name": f"e-{number}"} for number in (2, 0, 2147483647)]},
        {"schedulingPolicy": "p" * 63},
        {"headOfLine": "Backfill", "retryAffinity": "PreferDifferent", "idleTimeoutSeconds": 3600},
        {
            "timeLimitActions": [
                {"reason": reason, "state": "Waiting", "maxTimeSeconds": seconds, "action": action}
                for reason, seconds, action in (
                    ("InsufficientCapacity", 600, "Cancel"),
                    ("ExceedsEnvironmentMaximum", 86400, "Terminate"),
                    ("NoMatchingEnvironment", 3600, "Cancel"),
                )
            ]
        },
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_a_queue_that_is_right(client: Client, spec: Object) -> None:
    made = accepted(client, QUEUES, spec)
    assert {key: made[key] for key in spec} == spec
    parsed = JobQueue.parse({"metadata": {"name": "x"}, "spec": made}).spec.to_dict()
    assert {key: parsed[key] for key in spec} == spec


def limit(**change: Any) -> Object:
    """One time limit, but for what the case is about."""
    whole = {"reason": "InsufficientCapacity", "maxTimeSeconds": 600, "action": "Cancel", **change}
    return {"timeLimitActions": [{key: value for key, value in whole.items() if value is not None}]}


LIMIT = "spec.timeLimitActions[0]"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"computeEnvironments": [{"order": 1, "name": "a"}, {"order": 1, "name": "b"}]},
            "spec.computeEnvironments: Invalid value: each compute environment has an order of its own",
        ),
        (
            {"computeEnvironments": [{"order": 1, "name": "a"}, {"order": 2, "name": "a"}]},
            'spec.computeEnvironments[1]: Duplicate value: {"name":"a"}',
        ),
        (
            {"computeEnvironments": [{"order": number, "name": f"e-{number}"} for number in range(4)]},
            "spec.computeEnvironments: Too many: 4",
        ),
        ({"computeEnvironments": [{"name": "a"}]}, "spec.computeEnvironments[0].order: Required value"),
        ({"computeEnvironments": [{"order": 1}]}, "spec.computeEnvironments[0].name: Required value"),
        ({"computeEnvironments": [{"order": -1, "name": "a"}]}, "[0].order in body should be greater than"),
        (
            {"computeEnvironments": [{"order": 1, "name": "A"}]},
            'spec.computeEnvironments[0].name: Invalid value: "A": a compute environment\'s name is a DNS label',
        ),
        ({"headOfLine": "Skip"}, 'supported values: "Block", "Backfill"'),
        ({"retryAffinity": "Same"}, 'supported values: "PreferWarmest", "PreferDifferent"'),
        ({"idleTimeoutSeconds": -1}, "spec.idleTimeoutSeconds in body should be greater than or equal to 0"),
        (
            {"schedulingPolicy": "a.b"},
            'spec.schedulingPolicy: Invalid value: "a.b": a scheduling policy\'s name is a DNS label',
        ),
        ({"schedulingPolicy": ""}, "spec.schedulingPolicy: Invalid value"),
        (limit(maxTimeSeconds=599), f"{LIMIT}.maxTimeSeconds in body should be greater than or equal to 600"),
        (
            limit(maxTimeSeconds=86401),
            f"{LIMIT}.maxTimeSeconds in body should be less than or equal to 86400",
        ),
        (limit(maxTimeSeconds=None), f"{LIMIT}.maxTimeSeconds: Required value"),
        (limit(reason="TooSlow"), f'{LIMIT}.reason: Unsupported value: "TooSlow"'),
        (limit(reason=None), f"{LIMIT}.reason: Required value"),
        (limit(action="Requeue"), f'{LIMIT}.action: Unsupported value: "Requeue"'),
        (limit(action=None), f"{LIMIT}.action: Required value"),
        (limit(state="Active"), f'{LIMIT}.state: Unsupported value: "Active"'),
        (
            {"timeLimitActions": limit()["timeLimitActions"] * 2},
            'spec.timeLimitActions[1]: Duplicate value: {"reason":"InsufficientCapacity"}',
        ),
        ({"timeLimitActions": limit()["timeLimitActions"] * 11}, "spec.timeLimitActions: Too many: 11"),
    ],
)
def test_a_queue_that_is_wrong(client: Client, spec: Object, message: str) -> None:
    assert message in refused(client, QUEUES, spec)


def test_a_scheduling_policy_is_replaced_and_not_removed(client: Client, make: Callable[..., Object]) -> None:
    queue = own(QUEUES, make(QUEUES, schedulingPolicy="fair"))
    client.patch(queue, {"spec": {"schedulingPolicy": "fairer"}})
    with pytest.raises(RefusedError) as caught:
        client.patch(queue, {"spec": {"schedulingPolicy": None}})
    assert "spec.schedulingPolicy: Invalid value: a queue keeps a scheduling policy: name another" in (
        caught.value.message
    )
    client.patch(queue, {"spec": {"depth": 1}})


def test_a_queue_created_without_a_scheduling_policy_never_gets_one(
    client: Client, make: Callable[..., Object]
) -> None:
    queue = own(QUEUES, make(QUEUES))
    with pytest.raises(RefusedError) as caught:
        client.patch(queue, {"spec": {"schedulingPolicy": "fair"}})
    assert "spec.schedulingPolicy: Invalid value: a queue created without a scheduling policy never gets" in (
        caught.value.message
    )
    client.patch(queue, {"spec": {"depth": 1}})


@pytest.mark.parametrize("path", [ENVIRONMENTS, POLICIES])
@pytest.mark.parametrize(
    ("name", "message"),
    [("a.b", "metadata.name: Invalid value: a name is a DNS label"), ("a" * 64, "metadata.name: Too long")],
)
def test_a_name_is_a_dns_label(client: Client, path: str, name: str, message: str) -> None:
    with pytest.raises(RefusedError) as caught:
        client.create(f"{path}?dryRun=All", body(path, name, {}))
    assert message in caught.value.message


SINCE = "2026-11-23T10:00:00Z"
CONDITION = {
    "type": "Ready",
    "status": "True",
    "observedGeneration": 1,
    "lastTransitionTime": SINCE,
    "reason": "Valid",
    "message": "",
}
RESOURCES = {"cpu": "1500m", "memory": "64Gi", "nvidia.com/gpu": "8"}
ENVIRONMENT_STATUS = {
    "state": "Valid",
    "active": 3,
    "requested": RESOURCES,
    "capacity": RESOURCES,
    "free": {"cpu": "0"},
    "clusters": [{"name": "local", "active": 3, "requested": RESOURCES, "free": {}}],
    "scaling": {
        "state": "Pending",
        "replicas": 3,
        "readyReplicas": 2,
        "wanted": 4,
        "message": "2 of 3 are there",
    },
    "queues": 2,
    "observedGeneration": 1,
    "conditions": [CONDITION],
}
QUEUE_STATUS = {
    "clusters": [],
    "computeEnvironments": [{"name": "spot", "order": 2, "active": 1}],
    "shares": [
        {
            "identifier": "team-a",
            "waiting": 3,
            "active": 1,
            "usage": "12.500000",
            "average": "0.5",
            "usageAt": SINCE,
        },
        {
            "identifier": "team-b",
            "waiting": 0,
            "active": 0,
            "usage": "0.000001",
            "average": "0",
            "usageAt": SINCE,
        },
    ],
    "head": {
        "namespace": "team",
        "name": "train",
        "uid": "b8a1c2d3",
        "reason": "InsufficientCapacity",
        "message": "cpu: 3 free, 4 requested",
        "since": SINCE,
    },
    "conditions": [CONDITION],
}


def test_a_whole_status_survives_the_api_server_and_the_models(
    client: Client, make: Callable[..., Object]
) -> None:
    kinds: list[tuple[str, Any, Object]] = [
        (ENVIRONMENTS, ComputeEnvironment, ENVIRONMENT_STATUS),
        (POLICIES, SchedulingPolicy, {"queues": 2, "observedGeneration": 1, "conditions": [CONDITION]}),
        (QUEUES, JobQueue, QUEUE_STATUS),
    ]
    for path, model, status in kinds:
        written = client.patch(f"{own(path, make(path))}/status", {"status": status})
        assert written["status"] == status
        assert model.parse(written).status.to_dict() == status


def test_shares_are_told_apart_by_their_identifier(client: Client, make: Callable[..., Object]) -> None:
    queue = own(QUEUES, make(QUEUES))
    twice = [{"identifier": "a"}, {"identifier": "a"}]
    with pytest.raises(RefusedError, match="Duplicate value"):
        client.patch(f"{queue}/status", {"status": {"shares": twice}})
    many = [{"identifier": f"share-{number}"} for number in range(501)]
    with pytest.raises(RefusedError, match="Too many: 501"):
        client.patch(f"{queue}/status", {"status": {"shares": many}})
    client.patch(f"{queue}/status", {"status": {"shares": many[1:]}})


def test_the_tables_read_well(client: Client, site: Site, make: Callable[..., Object]) -> None:
    environment = make(ENVIRONMENTS, pool="crd-nowhere", state="Disabled")["metadata"]["name"]
    client.patch(f"{ENVIRONMENTS}/{environment}/status", {"status": ENVIRONMENT_STATUS})
    head, row = site.kubectl("get", "ce", environment).stdout.splitlines()
    assert head.split() == [
        *("NAME", "TYPE", "POOL", "STATE", "STATUS", "ACTIVE", "REPLICAS", "READY", "REASON", "AGE")
    ]
    assert row.split()[:-1] == [
        *(environment, "Spot", "crd-nowhere", "Disabled", "Valid", "3", "3", "True", "Valid")
    ]

    policy = make(POLICIES, fairShare={"shareDecaySeconds": 600, "computeReservation": 50})["metadata"][
        "name"
    ]
    client.patch(f"{POLICIES}/{policy}/status", {"status": {"queues": 2, "conditions": [CONDITION]}})
    head, row = site.kubectl("get", "sp", policy).stdout.splitlines()
    assert head.split() == [*("NAME", "QUEUES", "DECAY", "RESERVATION", "READY", "REASON", "AGE")]
    assert row.split()[:-1] == [policy, "2", "600", "50", "True", "Valid"]


def test_lists_select_by_pool_and_state(client: Client, make: Callable[..., Object]) -> None:
    pool = f"crd-{os.urandom(4).hex()}"
    on, off = (make(ENVIRONMENTS, pool=pool, state=state) for state in ("Enabled", "Disabled"))
    listed = partial(names, client)
    assert listed(f"spec.pool={pool}") == {on["metadata"]["name"], off["metadata"]["name"]}
    assert listed(f"spec.pool={pool},spec.state=Enabled") == {on["metadata"]["name"]}


def names(client: Client, selector: str) -> set[str]:
    """The names of the environments that a field selector selects."""
    path = f"{ENVIRONMENTS}?fieldSelector={selector}"
    return {thing["metadata"]["name"] for thing in client.items(path)}
