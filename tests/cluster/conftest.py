"""One control plane for the session, a namespace for each test, and a witness over each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane import ClusterAccess, from_environment, tool
from tests.cluster.harness.client import JOBS, POOLS, QUEUES, Client, User, eventually
from tests.cluster.harness.invariants import QUEUE, recount, violations
from tests.cluster.harness.operator import OperatorProcess
from tests.cluster.harness.recorder import Recorder

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "headgate"
RELEASE = "headgate"
SYSTEM = "headgate-system"
NOT_INSTALLED = frozenset({"Deployment", "PodDisruptionBudget", "NetworkPolicy", "Pod", "Service"})
"""What the chart brings for Pods: here the operator runs as a process of the test's."""

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def bare_control_plane() -> Iterator[ClusterAccess]:
    """A control plane without Headgate."""
    with from_environment(audit=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def control_plane(bare_control_plane: ClusterAccess) -> ClusterAccess:
    """A control plane with all of the chart but its Pods."""
    helm = [str(tool("helm")), "template", RELEASE, str(CHART), "--namespace", SYSTEM]
    rendered = subprocess.run(helm, check=True, capture_output=True, text=True).stdout
    objects = [body for body in yaml.safe_load_all(rendered) if body and body["kind"] not in NOT_INSTALLED]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
    crds = [body for body in objects if body["kind"] == "CustomResourceDefinition"]
    kubectl = _kubectl(bare_control_plane)
    kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all([namespace, *crds]))
    client = Client(bare_control_plane.server, bare_control_plane.tokens["admin"], bare_control_plane.ca_file)
    for path in (QUEUES, POOLS):
        eventually(lambda path=path: client.get(path)["metadata"]["resourceVersion"])
    rest = [body for body in objects if body not in crds]
    eventually(
        lambda: kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(rest)), within=20
    )
    return bare_control_plane


def _kubectl(cluster: ClusterAccess) -> Kubectl:
    binary = Path(sys.executable).parent / "kubectl"

    def run(
        *arguments: str,
        input: str | None = None,
        check: bool = True,
        user: str = "admin",
    ) -> subprocess.CompletedProcess[str]:
        kubeconfig = cluster.kubeconfig if user == "admin" else cluster.kubeconfig_for(user)
        command = [str(binary), "--kubeconfig", str(kubeconfig), *arguments]
        done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done

    return run


@pytest.fixture(scope="session")
def kubectl(control_plane: ClusterAccess) -> Kubectl:
    return _kubectl(control_plane)


@pytest.fixture(scope="session")
def helm(control_plane: ClusterAccess) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(tool("helm")), "--kubeconfig", str(control_plane.kubeconfig), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"helm {' '.join(arguments)}: {done.stderr}")
        return done

    return run


@pytest.fixture(scope="session")
def admin(control_plane: ClusterAccess) -> Client:
    return Client(control_plane.server, control_plane.tokens["admin"], control_plane.ca_file)


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ClusterAccess, kubectl: Kubectl) -> Path:
    """The rights of the chart's own ServiceAccount, and nothing more."""
    eventually(lambda: kubectl("get", "serviceaccount", RELEASE, "-n", SYSTEM))
    token = kubectl("create", "token", RELEASE, "-n", SYSTEM, "--duration=24h").stdout.strip()
    return control_plane.kubeconfig_for("service-account", token)


@pytest.fixture
def namespace(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    """A fresh namespace in which alice and bob may edit."""
    name = f"t-{os.urandom(4).hex()}"
    kubectl("create", "namespace", name)
    for user in ("alice", "bob"):
        kubectl("create", "rolebinding", f"edit-{user}", "--clusterrole=edit", f"--user={user}", "-n", name)
    return name


@pytest.fixture
def given(admin: Client, namespace: str) -> User:
    """The test's own namespace, with an administrator's rights."""
    return User(admin, namespace)


@pytest.fixture
def recorder(control_plane: ClusterAccess) -> Iterator[Recorder]:
    """The witness; what it saw is checked when the test is done."""
    witness = Recorder(control_plane.server, control_plane.tokens["admin"], control_plane.ca_file).start()
    yield witness
    wrong = violations(witness.record())
    witness.stop()
    assert not wrong, "\n".join(wrong[:20])


@pytest.fixture
def replicas(
    operator_kubeconfig: Path, tmp_path: Path, recorder: Recorder
) -> Iterator[Callable[[str], OperatorProcess]]:
    """Make operator processes; none of them outlives the test."""
    made: list[OperatorProcess] = []

    def make(name: str = "operator") -> OperatorProcess:
        process = OperatorProcess(
            operator_kubeconfig, tmp_path, name=name, lease_namespace=SYSTEM, prefix=RELEASE
        )
        made.append(process)
        return process.start()

    yield make
    for process in made:
        process.stop()


@pytest.fixture
def operator(replicas: Callable[[str], OperatorProcess]) -> OperatorProcess:
    """An operator that leads."""
    return replicas("operator").wait_until_leading()


@pytest.fixture
def settled(admin: Client, recorder: Recorder) -> Callable[..., dict[str, Any]]:
    """Wait until a queue's status equals a recount from fresh lists, and return the status."""

    def check(queue: str) -> dict[str, Any]:
        body = admin.get(f"{QUEUES}/{queue}")
        jobs = admin.items(f"{JOBS}?labelSelector={QUEUE}%3D{queue}")
        status = body.get("status") or {}
        counted = recount(jobs, queue)
        assert status["jobs"] == counted, f"status {status['jobs']}, recount {counted}"
        assert status["observedGeneration"] == body["metadata"]["generation"]
        return dict(status)

    return lambda queue, within=30.0: eventually(lambda: check(queue), within=within)
