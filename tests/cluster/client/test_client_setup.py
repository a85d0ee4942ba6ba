"""What the client reads of the compute: pools, environments and policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headgate.client import ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from tests.cluster.harness.client import User

    from headgate.client import Client


def test_pools(client: Client, given: User) -> None:
    given.pool("east", "e1")
    given.pool("west", "w1")

    clusters = client.pools.get(given.full("east")).spec.clusters
    assert [cluster.name for cluster in clusters] == [given.full("e1")]
    assert [pool.name for pool in client.pools.list(name=given.full("*"))] == [
        given.full("east"),
        given.full("west"),
    ]
    assert [pool.name for pool in client.pools.list(name=given.full("*"), limit=1)] == [given.full("east")]
    assert client.pools.get_manifest(given.full("west"))["kind"] == "ClusterPool"
    assert [one["metadata"]["name"] for one in client.pools.list_manifests(name=given.full("west"))] == [
        given.full("west")
    ]
    event = next(client.pools.watch(given.full("west")))
    assert (event.type, event.pool.name) == ("ADDED", given.full("west"))
    with pytest.raises(NotFoundError, match="not found"):
        client.pools.get(given.full("north"))


def test_environments(client: Client, given: User) -> None:
    given.environment("big", capacity={"cpu": "64"})
    given.environment("far", pool=given.full("elsewhere"))

    assert client.environments.get(given.full("big")).spec.type == "OnDemand"
    names = [one.name for one in client.environments.list(name=given.full("*"), pool="default")]
    assert names == [given.full("big")]
    assert [
        one["metadata"]["name"] for one in client.environments.list_manifests(pool=given.full("elsewhere"))
    ] == [given.full("far")]
    assert given.full("far") in client.environments.names()
    assert next(client.environments.watch(given.full("far"))).environment.spec.pool == given.full("elsewhere")


def test_policies(client: Client, viewer: Client, given: User) -> None:
    given.policy("fair", shareDecaySeconds=60)

    assert client.policies.get(given.full("fair")).spec.fair_share.share_decay_seconds == 60
    assert [one.name for one in viewer.policies.list(name=given.full("f*"))] == [given.full("fair")]
    assert next(viewer.policies.watch(given.full("fair"))).policy.name == given.full("fair")
    with pytest.raises(ForbiddenError):
        viewer.request("DELETE", f"/apis/headgate.dev/v1alpha1/schedulingpolicies/{given.full('fair')}")
