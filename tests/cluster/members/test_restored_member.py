"""A member that comes back with older data, out of a backup: its resourceVersions are lower than those seen before."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from controlplane import ControlPlane
from tests.cluster.harness.client import ENDLESS, POOLS, QUEUES, User, eventually
from tests.cluster.harness.cluster import SYSTEM
from tests.cluster.harness.copies import HUB, MANAGED_BY
from tests.cluster.harness.invariants import outcome, why_failed
from tests.cluster.harness.members import KEY, Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from controlplane import ClusterAccess

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator")

ETCD = "etcd"
OTHERS = ("kube-controller-manager", "kube-scheduler", "kwok")


@pytest.fixture(scope="module")
def plane(control_plane: ClusterAccess) -> Iterator[ControlPlane]:
    """A cluster with an etcd of its own."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("needs clusters beside the control plane")
    with ControlPlane.start(nodes=1) as plane:
        yield plane


@contextmanager
def stopped(plane: ControlPlane) -> Iterator[Path]:
    """Stop a cluster for a while; the folder with its data."""
    for name in (*OTHERS, "kube-apiserver", ETCD):
        plane.stop_component(name)
    try:
        yield plane.directory / "etcd"
    finally:
        for name in (ETCD, "kube-apiserver", *OTHERS):
            plane.start_component(name)


def version(job: dict[str, Any]) -> int:
    return int(job["metadata"]["resourceVersion"])


def test_what_is_in_it_counts(given: User, plane: ControlPlane, tmp_path: Path, settled: Settled) -> None:
    member = Member("old", plane)
    member.install()
    member.admin.create("/api/v1/namespaces", {"metadata": {"name": given.namespace}})
    account = f"/api/v1/namespaces/{given.namespace}/serviceaccounts/default"
    eventually(lambda: member.admin.get(account))
    there = User(member.admin, given.namespace)
    secret = {
        "metadata": {"name": given.full("old")},
        "stringData": {KEY: yaml.safe_dump(member.kubeconfig())},
    }
    given.client.create(f"/api/v1/namespaces/{SYSTEM}/secrets", secret)
    ref = {"namespace": SYSTEM, "name": given.full("old"), "key": KEY}
    pool = {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": "ClusterPool",
        "metadata": {"name": given.full("pool")},
        "spec": {"clusters": [{"name": given.full("old"), "kubeconfigSecretRef": ref}]},
    }
    given.client.create(POOLS, pool)
    given.queue("line", pool=given.full("pool"))
    eventually(
        lambda: (
            given.client.create(f"{given.jobs_path}?dryRun=All", given.job_body("probe", "line"))["spec"].get(
                "managedBy"
            )
            == MANAGED_BY
        )
    )

    def running(*names: str) -> bool:
        return all(given.get_job(name)["status"].get("active") == 1 for name in names)

    for name in ("stays", "ended"):
        given.job(name, "line", seconds=ENDLESS)
    eventually(lambda: running("stays", "ended"))
    with stopped(plane) as data:
        shutil.copytree(data, tmp_path / "backup")

    there.end("ended")
    given.succeeded("line", 1)
    given.job("late", "line", seconds=ENDLESS)
    eventually(lambda: running("late"))
    # A version that no other has for a long time after the backup, and of which the operator knows.
    for number in range(200):
        there.client.patch(f"{there.jobs_path}/stays", {"metadata": {"labels": {"number": str(number)}}})
    newest = version(there.get_job("stays"))
    there.end("late")
    given.succeeded("line", 2)

    given.job("lost", "line", seconds=ENDLESS)
    eventually(lambda: running("lost"))
    with stopped(plane) as data:
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "backup", data)

    # It has neither of those that came after the backup; one of them had not ended.
    eventually(lambda: why_failed(given.get_job("lost")) == "CopyDeleted")
    assert outcome(given.get_job("late")) == "succeeded"
    # What had ended before is not to run again.
    eventually(lambda: "ended" not in {body["metadata"]["name"] for body in there.all_jobs()})
    assert outcome(given.get_job("ended")) == "succeeded"
    there.end("stays")
    given.until("line", succeeded=3, failed=1)
    assert version(there.get_job("stays")) < newest, "this shows nothing"
    assert [body["metadata"]["name"] for body in there.all_jobs() if HUB in body["metadata"]["labels"]] == [
        "stays"
    ]
    settled(given.full("line"))

    given.client.call("DELETE", f"{given.jobs_path}?propagationPolicy=Background")
    eventually(lambda: not there.all_jobs())
    for path in (f"{QUEUES}/{given.full('line')}", f"{POOLS}/{given.full('pool')}"):
        eventually(partial(given.client.delete, path))
