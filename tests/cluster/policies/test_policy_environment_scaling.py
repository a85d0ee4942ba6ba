"""Headgate scales for nobody what they may not scale themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.harness.cluster import RBAC
from tests.cluster.policies.support import Api, environment, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.cluster import Kubectl
    from tests.cluster.policies.support import Answer

    Grant = Callable[..., None]


@pytest.fixture
def grant(kubectl: Kubectl, namespace: str) -> Iterator[Grant]:
    """Give alice rights in the whole cluster, and take them away afterwards."""
    made: list[str] = []

    def give(group: str, resource: str, *verbs: str) -> None:
        name = f"{namespace}-{len(made)}"
        made.append(name)
        rule = {"apiGroups": [group], "resources": [resource], "verbs": verbs}
        role = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [rule],
        }
        # Of a kind that is not served, "kubectl create clusterrole" makes none.
        kubectl("create", "-f", "-", input=json.dumps(role))
        kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", "--user=alice")

    give("headgate.dev", "computeenvironments", "get", "create", "update", "patch")
    yield give
    kubectl("delete", "clusterrole,clusterrolebinding", *made)


def scaled(
    name: str,
    *,
    kind: str = "Deployment",
    of: str = "apps/v1",
    namespace: str | None = None,
    **scaling: int,
) -> dict[str, Any]:
    """Return an environment that scales something."""
    target = {"apiVersion": of, "kind": kind, "name": "nodes"} | (
        {"namespace": namespace} if namespace else {}
    )
    return environment(
        name, instanceShape={"cpu": 1}, scaling={"targetRef": target, "min": 0, "max": 3, **scaling}
    )


def create(api: Api, body: dict[str, Any]) -> Answer:
    return api.create(body, user="alice", dry_run=True)


@pytest.fixture
def mine(api: Api, grant: Grant, namespace: str) -> Iterator[str]:
    """An environment of alice's that scales a Deployment in her namespace."""
    name = f"e-{namespace}"
    eventually(lambda: api.create(scaled(name, namespace=namespace), user="alice").accepted())
    yield name
    api.delete("computeenvironment", name).accepted()


def test_who_may_scale_a_target_may_have_it_scaled(api: Api, mine: str, namespace: str) -> None:
    body = scaled(f"other-{namespace}", namespace="kube-system")
    create(api, body).refused(
        f'ComputeEnvironment "other-{namespace}": spec.scaling: Headgate scales Deployment "kube-system/nodes" only '
        'for those who may do it themselves, and "alice" may not: it takes the verb patch or update on '
        "deployments/scale of the group apps"
    )
    api.create(body, dry_run=True).accepted()
    create(api, scaled(f"other-{namespace}")).refused('scales Deployment "nodes" only')
    create(api, environment(f"other-{namespace}", instanceShape={"cpu": 1})).accepted()


def test_a_change_of_what_is_scaled_and_how_far(api: Api, mine: str, grant: Grant, namespace: str) -> None:
    def change(**spec: Any) -> Answer:
        return api.patch("computeenvironment", mine, {"spec": spec}, user="alice")

    change(scaling={"min": 1}).accepted()
    change(scaling={"targetRef": {"namespace": "kube-system"}}).refused('"kube-system/nodes"')
    api.patch(
        "computeenvironment", mine, {"spec": {"scaling": {"targetRef": {"namespace": "kube-system"}}}}
    ).accepted()
    # Of a target that is not hers she changes neither bound, but whatever else there is, and she may let go of it.
    for bounds in ({"min": 0}, {"max": 9}):
        change(scaling=bounds).refused('"kube-system/nodes"')
    change(capacity={"cpu": "5"}, state="Disabled", scaling={"min": 1}).accepted()
    change(scaling=None).accepted()
    change(scaling=scaled("", namespace="kube-system")["spec"]["scaling"]).refused('"kube-system/nodes"')


@pytest.mark.parametrize(
    ("kind", "version", "group", "plural"),
    [
        ("NodeGroup", "example.com/v1", "example.com", "nodegroups"),
        ("Proxy", "example.com/v1", "example.com", "proxies"),
        ("MachineClass", "example.com/v1beta1", "example.com", "machineclasses"),
        ("ReplicationController", "v1", "", "replicationcontrollers"),
    ],
)
def test_a_target_of_any_kind(
    api: Api, grant: Grant, namespace: str, kind: str, version: str, group: str, plural: str
) -> None:
    body = scaled(f"e-{namespace}", kind=kind, of=version)
    eventually(lambda: create(api, body).refused(f"on {plural}/scale", group and f"of the group {group}"))
    grant(group, f"{plural}/scale", "update")
    eventually(lambda: create(api, body).accepted())


def test_a_target_whose_plural_is_another_one(api: Api, grant: Grant, namespace: str) -> None:
    body = scaled(f"e-{namespace}", kind="Fleet", of="example.org/v1")
    eventually(lambda: create(api, body).refused("on fleets/scale of the group example.org"))
    grant("example.org", "*/scale", "patch")
    eventually(lambda: create(api, body).accepted())
