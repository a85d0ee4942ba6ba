"""The operations page on a real node: what needs the operator in Pods. The rest is in `../test_operations.py`.

The tests build on each other, in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.harness.client import QUEUES, eventually
from tests.cluster.harness.cluster import RELEASE, SYSTEM, until_in_force
from tests.cluster.harness.invariants import outcome
from tests.cluster.harness.pages import Operations

if TYPE_CHECKING:
    from controlplane import ControlPlane
    from tests.cluster.harness.client import Client
    from tests.cluster.node.release import Release

Json = dict[str, Any]

JOBS = "/apis/batch/v1/namespaces/default/jobs"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/{RELEASE}"
QUEUE = "basic"
"""The queue of the example that the page sends a Job through."""


@pytest.fixture(scope="module")
def page(
    release: Release, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Operations:
    """The page, as far as `Install`; what is installed is removed at the end of the file."""
    # What other files have left would be in the back-up, too.
    release.site.kubectl("delete", "jobs", "-A", "-l", "headgate.dev/queue")
    page = Operations.prepare(control_plane.kubeconfig, tmp_path_factory.mktemp("operations"))
    page.run("Install")
    return page


def test_install(page: Operations, admin: Client) -> None:
    assert admin.get(DEPLOYMENT)["status"]["readyReplicas"] == 2
    assert "wrong" not in page.run("Look whether all is in order")
    assert page.run("Send a Job through it").splitlines()[-1] == "hello"


def test_the_operator_tells_how_it_is(page: Operations, release: Release) -> None:
    printed = page.run("Is it well?")

    assert f"lease.coordination.k8s.io/{RELEASE}" in printed
    for pod in release.pods():
        assert f"pod/{pod['metadata']['name']}" in printed
    assert '"level"' in printed


def test_upgrade_and_back(page: Operations, admin: Client) -> None:
    values = page.folder / "headgate-values.yaml"
    before = values.read_text()
    values.write_text(yaml.safe_dump({**yaml.safe_load(before), "logging": {"level": "debug"}}))

    page.run("Upgrade")
    assert "--log-level=debug" in arguments(admin)
    page.run("Go back")

    assert "--log-level=info" in arguments(admin)
    assert admin.get(DEPLOYMENT)["status"]["readyReplicas"] == 2
    values.write_text(before)


def arguments(admin: Client) -> list[str]:
    (container,) = admin.get(DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    return list(container["args"])


def test_back_up_and_restore(page: Operations, admin: Client) -> None:
    page.command("headgate", "queue", "pause", QUEUE, "--note", "moving house")
    command = ("headgate", "job", "submit", "--queue", QUEUE, "--image", "busybox", "--name", "patient")
    page.command(*command, "--", "echo", "at last")
    eventually(lambda: counts(admin) == {"waiting": 1, "succeeded": 1})
    page.run("Take a back-up")

    page.run("Remove everything")
    for name in ("hello", "patient"):
        admin.delete(f"{JOBS}/{name}")
    eventually(lambda: not admin.items(JOBS))
    page.run("Restore: 1. Install without an operator")
    # A reader is not so fast that what is put back comes before the policies.
    until_in_force(admin)
    page.run("Restore: 2. Settings, statuses, Jobs")
    page.run("Restore: 3. Start the operator")

    eventually(lambda: counts(admin) == {"waiting": 1, "succeeded": 1})
    page.command("headgate", "queue", "resume", QUEUE)
    eventually(lambda: counts(admin) == {"waiting": 0, "succeeded": 2})
    assert page.command("kubectl", "logs", "job/patient") == "at last\n"


def counts(admin: Client) -> dict[str, int]:
    jobs = admin.get(f"{QUEUES}/{QUEUE}")["status"]["jobs"]
    return {name: jobs[name] for name in ("waiting", "succeeded")}


def test_uninstall(page: Operations, admin: Client) -> None:
    page.run("Uninstall")

    assert admin.get(f"{QUEUES}/{QUEUE}")
    assert outcome(admin.get(f"{JOBS}/patient")) == "succeeded"
