"""A queue, and a compute environment, is pinned to clusters of its pool. A cluster is in one pool, until it is idle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.cluster.harness.cluster import CHART, RELEASE
from tests.cluster.policies.support import Api, environment, eventually, local, pool, queue, remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.cluster import Helm
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
    api.delete("jobqueue", name).accepted()


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


@pytest.fixture
def one_pool_for_the_hub(api: Api, helm: Helm, namespace: str) -> Iterator[dict[str, str]]:
    """The policy as it is by default, for pools that have the label: those of other tests share the local cluster."""
    rendered = helm(
        "template", RELEASE, str(CHART), "--show-only", "templates/policies/pool-clusters.yaml"
    ).stdout
    policy, binding = yaml.safe_load_all(rendered)
    label = {"test": namespace}
    policy["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = namespace
    policy["spec"]["matchConstraints"]["objectSelector"] = {"matchLabels": label}
    for body in (policy, binding):
        api.send("create", body).accepted()
    yield label
    for body in (policy, binding):
        api.send("delete", body).accepted()


def test_the_cluster_that_headgate_runs_in_is_in_one_pool(
    api: Api, make_pool: Callable[..., str], one_pool_for_the_hub: dict[str, str], namespace: str
) -> None:
    first, second, empty = (
        make_pool(local(f"here-{namespace}")),
        make_pool(local(f"hub-{namespace}")),
        make_pool(),
    )
    label = {"metadata": {"labels": one_pool_for_the_hub}}
    for name in (first, second, empty):
        api.patch("clusterpool", name, label).accepted()
    told = (
        'spec.clusters: the cluster that Headgate runs in is already in pool "',
        "and a cluster is in one pool only: remove it there first",
    )
    third = pool(f"third-{namespace}", local(f"third-{namespace}"))
    third["metadata"]["labels"] = one_pool_for_the_hub
    eventually(lambda: api.create(third, dry_run=True).refused(f'ClusterPool "third-{namespace}"', *told))
    api.patch("clusterpool", empty, {"spec": third["spec"]}).refused(f'ClusterPool "{empty}"', *told)
    far = pool(f"third-{namespace}", remote(f"third-{namespace}"))
    far["metadata"]["labels"] = one_pool_for_the_hub
    api.create(far, dry_run=True).accepted()

    # Pools that have had it side by side can still be updated, and one of them can give it up.
    disabled = {"spec": {"clusters": [{**local(f"hub-{namespace}"), "state": "Disabled"}]}}
    api.patch("clusterpool", second, disabled).accepted()
    api.patch("clusterpool", second, {"spec": {"clusters": []}}).accepted()
    api.patch("clusterpool", second, disabled).refused(*told)


def status(active: int, *clusters: dict[str, object], state: str = "Running", generation: int = 1) -> Any:
    """A pool's status, with so many active Jobs in the first cluster."""
    counts = [active] + [0] * (len(clusters) - 1)
    shown = [
        {"name": one["name"], "active": count, "state": state}
        for one, count in zip(clusters, counts, strict=True)
    ]
    return {"status": {"clusters": shown, "observedGeneration": generation}}


def test_a_cluster_with_active_jobs_stays_in_its_pool(
    api: Api, make_pool: Callable[..., str], namespace: str
) -> None:
    east, west = remote(f"east-{namespace}"), remote(f"west-{namespace}")
    here = make_pool(east, west)

    def becomes(*clusters: dict[str, object], **spec: object) -> Answer:
        return api.patch("clusterpool", here, {"spec": {"clusters": list(clusters), **spec}})

    api.patch("clusterpool", here, status(3, east, west), subresource="status").accepted()
    told = (
        f'ClusterPool "{here}": spec.clusters: cluster "{east["name"]}" cannot be removed: 3 active Jobs are there',
        "disable it (state: Disabled), and remove it when status.clusters says active 0",
    )
    becomes(west).refused(*told)
    becomes().refused(*told)
    api.send("replace", pool(here, {**west, "state": "Enabled"})).refused(*told)
    becomes({**east, "state": "Disabled"}, west).accepted()
    becomes({**east, "state": "Disabled"}, west, onClusterLost="Requeue").accepted()
    becomes(west).refused(*told)


def test_the_local_cluster_leaves_its_pool_when_no_job_is_active(
    api: Api, make_pool: Callable[..., str], namespace: str
) -> None:
    """What was let through goes on there, whatever pool it is in."""
    east = local(f"east-{namespace}")
    here = make_pool(east)
    change = {"spec": {"clusters": [local(f"north-{namespace}")]}}
    api.patch("clusterpool", here, status(1, east), subresource="status").accepted()
    api.patch("clusterpool", here, change).refused("cannot be removed: 1 active Jobs are there")
    api.patch("clusterpool", here, status(0, east), subresource="status").accepted()
    api.patch("clusterpool", here, change).accepted()


def test_a_remote_cluster_leaves_its_pool_when_no_job_can_be_on_its_way_to_it(
    api: Api, make_pool: Callable[..., str], namespace: str
) -> None:
    east, west = remote(f"east-{namespace}"), remote(f"west-{namespace}")
    here = make_pool(east, west)

    def becomes(*clusters: dict[str, object]) -> Answer:
        return api.patch("clusterpool", here, {"spec": {"clusters": list(clusters)}})

    def shown(active: int, state: str, generation: int) -> None:
        change = status(active, east, west, state=state, generation=generation)
        api.patch("clusterpool", here, change, subresource="status").accepted()

    told = (
        f'ClusterPool "{here}": spec.clusters: cluster "{east["name"]}" cannot be removed yet',
        "disable it first (state: Disabled), and remove it when status.clusters says Terminated and active 0",
    )
    shown(0, "Running", 1)
    becomes(west).refused(*told)
    off = {**east, "state": "Disabled"}
    becomes(off, west).accepted()
    # Counted before it was disabled.
    becomes(west).refused(*told)
    shown(0, "Terminated", 1)
    becomes(west).refused(*told)
    shown(2, "Terminated", 2)
    becomes(west).refused("cannot be removed: 2 active Jobs are there")
    shown(0, "Terminated", 2)
    becomes(off, {**west, "state": "Disabled"}).accepted()
    # Counted before the other one was disabled: that it was not enabled in between is not known.
    becomes({**west, "state": "Disabled"}).refused(*told)
    shown(0, "Terminated", 3)
    becomes({**west, "state": "Disabled"}).accepted()


def test_a_remote_cluster_that_nobody_has_taken_note_of_may_leave(
    api: Api, make_pool: Callable[..., str], namespace: str
) -> None:
    east, west = remote(f"east-{namespace}"), remote(f"west-{namespace}")
    here = make_pool(east, west)
    api.patch("clusterpool", here, {"spec": {"clusters": [west]}}).accepted()
