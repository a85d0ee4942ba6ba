"""The how-tos about pools of many clusters, command by command as a reader copies them, and the manifests they use."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.harness.client import (
    DURATION,
    ENDLESS,
    PATIENCE,
    POOLS,
    QUEUES,
    RefusedError,
    User,
    eventually,
)
from tests.cluster.harness.cluster import ROOT, kubectl_for
from tests.cluster.harness.copies import HUB, MANAGED_BY
from tests.cluster.harness.invariants import CLUSTER, outcome
from tests.cluster.harness.members import Fleet
from tests.cluster.harness.pages import Page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controlplane import ClusterAccess
    from tests.cluster.harness.cluster import Kubectl

pytestmark = pytest.mark.usefixtures("operator")

Json = dict[str, Any]

EXAMPLES = ROOT / "examples" / "clusters"
POOL = "prod"
CLUSTERS = ("east", "west")
SECRETS = "/api/v1/namespaces/headgate-system/secrets"


class Plain(Fleet):
    """A fleet whose pool, clusters and queues have the names that the examples give them."""

    def full(self, member: str) -> str:
        return member

    def dissolve(self) -> None:
        """Take away all that the examples make, so that the members are free for the pools of other tests."""
        kubectl = kubectl_for(self.site.cluster)
        for user in [self.given, *map(self.there, self.members)]:
            user.client.call("DELETE", f"{user.jobs_path}?propagationPolicy=Background")
        for kind in ("JobQueue", "ComputeEnvironment", "ClusterPool"):
            names = [body["metadata"]["name"] for body in bodies_of(*MANIFESTS) if body["kind"] == kind]

            def delete(kind: str = kind, names: list[str] = names) -> bool:
                # Refused as long as something in it is live.
                return not kubectl("delete", kind, "--ignore-not-found", *names, check=False).returncode

            eventually(delete)
        kubectl(
            "delete",
            "secret",
            "-n",
            "headgate-system",
            "--ignore-not-found",
            *map("cluster-{}".format, CLUSTERS),
        )


def manifest(name: str) -> Path:
    return EXAMPLES / name


MANIFESTS = (
    "pool.yaml",
    "queues.yaml",
    "jobs.yaml",
    "environments.yaml",
    "move/old.yaml",
    "move/new.yaml",
    "move/job.yaml",
)
"""What is applied in the hub."""


def bodies_of(*names: str) -> list[Json]:
    return [body for name in names for body in yaml.safe_load_all(manifest(name).read_text())]


@pytest.fixture
def fleet_type() -> type[Fleet]:
    return Plain


@pytest.fixture
def page(site_kubeconfig: Path) -> Callable[[str], Page]:
    return lambda name: Page(f"how-to/{name}.md", site_kubeconfig)


@pytest.fixture
def site_kubeconfig(control_plane: ClusterAccess, fleet: Fleet, given: User, tmp_path: Path) -> Path:
    """A kubeconfig with the contexts that the pages suppose: the hub, which is current, and the clusters."""
    contexts = {"hub": control_plane, **{name: fleet.members[name].cluster for name in CLUSTERS}}
    config: Json = {"apiVersion": "v1", "kind": "Config", "current-context": "hub"}
    config |= {"clusters": [], "users": [], "contexts": []}
    for name, access in contexts.items():
        own = yaml.safe_load(access.kubeconfig.read_text())
        context = {"cluster": name, "user": name, "namespace": given.namespace}
        config["clusters"].append({"name": name, "cluster": own["clusters"][0]["cluster"]})
        config["users"].append({"name": name, "user": own["users"][0]["user"]})
        config["contexts"].append({"name": name, "context": context})
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def prod(page: Callable[[str], Page], fleet: Fleet) -> Page:
    """The pool `prod` and its queues, made as the page says; returns the page."""
    clusters = page("run-jobs-on-many-clusters")
    clusters.run("1. Let Headgate into each cluster")
    clusters.run("2. Give the hub a kubeconfig for each")
    clusters.run("3. Make the pool and its queues")
    for queue in ("prod-queue", "gpu-queue"):
        until_proxied(fleet.given, queue)
    return clusters


def until_proxied(given: User, queue: str) -> None:
    """Wait until Jobs of a queue become proxies: a new queue's policies are in force a moment after it is ready."""
    body = {
        "metadata": {"name": "probe", "labels": {"headgate.dev/queue": queue}},
        "spec": {
            "template": {
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}
            }
        },
    }
    eventually(
        lambda: (
            given.client.create(f"{given.jobs_path}?dryRun=All", body)["spec"].get("managedBy") == MANAGED_BY
        )
    )


def cluster_of(given: User, job: str) -> str | None:
    return (given.get_job(job)["metadata"].get("annotations") or {}).get(CLUSTER)


def states(given: User) -> dict[str, str]:
    status = given.client.get(f"{POOLS}/{POOL}").get("status") or {}
    return {one["name"]: one["state"] for one in status.get("clusters") or ()}


def succeeded(given: User, *jobs: str) -> None:
    """Wait until Jobs have succeeded."""
    for job in jobs:
        eventually(lambda job=job: outcome(given.get_job(job)) == "succeeded")  # type: ignore[misc]


def test_jobs_run_on_many_clusters(prod: Page, fleet: Fleet, given: User) -> None:
    printed = prod.run("4. Create Jobs")

    rows = [line.split() for line in printed.splitlines() if line.startswith(("crunch", "train"))]
    done = {
        name: (cluster, count)
        for name, cluster, count in (row for row in rows if len(row) == 3 and row[1] in CLUSTERS)
    }
    assert done.keys() == {"crunch-1", "crunch-2", "train"}
    assert done["train"] == ("east", "1")
    assert {count for _, count in done.values()} == {"1"}
    assert {name: cluster for name, (cluster, _) in done.items()} == fleet.places()


def test_a_cluster_is_taken_out_as_the_page_says(prod: Page, fleet: Fleet, given: User) -> None:
    prod.run("4. Create Jobs")
    assert "east" in fleet.places().values()

    prod.run("Take a cluster out")

    eventually(lambda: states(given) == {"west": "Running"})
    eventually(lambda: set(fleet.places().values()) <= {"west"})
    assert {outcome(body) for body in given.all_jobs()} == {"succeeded"}


def test_credentials_are_renewed_as_the_page_says(
    prod: Page, fleet: Fleet, given: User, kubectl: Kubectl
) -> None:
    member = fleet.members["east"]
    before = member.token
    member.admin.delete(f"{SECRETS}/headgate-dispatcher")
    vars(member).pop("token")  # It is not the one that other tests use any more.
    eventually(lambda: states(given)["east"] != "Running")

    prod.run("1. Let Headgate into each cluster")
    prod.run("2. Give the hub a kubeconfig for each")

    eventually(lambda: states(given) == dict.fromkeys(CLUSTERS, "Running"))
    assert member.token != before
    kubectl("apply", "-n", given.namespace, "-f", str(manifest("jobs.yaml")))
    succeeded(given, "train")
    assert cluster_of(given, "train") == "east"


@pytest.mark.usefixtures("prod")
def test_the_operations_page_shows_what_is_wrong_with_a_member(given: User, site_kubeconfig: Path) -> None:
    given.client.delete(f"{SECRETS}/cluster-east")
    eventually(lambda: states(given)["east"] == "Pending")

    def told() -> bool:
        printed = Page("operations.md", site_kubeconfig).run("A member is not Running")
        assert re.search(r"^east: Pending, 0 active\. .*cluster-east.* does not exist", printed, re.M), (
            printed
        )
        assert re.search(r"^west: Running, 0 active\. ", printed, re.M), printed
        return True

    eventually(told)


@pytest.mark.usefixtures("prod")
def test_copies_that_a_lost_hub_left_are_deleted(
    fleet: Fleet, given: User, site_kubeconfig: Path, tmp_path: Path
) -> None:
    """As the operations page says of a hub that was restored in another cluster. Copies of this hub stay."""
    lost = "00000000-0000-4000-8000-000000000000"
    there = User(fleet.members["east"].admin, "default")
    there.job("left", None, labels={HUB: lost}, suspend=True)
    given.job("ours", None, labels={"headgate.dev/queue": "gpu-queue"}, seconds=ENDLESS)
    eventually(lambda: fleet.places() == {"ours": "east"})
    (tmp_path / "back-up").mkdir()
    (tmp_path / "back-up" / "hub").write_text(lost)

    Page("operations.md", site_kubeconfig, tmp_path).run("Restore: pools of other clusters")

    assert "left" not in {job["metadata"]["name"] for job in there.all_jobs()}
    assert fleet.places() == {"ours": "east"}
    fleet.there("east").end("ours")
    succeeded(given, "ours")


@pytest.mark.usefixtures("prod")
def test_an_environment_has_its_capacity_in_each_cluster(fleet: Fleet, given: User, kubectl: Kubectl) -> None:
    """Of five Jobs, two fit into each of two clusters."""
    bodies = bodies_of("environments.yaml")
    jobs = [body for body in bodies if body["kind"] == "Job"]
    for job in jobs:
        job["spec"]["template"]["metadata"] = {"annotations": {DURATION: f"{ENDLESS}s"}}
    rest = [body for body in bodies if body not in jobs]
    kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(rest))
    until_proxied(given, "prod-large")

    kubectl("apply", "--server-side", "-n", given.namespace, "-f", "-", input=yaml.safe_dump_all(jobs))

    def full() -> bool:
        status = given.client.get(f"{QUEUES}/prod-large")["status"]
        return (status["jobs"]["active"], status["jobs"]["waiting"]) == (4, 1)

    eventually(full)
    assert given.client.get(f"{QUEUES}/prod-large")["status"]["head"]["reason"] == "InsufficientCapacity"
    eventually(lambda: sorted(fleet.places().values()) == ["east", "east", "west", "west"])

    def ended() -> bool:
        fleet.end_running()
        return all(outcome(given.get_job(f"large-{number}")) == "succeeded" for number in range(1, 6))

    eventually(ended)


@pytest.mark.usefixtures("prod")
def test_work_moves_to_another_pool(
    page: Callable[[str], Page], fleet: Fleet, given: User, kubectl: Kubectl
) -> None:
    move = page("move-work-to-another-pool")
    move.run("Move work to another pool")
    move.run("1. Create a queue in the other pool")
    until_proxied(given, "reports-prod")

    move.run("2. Let those who create Jobs name the new queue")
    move.run("3. Drain the old queue")

    assert {name: cluster_of(given, name) for name in ("report-1", "report-2")} == dict.fromkeys(
        ("report-1", "report-2"), "local"
    )
    assert all(outcome(given.get_job(name)) == "succeeded" for name in ("report-1", "report-2"))
    succeeded(given, "report-3")
    assert fleet.places() == {"report-3": cluster_of(given, "report-3")}
    straggler = yaml.safe_load(manifest("move/job.yaml").read_text())
    straggler["metadata"] = {"name": "straggler", "labels": {"headgate.dev/queue": "reports"}}
    with pytest.raises(RefusedError, match="reports"):
        given.client.create(given.jobs_path, straggler)

    move.run("4. Leave the old queue idle, or delete it")
    with pytest.raises(RefusedError, match="not found"):
        given.client.get(f"{QUEUES}/reports")
    assert outcome(given.get_job("report-1")) == "succeeded"


@pytest.mark.usefixtures("prod")
def test_a_waiting_job_does_not_cross_the_wall(given: User, kubectl: Kubectl) -> None:
    """As the page says: a Job that should rather run in the new pool is created anew."""
    old = next(body for body in bodies_of("move/old.yaml") if body["kind"] == "JobQueue")
    old["spec"]["dispatch"] = {"paused": True}
    kubectl("apply", "-f", "-", input=yaml.safe_dump(old))
    kubectl("apply", "-f", str(manifest("move/new.yaml")))
    kubectl("wait", "jobqueue/reports", "--for=condition=Ready", f"--timeout={PATIENCE:.0f}s")
    until_proxied(given, "reports-prod")
    job = next(body for body in bodies_of("move/old.yaml") if body["kind"] == "Job")
    eventually(partial(labelled, given, job))
    kubectl("apply", "-n", given.namespace, "-f", "-", input=yaml.safe_dump(job))

    label = (
        "label",
        "job",
        "report-1",
        "-n",
        given.namespace,
        "headgate.dev/queue=reports-prod",
        "--overwrite",
    )
    refused = kubectl(*label, check=False)

    assert refused.returncode != 0
    assert "pool" in refused.stderr
    kubectl("delete", "job", "report-1", "-n", given.namespace)
    job["metadata"]["labels"]["headgate.dev/queue"] = "reports-prod"
    kubectl("apply", "-n", given.namespace, "-f", "-", input=yaml.safe_dump(job))
    succeeded(given, "report-1")
    assert cluster_of(given, "report-1") in CLUSTERS


def labelled(given: User, job: Json) -> bool:
    """Whether the API server would write the pool onto a Job by now: a new queue's policies take a moment."""
    labels = given.client.create(f"{given.jobs_path}?dryRun=All", job)["metadata"]["labels"]
    return "headgate.dev/pool" in labels


def test_every_manifest_is_tested_and_in_the_table() -> None:
    files = sorted(str(file.relative_to(EXAMPLES)) for file in EXAMPLES.rglob("*.yaml"))
    table = (EXAMPLES / "README.md").read_text()

    assert files == sorted([*MANIFESTS, "member-rbac.yaml"])
    assert [file for file in files if f"({file})" not in table] == []
