"""Pools: a wall around queues, and what a queue says while there is none, or nothing behind it takes Jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, POOLS, QUEUES, Client, RefusedError, User, eventually
from tests.cluster.harness.invariants import CLUSTER

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("operator", "recorder")


def stalled(given: User, queue: str, reason: str) -> dict[str, Any]:
    """Wait until a queue is stalled for that reason, and return the condition."""

    def check() -> dict[str, Any]:
        condition = given.condition(queue, "Stalled")
        assert (condition["status"], condition["reason"]) == ("True", reason)
        assert given.condition(queue, "Ready")["status"] == "False"
        assert given.condition(queue, "Dispatching")["status"] == "False"
        return condition

    return eventually(check)


def healed(given: User, queue: str) -> None:
    eventually(lambda: given.condition(queue, "Stalled")["status"] == "False")
    assert given.condition(queue, "Ready")["status"] == "True"
    assert eventually(lambda: given.events_on(given.full(queue), reason="Healed"))


def test_the_default_pool_and_queue_exist(admin: Client) -> None:
    pool, queue = admin.get(f"{POOLS}/default"), admin.get(f"{QUEUES}/default")

    assert pool["spec"]["clusters"] == [{"name": "local", "local": True, "state": "Enabled"}]
    assert queue["spec"]["pool"] == "default"
    assert queue["spec"]["state"] == "Active"


def test_a_queue_without_its_pool_stalls_and_heals(given: User) -> None:
    given.queue("line", pool=given.full("late"))
    given.job("early", "line", seconds=0.1)

    condition = stalled(given, "line", "PoolNotFound")

    assert given.full("late") in condition["message"]
    (event,) = eventually(lambda: given.events_on(given.full("line"), reason="PoolNotFound"))
    assert event["type"] == "Warning"
    given.until_waiting("line", 1)

    given.pool("late", "one")

    given.succeeded("line", 1)
    healed(given, "line")
    assert given.get_job("early")["metadata"]["annotations"][CLUSTER] == given.full("one")


def test_a_queue_pinned_to_a_cluster_outside_of_its_pool_stalls_and_heals(given: User) -> None:
    # The policy refuses it where the pool is there already; here the pool comes later.
    given.queue("line", pool=given.full("late"), clusters=[given.full("mine")])
    given.job("early", "line", seconds=0.1)
    stalled(given, "line", "PoolNotFound")

    given.pool("late", "other")

    condition = stalled(given, "line", "ClusterNotInPool")
    assert given.full("mine") in condition["message"]
    assert given.full("other") in condition["message"]
    given.until_waiting("line", 1)

    given.change_pool("late", given.clusters("mine"))

    given.succeeded("line", 1)
    healed(given, "line")
    assert given.get_job("early")["metadata"]["annotations"][CLUSTER] == given.full("mine")


def test_a_pool_whose_clusters_are_disabled(given: User) -> None:
    given.pool("only", "one")
    given.queue("line", pool=given.full("only"))
    given.job("before", "line", seconds=0.1)
    given.succeeded("line", 1)

    given.change_pool("only", given.clusters("one", state="Disabled"))

    stalled(given, "line", "NoHealthyCluster")
    # The pool's status is another object's, and comes by itself.
    eventually(lambda: [one["state"] for one in given.pool_status("only")["clusters"]] == ["Terminated"])
    conditions = {c["type"]: c for c in given.pool_status("only")["conditions"]}
    assert (conditions["Stalled"]["status"], conditions["Stalled"]["reason"]) == ("True", "NoHealthyCluster")
    given.job("during", "line", seconds=0.1)
    given.until_waiting("line", 1)

    given.change_pool("only", given.clusters("one"))

    given.succeeded("line", 2)
    healed(given, "line")


def test_the_status_of_a_pool(given: User, settled: Callable[..., dict[str, Any]]) -> None:
    given.pool("busy", "one")
    for name in ("left", "right"):
        given.queue(name, pool=given.full("busy"))
    given.jobs(3, "left", seconds=ENDLESS)

    def check() -> dict[str, Any]:
        status = given.pool_status("busy")
        assert status["queues"] == 2
        assert status["clusters"][0]["active"] == 3
        assert status["clusters"][0]["version"].startswith("v1.")
        return status

    (cluster,) = eventually(check)["clusters"]
    assert cluster["name"] == given.full("one")
    assert cluster["state"] == "Running"
    assert "lastProbeTime" in cluster

    with pytest.raises(RefusedError, match="is in it; delete its queues first"):
        given.client.delete(f"{POOLS}/{given.full('busy')}")

    given.end_all("left", 3)
    eventually(lambda: given.pool_status("busy")["clusters"][0]["active"] == 0)
    for name in ("left", "right"):
        settled(given.full(name))
        given.client.delete(f"{QUEUES}/{given.full(name)}")
    eventually(lambda: given.pool_status("busy")["queues"] == 0)
    eventually(lambda: given.client.delete(f"{POOLS}/{given.full('busy')}"))
