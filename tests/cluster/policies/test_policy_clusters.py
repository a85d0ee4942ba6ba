"""A queue, and a compute environment, is pinned to clusters of its pool. A cluster is in one pool, until it is idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.policies.support import Api, environment, eventually, local, pool, queue, remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.policies.support import Answer


def test_a_queue_is_pinned_within_its_pool(api: Api, make_pool: Callable[..., str], namespace: str) -> None:
    east, west = f"east-{namespace}", f"west-{namespace}"
    here = make_pool(local(east))
    make_pool(local(west))
    name = f"pinned-{namespace}"
    body = queue(name, pool=here, clusters=[west])
    told = (f'JobQueue "{name}": spec.clusters', f'pool "{here}" has no cluster "{west}"', f"it has: {east}")
    eventually(lambda: api.create(body, dry_run=True).refused(*told))
    eventually(lambda: api.create(queue(name, pool=here, clusters=[east])).accepted())
    api.patch("jobqueue", name, {"spec": {"clusters": [east, west]}}).refused(*told)
    api.patch("jobqueue", name, {"spec": {"clusters": ["*"]}}).accepted()


def test_a_pool_that_is_not_there_yet_is_not_looked_at(api: Api, namespace: str) -> None:
    body = queue(f"early-{namespace}", pool="not-there-yet", clusters=["somewhere"])
    eventually(lambda: api.create(body, dry_run=True).accepted())


def test_an_environment_is_in_clusters_of_its_pool(
    api: Api, make_pool: Callable[..., str], namespace: str
) -> None:
    east, west = f"east-{namespace}", f"west-{namespace}"
    here = make_pool(local(east))
    make_pool(local(west))
    name = f"pinned-{namespace}"
    told = (
        f'ComputeEnvironment "{name}": spec.clusters',
        f'pool "{here}" has no cluster "{west}"',
        f"it has: {east}",
    )
    wrong = environment(name, pool=here, clusters=[west])
    eventually(lambda: api.create(wrong, dry_run=True).refused(*told))
    eventually(lambda: api.create(environment(name, pool=here, clusters=[east])).accepted())
    try:
        api.patch("computeenvironment", name, {"spec": {"clusters": [east, west]}}).refused(*told)
        api.patch("computeenvironment", name, {"spec": {"clusters": ["*"]}}).accepted()

        # One that a change of its pool has broken can still be updated, but for its clusters.
        api.patch("computeenvironment", name, {"spec": {"clusters": [east]}}).accepted()
        moved = {"spec": {"clusters": [local(f"north-{namespace}")]}}
        api.patch("clusterpool", here, moved).accepted()
        eventually(lambda: api.create(environment("x", pool=here, clusters=[east]), dry_run=True).refused())
        api.patch("computeenvironment", name, {"spec": {"state": "Disabled"}}).accepted()
    finally:
        api.delete("computeenvironment", name).accepted()


def test_an_environment_of_a_pool_that_is_not_there_yet_is_not_looked_at(api: Api, namespace: str) -> None:
    body = environment(f"early-{namespace}", pool="not-there-yet", clusters=["somewhere"])
    eventually(lambda: api.create(body, dry_run=True).accepted())


def test_a_cluster_is_in_one_pool(api: Api, make_pool: Callable[..., str], namespace: str) -> None:
    shared = f"shared-{namespace}"
    here = make_pool(local(shared))
    second = pool(f"second-{namespace}", local(shared))
    told = (
        f'ClusterPool "second-{namespace}": spec.clusters',
        f'cluster "{shared}" is already in pool "{here}"',
    )
    eventually(lambda: api.create(second, dry_run=True).refused(*told))
    other = make_pool(local(f"c-{namespace}"))
    api.patch("clusterpool", other, {"spec": second["spec"]}).refused(
        f'"{shared}" is already in pool "{here}"'
    )
    # A pool is not compared with itself.
    api.patch("clusterpool", here, {"spec": {"clusters": [local(f"d-{namespace}")]}}).accepted()


def test_a_cluster_with_active_jobs_stays_in_its_pool(
    api: Api, make_pool: Callable[..., str], namespace: str
) -> None:
    east, west = remote(f"east-{namespace}"), remote(f"west-{namespace}")
    here = make_pool(east, west)

    def has(active: int) -> None:
        status = [{"name": east["name"], "active": active}, {"name": west["name"], "active": 0}]
        change = {"status": {"clusters": status}}
        api.patch("clusterpool", here, change, subresource="status").accepted()

    def becomes(*clusters: dict[str, object], **spec: object) -> Answer:
        return api.patch("clusterpool", here, {"spec": {"clusters": list(clusters), **spec}})

    has(active=3)
    told = (
        f'ClusterPool "{here}": spec.clusters: cluster "{east["name"]}" cannot be removed: 3 active Jobs are there',
        "disable it (state: Disabled), and remove it when status.clusters says active 0",
    )
    becomes(west).refused(*told)
    becomes().refused(*told)
    api.send("replace", pool(here, {**west, "state": "Enabled"})).refused(*told)
    becomes({**east, "state": "Disabled"}).accepted()
    becomes({**east, "state": "Disabled"}, onClusterLost="Requeue").accepted()
    has(active=0)
    becomes(remote(f"north-{namespace}")).accepted()
