"""The operations page, command by command as a reader copies it: a life of an installation, in two clusters.

In the first one Headgate is installed, upgraded and backed up. The second one has never seen it: there it is restored,
and in the end removed. Pods are simulated, and the operator is a process with their rights; the steps that need its
image are run on a real node, in `node/test_operations.py`.
"""

from __future__ import annotations

import json
import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from controlplane import ControlPlane
from tests.cluster.harness.client import (
    ENDLESS,
    ENVIRONMENTS,
    JOBS,
    PATIENCE,
    QUEUES,
    User,
    eventually,
    next_second,
)
from tests.cluster.harness.cluster import RELEASE, SYSTEM, Site, until_in_force
from tests.cluster.harness.invariants import outcome
from tests.cluster.harness.operator import LOST_LEAD
from tests.cluster.harness.pages import Operations
from tests.cluster.harness.witness import watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.harness.operator import OperatorProcess

pytestmark = pytest.mark.skipif(
    "HEADGATE_CLUSTER" in os.environ, reason="it installs and uninstalls: on control planes of its own only"
)

Json = dict[str, Any]

TEAM = "team-a"
SUBMITTED_BY = "headgate.dev/submitted-by"
LIVE = ("oldest", "train", "later", "last")
"""Jobs of the queue `nightly` in the order of their creation, which is not that of their names."""


class World(NamedTuple):
    """A cluster, and the page whose commands are run there."""

    cluster: ControlPlane
    site: Site
    page: Operations

    @property
    def team(self) -> User:
        return User(self.site.admin, TEAM)

    def deployment(self) -> Json:
        return self.site.admin.get(f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/{RELEASE}")

    def queue(self, name: str) -> Json:
        return self.site.admin.get(f"{QUEUES}/{name}")

    def counts(self, name: str) -> Json:
        return dict(self.queue(name)["status"]["jobs"])

    def until(self, name: str, **counts: int) -> None:
        """Wait until the status of a queue has these counts of Jobs."""
        eventually(lambda: counts.items() <= self.counts(name).items() or None)

    def submit(self, name: str, queue: str, **options: Any) -> None:
        labels = {"headgate.dev/queue": queue, **options.pop("labels", {})}
        self.team.job(name, None, labels=labels, **options)

    def job(self, name: str) -> Json:
        return self.team.get_job(name)

    def waits(self, name: str) -> bool:
        job = self.job(name)
        return bool(job["spec"]["suspend"]) and outcome(job) is None


def world(cluster: ControlPlane, folder: Path) -> World:
    """Return a cluster that has not seen Headgate, but the namespace of a team."""
    site = Site(cluster)
    site.admin.create("/api/v1/namespaces", {"metadata": {"name": TEAM}})
    eventually(lambda: site.admin.get(f"/api/v1/namespaces/{TEAM}/serviceaccounts/default"))
    return World(cluster, site, Operations.prepare(cluster.kubeconfig, folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader works: what is backed up stays there while clusters come and go."""
    return tmp_path_factory.mktemp("operations")


@pytest.fixture(scope="module")
def first(folder: Path) -> Iterator[World]:
    """A cluster in which Headgate is installed as the page says."""
    with ControlPlane.start(nodes=3) as cluster:
        first = world(cluster, folder)
        first.page.run("Install")
        yield first


@pytest.fixture(scope="module")
def installed(first: World, folder: Path) -> Iterator[OperatorProcess]:
    """The operator of the first cluster."""
    operator = first.site.operator(folder, "first").start()
    try:
        yield operator.wait_until_leading()
    finally:
        operator.kill()


@pytest.fixture(scope="module")
def lively(first: World, installed: OperatorProcess) -> World:
    """The first cluster, with queues that have a past, and something in them."""
    with watched(first.site.recorder()):
        fill(first)
    return first


@pytest.fixture(scope="module")
def backed_up(lively: World, installed: OperatorProcess) -> Json:
    """What the queues of the first cluster said when it was lost; the back-up is in the folder."""
    lively.page.run("Take a back-up")
    statuses = {body["metadata"]["name"]: body["status"] for body in lively.site.admin.items(QUEUES)}
    installed.kill()
    lively.cluster.stop()
    return statuses


@pytest.fixture(scope="module")
def second(folder: Path, backed_up: Json) -> Iterator[World]:
    """A cluster in which nothing is of Headgate yet."""
    with ControlPlane.start(nodes=3) as cluster:
        yield world(cluster, folder)


def test_install(first: World, installed: OperatorProcess) -> None:
    assert first.deployment()["status"]["readyReplicas"] == 2

    printed = first.page.run("Look whether all is in order")

    assert "wrong" not in printed
    assert "clusterpool.headgate.dev/default" in printed
    assert "jobqueue.headgate.dev/default" in printed


def test_upgrade_and_back(first: World, folder: Path, installed: OperatorProcess) -> None:
    values = folder / "headgate-values.yaml"
    before = values.read_text()
    values.write_text(yaml.safe_dump({**yaml.safe_load(before), "replicas": 3}))

    first.page.run("Upgrade")
    assert first.deployment()["status"]["readyReplicas"] == 3
    printed = first.page.run("Go back")

    assert "Upgrade complete" in printed
    assert first.deployment()["status"]["readyReplicas"] == 2
    values.write_text(before)


SETTINGS: list[tuple[str, str, Json]] = [
    ("SchedulingPolicy", "teams", {"fairShare": {"shareDecaySeconds": 604800}}),
    ("ComputeEnvironment", "small", {"type": "OnDemand", "capacity": {"cpu": "2"}}),
    ("JobQueue", "nightly", {"actionConcurrency": 1}),
    ("JobQueue", "closed", {"actionConcurrency": 1}),
    ("JobQueue", "resting", {"actionConcurrency": 1}),
    (
        "JobQueue",
        "shared",
        {
            "actionConcurrency": 0,
            "schedulingPolicy": "teams",
            "computeEnvironments": [{"order": 1, "name": "small"}],
        },
    ),
]


def fill(first: World) -> None:
    """Let queues have a past, and something in them."""
    bodies = [
        {
            "apiVersion": "headgate.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {"runConcurrency": 0, **spec} if kind == "JobQueue" else spec,
        }
        for kind, name, spec in SETTINGS
    ]
    first.site.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(bodies))
    kubectl = first.site.kubectl
    kubectl(
        "wait",
        "--for=condition=Ready",
        f"--timeout={PATIENCE:.0f}s",
        *(f"jobqueue/{name}" for name in QUEUED),
    )

    first.submit("done", "nightly")
    first.submit("broken", "nightly", fail=True)
    first.submit("report", "closed")
    for share, seconds in (("research", 3.0), ("sales", 1.0)):
        first.submit(
            share, "shared", seconds=seconds, requests={"cpu": "1"}, labels={"headgate.dev/share": share}
        )
    first.until("nightly", succeeded=1, failed=1)
    first.until("closed", succeeded=1)
    first.until("shared", succeeded=2)
    kubectl("patch", "jobqueue", "closed", "--type=merge", "-p", '{"spec":{"state":"Drained"}}')
    first.page.command("headgate", "queue", "pause", "resting", "--note", "until noon")
    eventually(lambda: first.queue("closed")["status"]["state"] == "Drained")
    first.submit("patient", "resting")
    next_second()
    for name in LIVE:
        first.submit(name, "nightly", seconds=ENDLESS)
        next_second()
    owner = first.job("done")
    child = first.team.job_body(
        "child", None, labels={"headgate.dev/queue": "resting"}, owner=owner, seconds=ENDLESS
    )
    first.team.client.create(first.team.jobs_path, child)
    first.submit("late", "resting")
    first.page.command("headgate", "job", "cancel", "late", "-n", TEAM)
    first.until("nightly", active=1, waiting=3)
    first.until("resting", waiting=2, canceled=1)


QUEUED = [name for kind, name, _ in SETTINGS if kind == "JobQueue"]


def usage(status: Json) -> dict[str, float]:
    return {share["identifier"]: float(share["average"]) for share in status["shares"]}


def test_why_a_job_waits(lively: World) -> None:
    printed = lively.page.run("Why does my Job wait?")

    assert "Position:        1" in printed
    assert "spec.actionConcurrency" in printed
    assert "Dispatching" in printed


def test_the_back_up_has_what_is_live_in_its_order(folder: Path, backed_up: Json) -> None:
    text = (folder / "back-up" / "jobs.json").read_text()
    assert re.findall(r'^        "name": "([\w-]+)"', text, re.M) == ["patient", *LIVE]


@pytest.fixture(scope="module")
def restored(second: World, folder: Path) -> Iterator[OperatorProcess]:
    """The operator of the second cluster, which was started when all had been put back."""
    second.page.run("Restore: 1. Install without an operator")
    assert "readyReplicas" not in second.deployment()["status"]
    # A reader is not so fast that what is put back comes before the policies.
    until_in_force(second.site.admin)
    second.page.run("Restore: 2. Settings, statuses, Jobs")
    operator = second.site.operator(folder, "second")
    try:
        with watched(second.site.recorder()):
            operator.start().wait_until_leading()
            second.page.run("Restore: 3. Start the operator")
        yield operator
    finally:
        operator.kill()


def test_the_queues_go_on_where_they_were(second: World, backed_up: Json, restored: OperatorProcess) -> None:
    assert second.deployment()["status"]["readyReplicas"] == 2
    # The Job that ran waits again, or another one runs. The child is its owner's business.
    assert backed_up["nightly"]["jobs"]["active"] == 1
    second.until("nightly", **backed_up["nightly"]["jobs"])
    second.until("closed", **backed_up["closed"]["jobs"])
    second.until("resting", **{**backed_up["resting"]["jobs"], "waiting": 1, "total": 2})
    eventually(lambda: second.queue("closed")["status"]["state"] == "Drained")
    assert second.queue("closed")["status"]["drainedAt"] == backed_up["closed"]["drainedAt"]
    assert second.queue("resting")["status"]["dispatch"]["note"] == "until noon"
    assert second.waits("patient")
    names = {job["metadata"]["name"] for job in second.team.all_jobs()}
    assert names == {*LIVE, "patient"}
    assert second.job("patient")["metadata"]["annotations"][SUBMITTED_BY] == "admin"
    before, after = usage(backed_up["shared"]), usage(second.queue("shared")["status"])
    assert before["research"] > before["sales"] > 0
    assert after == pytest.approx(before, rel=0.01)
    environment = second.site.admin.get(f"{ENVIRONMENTS}/small")
    assert environment["spec"]["capacity"] == {"cpu": "2"}
    assert "is Drained" in eventually(lambda: refusal(second, "closed"))


def refusal(world: World, queue: str) -> str:
    """Return why a Job for a queue would be refused; empty if it would not be."""
    body = world.team.job_body("probe", None, labels={"headgate.dev/queue": queue})
    done = world.site.kubectl(
        "create", "--dry-run=server", "-n", TEAM, "-f", "-", input=json.dumps(body), check=False
    )
    return done.stderr


def test_what_waited_goes(second: World, restored: OperatorProcess) -> None:
    def gone() -> bool:
        second.team.end_running()
        return bool(second.counts("nightly")["succeeded"] == 1 + len(LIVE))

    with watched(second.site.recorder()):
        second.page.command("headgate", "queue", "resume", "resting")
        eventually(gone)
    second.until("nightly", failed=1, waiting=0, active=0)
    second.until("resting", succeeded=1, canceled=1, waiting=0, active=0)


def test_uninstall(second: World, folder: Path, restored: OperatorProcess) -> None:
    """Jobs and queues stay; then all of it goes, and comes back under another name."""
    second.page.command("headgate", "queue", "pause", "nightly")
    eventually(lambda: second.queue("nightly")["status"]["dispatch"]["paused"])
    second.team.client.delete(f"{second.team.jobs_path}/train")
    eventually(lambda: "train" not in {job["metadata"]["name"] for job in second.team.all_jobs()})
    for name in ("train", "fourth"):
        second.submit(name, "nightly")
    second.until("nightly", waiting=2)
    queues = {body["metadata"]["name"] for body in second.site.admin.items(QUEUES)}

    second.page.run("Uninstall")
    # Where that took long, it has stepped down, as it could not renew its Lease.
    assert restored.stop() in (0, LOST_LEAD)
    assert {body["metadata"]["name"] for body in second.site.admin.items(QUEUES)} == queues
    assert second.waits("train")

    def followed(section: str) -> bool:
        # A policy stays in force for a moment after it was deleted.
        second.page.run(section)
        return True

    eventually(partial(followed, "Release the Jobs that wait"))
    for name in ("train", "fourth"):
        eventually(lambda name=name: outcome(second.job(name)) == "succeeded")  # type: ignore[misc]

    second.page.run("Install")
    second.page.run("Remove everything")
    crds = second.site.kubectl("get", "crds", "-o", "name").stdout
    assert "headgate.dev" not in crds
    assert second.job("train")["metadata"]["uid"]

    eventually(partial(followed, "Install again"))
    assert "headgate.dev/queue" not in second.job("train")["metadata"]["labels"]
    assert "gates-headgate" in second.site.kubectl("get", "deployments", "-n", "other").stdout
    jobs = {job["metadata"]["name"] for job in second.site.admin.items(JOBS)}
    assert {"train", "oldest"} <= jobs
    second.page.run("Remove the policy that stays")
