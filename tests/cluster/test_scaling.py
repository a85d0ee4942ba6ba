"""Scaling, on real scale subresources: a Deployment's, and one of a kind that nobody has heard of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, ENVIRONMENTS, RefusedError, User, condition, eventually
from tests.cluster.harness.cluster import OPERATOR_USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

pytestmark = pytest.mark.usefixtures("operator", "recorder")

Json = dict[str, Any]
CORE = {"cpu": "1"}
GROUP = "scaling.example.com"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(plural: str, kind: str, scope: str, *, scalable: bool = True) -> Json:
    """A kind whose objects have a scale subresource: what it says is in spec.size and status.here."""
    integer = {"type": "integer"}
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.here"}
    properties = {
        "spec": {"type": "object", "properties": {"size": integer}},
        "status": {"type": "object", "properties": {"here": integer}},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "subresources": {"status": {}, **({"scale": scale} if scalable else {})},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [version],
        },
    }


@pytest.fixture(scope="module")
def groups(site: Site) -> Iterator[str]:
    """Install the kind NodeGroup, in no namespace; return the path of its objects."""
    site.admin.create(CRDS, definition("nodegroups", "NodeGroup", "Cluster"))
    path = f"/apis/{GROUP}/v1/nodegroups"
    eventually(lambda: site.admin.get(path))
    yield path
    site.admin.delete(f"{CRDS}/nodegroups.{GROUP}")


class Group:
    """A NodeGroup of a test: how many instances are there, the test says."""

    def __init__(self, given: User, path: str, size: int = 0) -> None:
        self.name = given.full("group")
        self.ref = {"apiVersion": f"{GROUP}/v1", "kind": "NodeGroup", "name": self.name}
        self._client = given.client
        self._path = f"{path}/{self.name}"
        body = {
            "apiVersion": f"{GROUP}/v1",
            "kind": "NodeGroup",
            "metadata": {"name": self.name},
            "spec": {"size": size},
        }
        self._client.create(path, body)
        self.have(size)

    @property
    def size(self) -> int:
        return int(self._client.get(self._path)["spec"]["size"])

    def have(self, here: int) -> None:
        self._client.patch(f"{self._path}/status", {"status": {"here": here}})

    def ask(self, size: int) -> None:
        self._client.patch(self._path, {"spec": {"size": size}})

    def delete(self) -> None:
        self._client.delete(self._path)


def scaling(ref: Json, **fields: int) -> Json:
    return {"targetRef": ref, "max": 4, **fields}


def scaled(given: User, state: str, **expected: int) -> Json:
    """Wait until the environment's scaling is in a state and has these numbers; return its status."""

    def check() -> Json:
        status = given.environment_status("cloud")
        found = status["scaling"]
        numbers = {name: found.get(name, 0) for name in expected}
        assert (found["state"], numbers) == (state, expected), found
        return status

    return eventually(check)


def stalls(given: User, reason: str, *parts: str) -> None:
    """Wait until the environment says what is wrong with its target."""

    def check() -> bool:
        stalled = condition(given.environment_status("cloud"), "Stalled")
        assert (stalled["status"], stalled["reason"]) == ("True", reason), stalled
        assert all(part in stalled["message"] for part in parts), stalled
        return True

    eventually(check)


def test_a_group_grows_and_shrinks(given: User, groups: str) -> None:
    group = Group(given, groups)
    given.environment(
        "cloud",
        instanceShape={"cpu": "2", "memory": "8Gi"},
        scaling=scaling(group.ref, idleTimeoutSeconds=1),
    )
    given.queue("line", computeEnvironments=given.using("cloud"))
    scaled(given, "Terminated", replicas=0, readyReplicas=0, wanted=0)
    assert given.environment_status("cloud")["capacity"] == {"cpu": "0", "memory": "0"}

    # Five cores are three instances; nothing runs before they are there.
    given.change_queue("line", dispatch={"paused": True})
    given.jobs(5, "line", requests=CORE, seconds=ENDLESS)
    given.until_waiting("line", 5)
    given.change_queue("line", dispatch={"paused": False})
    eventually(lambda: group.size == 3)
    scaled(given, "Pending", replicas=3, readyReplicas=0, wanted=3)
    (event,) = eventually(lambda: given.events_on(given.full("cloud"), reason="Scaled"))
    assert event["note"].startswith(f'NodeGroup "{group.name}" from 0 to 3: '), event["note"]
    eventually(lambda: given.status("line")["head"]["reason"] == "InsufficientCapacity")
    assert given.status("line")["jobs"]["active"] == 0

    group.have(1)
    given.until_active("line", 2)
    group.have(3)
    given.until_active("line", 5)
    status = scaled(given, "Running", replicas=3, readyReplicas=3, wanted=3)
    assert status["capacity"] == {"cpu": "6", "memory": "24Gi"}

    # Never above max, whatever waits; never below what runs, whatever time has passed.
    given.jobs(8, "line", prefix="more", requests=CORE, seconds=ENDLESS)
    eventually(lambda: group.size == 4)
    group.have(4)
    given.until_active("line", 8)
    scaled(given, "Running", replicas=4, wanted=4)

    for body in given.all_jobs():
        given.client.delete(f"{given.jobs_path}/{body['metadata']['name']}")
    eventually(lambda: group.size == 0)
    scaled(given, "Pending", replicas=0, readyReplicas=4)
    group.have(0)
    scaled(given, "Terminated", replicas=0, readyReplicas=0, wanted=0)


def test_a_deployment_grows(given: User) -> None:
    """Its own controller makes the instances, and the scheduler finds them nodes."""
    labels = {"app": given.full("nodes")}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "node", "image": "none"}]}}
    path = f"/apis/apps/v1/namespaces/{given.namespace}/deployments"
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "nodes"}, "spec": spec}
    given.client.create(path, body)
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nodes", "namespace": given.namespace}
    given.environment("cloud", instanceShape={"cpu": "2"}, scaling=scaling(ref, min=1))
    given.queue("line", computeEnvironments=given.using("cloud"))

    scaled(given, "Running", replicas=1, readyReplicas=1, wanted=1)
    given.jobs(4, "line", requests=CORE, seconds=ENDLESS)

    given.until_active("line", 4)
    scaled(given, "Running", replicas=2, readyReplicas=2)
    assert given.client.get(f"{path}/nodes")["spec"]["replicas"] == 2


def test_it_never_shrinks_below_what_runs(given: User, groups: str) -> None:
    """One queue of two is idle for long enough, and somebody else makes the group too small."""
    group = Group(given, groups, size=3)
    given.queue("line", computeEnvironments=given.using("cloud"))
    given.jobs(3, "line", requests=CORE, seconds=ENDLESS)
    given.until_waiting("line", 3)
    # Not before there are Jobs: it would be idle for long enough.
    given.environment("cloud", instanceShape={"cpu": "2"}, scaling=scaling(group.ref, idleTimeoutSeconds=1))
    given.until_active("line", 3)
    scaled(given, "Running", replicas=3)

    group.ask(1)
    eventually(lambda: group.size >= 2)

    given.queue("other", computeEnvironments=given.using("cloud"))
    given.client.delete(f"{given.jobs_path}/job-0000")
    given.client.delete(f"{given.jobs_path}/job-0001")
    given.until_active("line", 1)
    assert group.size >= 1


def test_the_only_queue_may_be_quicker(given: User, groups: str) -> None:
    group = Group(given, groups, size=2)
    given.environment(
        "cloud",
        instanceShape={"cpu": "2"},
        scaling=scaling(group.ref, idleTimeoutSeconds=3600, min=1),
    )
    given.queue("line", computeEnvironments=given.using("cloud"), idleTimeoutSeconds=1)

    eventually(lambda: group.size == 1)

    assert eventually(lambda: given.events_on(given.full("cloud"), reason="Scaled"))


def test_somebody_else_may_scale_too(given: User, groups: str) -> None:
    """What others ask for above the need stays: only idleness takes it back."""
    group = Group(given, groups)
    given.environment("cloud", instanceShape={"cpu": "2"}, scaling=scaling(group.ref, min=1))
    given.queue("line", computeEnvironments=given.using("cloud"))
    eventually(lambda: group.size == 1)
    group.have(1)
    scaled(given, "Running", replicas=1, wanted=1)

    group.ask(2)
    group.have(2)
    scaled(given, "Running", replicas=2, readyReplicas=2, wanted=2)
    group.ask(9)
    eventually(lambda: group.size == 4)


def test_a_missing_target_says_so_and_heals(given: User, groups: str) -> None:
    ref = {"apiVersion": f"{GROUP}/v1", "kind": "NodeGroup", "name": given.full("group")}
    given.environment("cloud", instanceShape={"cpu": "2"}, scaling=scaling(ref))
    given.queue("line", computeEnvironments=given.using("cloud"))
    given.job("job", "line", requests=CORE, seconds=0.1)

    stalls(given, "ScaleTargetNotFound", f'NodeGroup "{given.full("group")}" does not exist', "create it")
    status = scaled(given, "Unknown", replicas=0)
    assert status["state"] == "Valid"
    assert eventually(lambda: given.events_on(given.full("cloud"), reason="ScaleTargetNotFound"))

    group = Group(given, groups)
    eventually(lambda: group.size == 1)
    group.have(1)
    given.succeeded("line", 1)
    scaled(given, "Running", replicas=1)
    assert eventually(lambda: given.events_on(given.full("cloud"), reason="Healed"))

    # What was last known holds while it cannot be read.
    group.delete()
    stalls(given, "ScaleTargetNotFound")
    status = scaled(given, "Unknown", replicas=1)
    assert status["capacity"] == {"cpu": "2"}
    given.job("again", "line", requests=CORE, seconds=0.1)
    given.succeeded("line", 2)


@pytest.mark.parametrize(
    ("ref", "reason", "parts"),
    [
        (
            {"apiVersion": "example.org/v9", "kind": "Fleet", "name": "x"},
            "ScaleTargetNotFound",
            ("no kind Fleet in example.org/v9",),
        ),
        (
            {"apiVersion": "v1", "kind": "Namespace", "name": "default"},
            "ScaleTargetUnreadable",
            ("a Namespace of v1 has no scale subresource",),
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
            "ScaleTargetUnreadable",
            ("spec.scaling.targetRef.namespace is missing",),
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "x?y=#"},
            "ScaleTargetNotFound",
            ('Deployment "default/x?y=#" does not exist',),
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "x/../y"},
            "ScaleTargetUnreadable",
            ("spec.scaling.targetRef.name: 'x/../y' is no name of an object",),
        ),
        (
            {"apiVersion": "../../v1", "kind": "Deployment", "name": "x"},
            "ScaleTargetNotFound",
            ("no kind Deployment in ../../v1",),
        ),
    ],
)
def test_a_wrong_target_says_what_would_be_right(
    given: User, ref: Json, reason: str, parts: tuple[str, ...]
) -> None:
    given.environment("cloud", instanceShape={"cpu": "2"}, scaling=scaling(ref))

    stalls(given, reason, *parts)


def test_a_kind_that_comes_later_is_found(given: User, site: Site) -> None:
    ref = {"apiVersion": f"{GROUP}/v1", "kind": "Flock", "name": given.full("group")}
    given.environment("cloud", instanceShape={"cpu": "2"}, scaling=scaling(ref, min=1))
    stalls(given, "ScaleTargetNotFound", "no kind Flock")
    plain = definition("flocks", "Flock", "Cluster", scalable=False)
    site.admin.create(CRDS, plain)
    try:
        stalls(given, "ScaleTargetUnreadable", "a Flock of", "has no scale subresource")

        subresources = definition("flocks", "Flock", "Cluster")["spec"]["versions"]
        site.admin.patch(f"{CRDS}/flocks.{GROUP}", {"spec": {"versions": subresources}})
        path = f"/apis/{GROUP}/v1/flocks"
        body = {
            "apiVersion": f"{GROUP}/v1",
            "kind": "Flock",
            "metadata": {"name": ref["name"]},
            "spec": {"size": 0},
        }
        eventually(lambda: created(given, path, body))

        eventually(lambda: given.client.get(f"{path}/{ref['name']}")["spec"]["size"] == 1)
    finally:
        site.admin.delete(f"{CRDS}/flocks.{GROUP}")


def created(given: User, path: str, body: Json) -> bool:
    try:
        given.client.create(path, body)
    except RefusedError:
        return False
    return True


def test_a_target_that_may_not_be_scaled_says_who_may_do_what(given: User, site: Site, groups: str) -> None:
    """The operator's own role without the rule for scales."""
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    role = site.admin.get(f"{roles}/headgate")
    rules = [rule for rule in role["rules"] if "*/scale" not in rule["resources"]]
    reading = {"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["get"]}
    group = Group(given, groups)
    site.admin.patch(f"{roles}/headgate", {"rules": [*rules, reading]})
    scale = {"group": GROUP, "resource": "nodegroups", "subresource": "scale", "verb": "patch"}
    try:
        eventually(lambda: not site.may(OPERATOR_USER, **scale))
        given.environment("cloud", instanceShape={"cpu": "2"}, scaling=scaling(group.ref, min=1))
        stalls(given, "ScaleTargetUnreadable", "the operator may not patch the scale of", "grant")
        assert scaled(given, "Unknown", replicas=0, wanted=1)["state"] == "Valid"
    finally:
        site.admin.patch(f"{roles}/headgate", {"rules": role["rules"]})
    eventually(lambda: group.size == 1)
    group.have(1)
    scaled(given, "Running", replicas=1)


def test_one_bad_target_delays_no_other(
    given: User, groups: str, operator: OperatorProcess, recorder: Recorder
) -> None:
    for number in range(5):
        ref = {"apiVersion": "example.org/v1", "kind": "Fleet", "name": f"x-{number}"}
        given.environment(f"bad-{number}", instanceShape={"cpu": "2"}, scaling=scaling(ref, min=1))
    group = Group(given, groups)
    given.environment("cloud", instanceShape={"cpu": "2"}, scaling=scaling(group.ref, min=1))

    eventually(lambda: group.size == 1)
    group.have(1)
    scaled(given, "Running", replicas=1)
    cloud = given.full("cloud")
    eventually(lambda: operator.metric("headgate_scaled_total", environment=cloud) == 1)
    assert operator.metric("headgate_environment_replicas", environment=cloud, count="there") == 1

    given.client.delete(f"{ENVIRONMENTS}/{cloud}")
    eventually(lambda: cloud not in operator.fetch("/metrics")[1])
