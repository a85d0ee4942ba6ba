"""Headgate on a control plane, as the chart puts it there: all but the Pods."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from controlplane import ClusterAccess, tool
from tests.cluster.harness.api_server import ApiServer
from tests.cluster.harness.client import (
    ENVIRONMENTS,
    POLICIES,
    POOLS,
    QUEUES,
    Client,
    RefusedError,
    User,
    eventually,
)
from tests.cluster.harness.operator import OperatorProcess
from tests.cluster.harness.probes import Probes
from tests.cluster.harness.proxy import through
from tests.cluster.harness.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "headgate"
RELEASE = "headgate"
SYSTEM = "headgate-system"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/{RELEASE}"
VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings"
OPERATOR_USER = f"system:serviceaccount:{SYSTEM}:{RELEASE}"
RBAC = "rbac.authorization.k8s.io"
NOT_INSTALLED = frozenset({"Deployment", "PodDisruptionBudget", "NetworkPolicy", "Pod", "Service"})
"""What the chart brings for Pods: here the operator runs as a process of the test's."""

Json = dict[str, Any]


class Kubectl(Protocol):
    def __call__(
        self, *arguments: str, input: str | None = None, check: bool = True, user: str = "admin"
    ) -> subprocess.CompletedProcess[str]: ...


def kubectl_for(cluster: ClusterAccess) -> Kubectl:
    """Return a function that runs kubectl on a cluster."""
    binary = Path(sys.executable).parent / "kubectl"
    # It is soon over: to collect garbage would be a fifth of what it costs, of something that is done a thousand times.
    environment = {**os.environ, "GOGC": "off"}

    def run(
        *arguments: str,
        input: str | None = None,
        check: bool = True,
        user: str = "admin",
    ) -> subprocess.CompletedProcess[str]:
        kubeconfig = cluster.kubeconfig if user == "admin" else cluster.kubeconfig_for(user)
        command = [str(binary), "--kubeconfig", str(kubeconfig), *arguments]
        done = subprocess.run(
            command, input=input, capture_output=True, text=True, check=False, env=environment
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done

    return run


class Helm(Protocol):
    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]: ...


def helm_for(cluster: ClusterAccess) -> Helm:
    """Return a function that runs Helm on a cluster."""

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(tool("helm")), "--kubeconfig", str(cluster.kubeconfig), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"helm {' '.join(arguments)}: {done.stderr}")
        return done

    return run


def install(cluster: ClusterAccess) -> None:
    """Install all of the chart but its Pods."""
    helm = [str(tool("helm")), "template", RELEASE, str(CHART), "--namespace", SYSTEM]
    # Tests that run one after the other, or beside each other on somebody's cluster, have pools of their own.
    helm.append("--set=clusters.localInManyPools=true")
    rendered = subprocess.run(helm, check=True, capture_output=True, text=True).stdout
    objects = [body for body in yaml.safe_load_all(rendered) if body and body["kind"] not in NOT_INSTALLED]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
    crds = [body for body in objects if body["kind"] == "CustomResourceDefinition"]
    kubectl = kubectl_for(cluster)
    kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all([namespace, *crds]))
    client = Client(cluster.server, cluster.tokens["admin"], cluster.ca_file)
    for path in (QUEUES, POOLS, ENVIRONMENTS, POLICIES):
        eventually(partial(client.get, path))
    rest = [body for body in objects if body not in crds]
    eventually(lambda: kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(rest)))
    until_in_force(client)


def until_in_force(client: Client) -> None:
    """Wait until the API server goes by the policies, which it takes up a while after they were created.

    They are taken up together, the mutating and the validating ones each by themselves, so the last of each speaks for
    the others. To change a JobQueue takes its schema besides, which comes later than the path that serves it.
    """
    name = f"probe-{os.urandom(4).hex()}"
    queue = {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": "JobQueue",
        "metadata": {"name": name},
        "spec": {"runConcurrency": 0, "actionConcurrency": 0},
    }

    def authored() -> bool:
        annotations = client.create(f"{QUEUES}?dryRun=All", queue)["metadata"].get("annotations") or {}
        return "headgate.dev/created-by" in annotations

    def kept() -> bool:
        # Each time: an operator that runs already corrects it.
        client.patch(f"{QUEUES}/{name}/status", {"status": {"depth": {"current": 1, "limit": 0}}})
        try:
            client.call("DELETE", f"{QUEUES}/{name}?dryRun=All")
        except RefusedError as error:
            return "1 live Jobs" in error.message
        return False

    eventually(authored)
    client.create(QUEUES, queue)
    eventually(kept)
    client.patch(f"{QUEUES}/{name}/status", {"status": {"depth": {"current": 0, "limit": 0}}})
    client.delete(f"{QUEUES}/{name}")


@dataclass(frozen=True)
class Site(ApiServer):
    """A control plane with Headgate installed, and what tests do with it."""

    cluster: ClusterAccess
    WRITER = OPERATOR_USER

    @cached_property
    def kubectl(self) -> Kubectl:
        return kubectl_for(self.cluster)

    @cached_property
    def operator_kubeconfig(self) -> Path:
        """The rights of the chart's own ServiceAccount, and nothing more."""
        eventually(lambda: self.kubectl("get", "serviceaccount", RELEASE, "-n", SYSTEM))
        token = self.kubectl("create", "token", RELEASE, "-n", SYSTEM, "--duration=24h").stdout.strip()
        return self.cluster.kubeconfig_for("service-account", token)

    def namespace(self) -> str:
        """Make a fresh namespace in which alice and bob may edit."""
        name = f"t-{os.urandom(4).hex()}"
        self.admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
        users = ("alice", "bob")
        binding = {
            "metadata": {"name": "edit"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user} for user in users],
        }
        self.admin.create(f"/apis/{RBAC}/v1/namespaces/{name}/rolebindings", binding)
        for user in users:
            job = {"namespace": name, "verb": "create", "group": "batch", "resource": "jobs"}
            eventually(partial(self.may, user, **job), every=0.02)
        # Pods are refused until it is there, and the Job controller is slow to try again.
        eventually(partial(self.admin.get, f"/api/v1/namespaces/{name}/serviceaccounts/default"), every=0.02)
        return name

    def remove_queue(self, name: str) -> None:
        """Delete a queue of a name that is not a test's own, with all of its Jobs, if there is one."""
        self.kubectl("delete", "jobs", "-A", "-l", f"headgate.dev/queue={name}")
        # It is not deleted before it knows that its Jobs are gone.
        eventually(partial(self.kubectl, "delete", "jobqueue", name, "--ignore-not-found"))

    def may(self, user: str, **what: str) -> bool:
        """Whether the API server would let a user do something now: it goes by a new role a moment later."""
        review = {"spec": {"user": user, "resourceAttributes": what}}
        answer = self.admin.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def given(self) -> User:
        """Return a fresh namespace, with an administrator's rights."""
        return User(self.admin, self.namespace())

    def recorder(self, **options: Any) -> Recorder:
        return Recorder(self.cluster.server, self.cluster.tokens["admin"], self.cluster.ca_file, **options)

    def operator(
        self, directory: Path, name: str = "operator", *, server: str | None = None, **options: Any
    ) -> OperatorProcess:
        """Return an operator process that is not started yet; `server` is what it reaches the API server through."""
        kubeconfig = self.operator_kubeconfig
        if server is not None:
            kubeconfig = through(server, kubeconfig, directory)
        return OperatorProcess(
            kubeconfig, directory, name=name, lease_namespace=SYSTEM, prefix=RELEASE, **options
        )

    def lease(self) -> Json:
        """Return the spec of the operator's Lease, empty if there is none."""
        try:
            return dict(self.admin.get(LEASE)["spec"])
        except RefusedError as error:
            if error.status == 404:
                return {}
            raise

    def free_lease(self, holder: str | None = None) -> None:
        """Take the lead from a replica that is dead, so that the next one need not wait for the Lease to expire.

        Where `holder` is given, nobody else loses it: the Lease may have expired, and another replica may lead.
        """
        holder = holder or self.lease().get("holderIdentity")
        if not holder:
            return
        change = [
            {"op": "test", "path": "/spec/holderIdentity", "value": holder},
            {"op": "replace", "path": "/spec/holderIdentity", "value": ""},
        ]
        try:
            self.admin.patch(LEASE, change, content_type="application/json-patch+json")
        except RefusedError as error:
            if error.status != 422:  # It is not the holder's any more.
                raise

    def provide_lease(self) -> None:
        """Leave a Lease as a leader does that has ended: the policies look for it also where no operator ever ran."""
        if self.lease():
            return
        body = {"metadata": {"name": RELEASE}, "spec": {"holderIdentity": "", "leaseTransitions": 1}}
        self.admin.create(LEASE.rpartition("/")[0], body)

    @contextmanager
    def without_policies(self, *names: str) -> Iterator[None]:
        """Take policies out of force for a while: when they are, and until they are in force again."""
        probes = Probes(self.given(), term=lambda: str(self.lease()["leaseTransitions"]))
        in_force = [probes.of(name) for name in names]
        probes.prepare()
        eventually(lambda: all(asked() for asked in in_force))
        saved = [
            self.admin.get(f"{path}/{RELEASE}-{name}")
            for name in names
            for path in [MUTATING if name in ("job-submit", "job-keep") else VALIDATING]
        ]
        for body in saved:
            self.admin.delete(_path(body))
        try:
            eventually(lambda: not any(asked() for asked in in_force))
            yield
        finally:
            for body in saved:
                metadata = {key: body["metadata"][key] for key in ("name", "labels")}
                self.admin.create(_path(body).rpartition("/")[0], {**body, "metadata": metadata})
            eventually(lambda: all(asked() for asked in in_force))
            probes.clear()


def _path(body: Json) -> str:
    base = MUTATING if body["kind"].startswith("Mutating") else VALIDATING
    return f"{base}/{body['metadata']['name']}"
