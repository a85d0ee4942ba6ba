"""No Job ever reaches a cluster of another pool: tried in every way. The recorders see the clusters themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import (
    ENDLESS,
    JOBS,
    MERGE,
    POOLS,
    RefusedError,
    User,
    eventually,
    next_second,
)
from tests.cluster.harness.copies import MANAGED_BY
from tests.cluster.harness.invariants import ADMITTED_AT, CLUSTER, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.members import Fleet

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator")

POOL = "headgate.dev/pool"
QUEUE = "headgate.dev/queue"


@pytest.fixture
def walled(fleet: Fleet) -> Fleet:
    """Pool "mine" of east with queue "mine", which is paused, and pool "theirs" of west with queue "theirs"."""
    for name, member in (("mine", "east"), ("theirs", "west")):
        fleet.pool(name, member)
        fleet.queue(name, pool=name, dispatch={"paused": name == "mine"})
        fleet.until_state(member, "Running", pool=name)
    return fleet


def resume(given: User) -> None:
    given.change_queue("mine", dispatch={"paused": False})


def test_what_a_user_writes_on_a_job_leads_nowhere(walled: Fleet, given: User, site: Site) -> None:
    alice = User(site.client_of("alice"), given.namespace)
    forged = {
        ADMITTED_AT: "2026-01-01T00:00:00.000000Z",
        CLUSTER: walled.full("west"),
        "headgate.dev/placement": '{"nodeSelector": {"mine": "yes"}}',
        "headgate.dev/requeued-from": walled.full("west"),
        "headgate.dev/term": "1",
    }
    labels = {POOL: given.full("theirs"), "headgate.dev/origin-uid": "x", "headgate.dev/hub": "y"}
    alice.job("at-creation", "mine", annotations=forged, labels=labels, managedBy=MANAGED_BY, seconds=0.1)
    alice.job("later", "mine", seconds=0.1)
    given.until("mine", waiting=2)
    alice.change_job("later", {"metadata": {"annotations": forged, "labels": labels}})

    for name in ("at-creation", "later"):
        metadata = given.get_job(name)["metadata"]
        assert not set(forged) & set(metadata["annotations"])
        assert metadata["labels"][POOL] == given.full("mine")
    resume(given)
    given.succeeded("mine", 2)
    assert walled.places() == {"at-creation": "east", "later": "east"}

    # Nor once it is admitted.
    alice.job("admitted", "mine", seconds=ENDLESS)
    walled.until_mirrored("admitted")
    alice.change_job(
        "admitted", {"metadata": {"annotations": forged, "labels": {POOL: given.full("theirs")}}}
    )
    metadata = given.get_job("admitted")["metadata"]
    assert metadata["annotations"][CLUSTER] == walled.full("east")
    assert metadata["labels"][POOL] == given.full("mine")
    walled.end("admitted")
    given.succeeded("mine", 3)


def test_what_the_api_server_refuses(walled: Fleet, given: User) -> None:
    given.job("mover", "mine", seconds=0.1)
    given.until("mine", waiting=1)
    with pytest.raises(RefusedError, match="a Job moves only within its pool"):
        given.change_job("mover", {"metadata": {"labels": {QUEUE: given.full("theirs")}}})

    for clusters in ([walled.full("west")], [walled.full("east"), walled.full("west")]):
        with pytest.raises(RefusedError, match="has no cluster"):
            given.change_queue("mine", clusters=clusters)
    with pytest.raises(RefusedError, match="never changes its pool"):
        given.change_queue("mine", pool=given.full("theirs"))
    mine, entry = f"{POOLS}/{given.full('mine')}", walled.cluster("west")
    with pytest.raises(RefusedError, match="is already in pool"):
        given.client.patch(mine, {"spec": {"clusters": [*given.client.get(mine)["spec"]["clusters"], entry]}})

    # Who runs a Job is fixed when it is created, so one of here cannot become one of there, nor the other way.
    given.queue("local")
    # A new queue's policies are in force a moment later.
    eventually(lambda: "managedBy" in given.why_refused("local", managedBy=MANAGED_BY))
    with pytest.raises(RefusedError, match="managedBy"):
        given.job("foreign", "mine", managedBy="example.org/other")
    given.job("late", None, suspend=True)
    with pytest.raises(RefusedError, match="create it anew"):
        given.change_job("late", {"metadata": {"labels": {QUEUE: given.full("mine")}}})

    resume(given)
    given.succeeded("mine", 1)
    assert walled.places() == {"mover": "east"}


def test_one_physical_cluster_is_reached_for_one_pool_only(walled: Fleet, given: User) -> None:
    """Another name for it, and another user, change nothing."""
    member = walled.members["west"]
    ref = walled.secret("alias", member.kubeconfig(token=member.new_token()))
    walled.pool("alias", {"name": walled.full("alias"), "kubeconfigSecretRef": ref})
    walled.queue("alias", pool="alias")
    given.job("waits", "alias", seconds=0.1)

    found = walled.until_state("alias", "Pending", walled.full("west"), pool="alias")

    assert found["active"] == 0
    walled.until_all_run("theirs")
    given.until("alias", waiting=1)
    given.job("goes", "theirs", seconds=0.1)
    given.succeeded("theirs", 1)
    assert walled.places() == {"goes": "west"}


def test_of_two_pools_that_name_one_cluster_the_older_has_it(walled: Fleet, given: User, site: Site) -> None:
    """Policies refuse that, but of pools that are made at the same moment neither sees the other."""
    resume(given)
    given.job("runs", "mine", seconds=ENDLESS)
    walled.until_mirrored("runs")
    before = given.get_job("runs")["metadata"]["annotations"]
    (east,) = given.client.get(f"{POOLS}/{given.full('mine')}")["spec"]["clusters"]
    next_second()
    with site.without_policies("pool-clusters"):
        walled.pool("twin", east, onClusterLost="Requeue", lostAfterSeconds=5)

    found = walled.until_state("east", "Pending", "has a cluster of this name", pool="twin")
    assert found["active"] == 0
    time.sleep(8)  # Longer than a cluster of that pool may be silent.
    walled.until_state("east", "Pending", "has a cluster of this name", pool="twin")

    assert given.get_job("runs")["metadata"]["annotations"] == before
    walled.until_state("east", "Running", pool="mine")
    walled.end("runs")
    given.succeeded("mine", 1)


def test_the_hub_is_no_member_of_itself(fleet: Fleet, given: User, site: Site) -> None:
    kubeconfig = site.cluster.kubeconfig.read_text()
    ref = fleet.secret("hub", kubeconfig)
    fleet.pool("pool", {"name": fleet.full("hub"), "kubeconfigSecretRef": ref}, "east")
    fleet.queue("line")

    found = fleet.until_state("hub", "Pending", "Headgate runs in")

    assert site.cluster.tokens["admin"] not in str(found)
    given.job("goes", "line", seconds=0.1)
    given.succeeded("line", 1)
    assert fleet.places() == {"goes": "east"}


def test_a_proxy_that_came_before_its_queue_goes_to_the_pool_of_its_queue(fleet: Fleet, given: User) -> None:
    """Nobody has written a pool onto it: the API server had no policy for that queue yet."""
    fleet.pool("pool", "east")
    given.job("early", "line", managedBy=MANAGED_BY, seconds=0.1)
    assert POOL not in given.get_job("early")["metadata"]["labels"]
    fleet.queue("line")
    given.succeeded("line", 1)
    assert fleet.places() == {"early": "east"}


def test_the_pool_is_looked_at_again_before_a_copy_is_made(walled: Fleet, given: User, site: Site) -> None:
    """Also where the policies are off, and somebody writes another pool onto a Job that is on its way."""
    late = f"{given.namespace}-late"
    given.client.create("/api/v1/namespaces", {"metadata": {"name": late}})
    path = JOBS.replace("/jobs", f"/namespaces/{late}/jobs")
    resume(given)
    given.client.create(path, given.job_body("strayed", "mine", seconds=0.1))

    def told(reason: str) -> str:
        events = given.client.items(f"/apis/events.k8s.io/v1/namespaces/{late}/events")
        return "; ".join(event["note"] for event in events if event["reason"] == reason)

    eventually(lambda: told("CopyRefused"))

    def relabelled(pool: str) -> bool:
        change = {"metadata": {"labels": {POOL: given.full(pool)}}}
        body = given.client.patch(f"{path}/strayed", change, content_type=MERGE)
        return bool(body["metadata"]["labels"][POOL] == given.full(pool))

    there = walled.members["east"].admin
    with site.without_policies("job-keep"):
        assert relabelled("theirs")
        there.create("/api/v1/namespaces", {"metadata": {"name": late}})

        # Who decides tells of it too; this is who would create the copy.
        eventually(lambda: "nothing is sent there" in told("WrongPool"))

        assert given.full("theirs") in told("WrongPool")
        assert not there.items(path)
        assert relabelled("mine")
    eventually(lambda: outcome(given.client.get(f"{path}/strayed")) == "succeeded")
    assert not relabelled("theirs")
    given.client.delete(f"/api/v1/namespaces/{late}")
