"""Headgate as an administrator has it: a release of the chart, with its operator in Pods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.cluster.harness.client import RefusedError, eventually
from tests.cluster.harness.cluster import CHART, RELEASE, SYSTEM, Helm, Site, until_in_force

if TYPE_CHECKING:
    from hack.node.node import Node

Json = dict[str, Any]

WHERE = ("--namespace", SYSTEM)
WAIT = ("--wait", "--timeout=10m")
PODS = f"/api/v1/namespaces/{SYSTEM}/pods"
OPERATORS = f"{PODS}?labelSelector=app.kubernetes.io/name%3Dheadgate,app.kubernetes.io/instance%3D{RELEASE}"


@dataclass(frozen=True)
class Release:
    """The release, whether it is installed or not."""

    site: Site
    helm: Helm
    node: Node

    def install(self, *arguments: str) -> str:
        """Install it where only restricted Pods are let in; return what Helm says when its Pods are ready."""
        kubectl = self.site.kubectl
        kubectl("create", "namespace", SYSTEM)
        kubectl("label", "namespace", SYSTEM, "pod-security.kubernetes.io/enforce=restricted")
        said = self.helm("install", RELEASE, str(CHART), *WHERE, *WAIT, *arguments).stdout
        until_in_force(self.site.admin)
        return said

    def upgrade(self, *arguments: str) -> str:
        return self.helm("upgrade", RELEASE, str(CHART), *WHERE, *WAIT, "--reuse-values", *arguments).stdout

    def test(self) -> str:
        return self.helm("test", RELEASE, *WHERE, "--logs").stdout

    def uninstall(self) -> str:
        return self.helm("uninstall", RELEASE, *WHERE, *WAIT).stdout

    def pods(self) -> list[Json]:
        """Return the operator's Pods that are not about to end."""
        return [pod for pod in self.site.admin.items(OPERATORS) if "deletionTimestamp" not in pod["metadata"]]

    def lead(self, *, after: int = 0) -> tuple[int, str]:
        """Wait until somebody leads, in a later term than that; return the term and the name of the Pod."""

        def taken() -> tuple[int, str] | None:
            lease = self.site.lease()
            term, leader = int(lease["leaseTransitions"]), lease["holderIdentity"].rpartition("_")[0]
            return (term, leader) if leader and term > after else None

        found = eventually(taken)
        assert found is not None
        return found

    def container(self, pod: str) -> str:
        """Return the ID under which containerd knows the operator of a Pod."""
        (status,) = self.site.admin.get(f"{PODS}/{pod}")["status"]["containerStatuses"]
        name: str = status["containerID"].removeprefix("containerd://")
        return name

    def kill(self, pod: str) -> None:
        """End the operator of a Pod as a crash would; kubelet starts it again."""
        command = ("ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL")
        self.node.run(*command, self.container(pod))

    def remove(self) -> None:
        """Leave nothing of it in the cluster, CRDs and what is of them included.

        But for `headgate-keep-leases`: without that, a release of another file would admit nothing here.
        """
        self.helm("uninstall", RELEASE, *WHERE, *WAIT, check=False)
        kubectl = self.site.kubectl
        label = f"app.kubernetes.io/instance={RELEASE}"
        kubectl("delete", "crd", "-l", label, "--ignore-not-found")
        kubectl("delete", "namespace", SYSTEM, "--ignore-not-found")
        eventually(self._is_gone)

    def _is_gone(self) -> bool:
        try:
            self.site.admin.get(f"/api/v1/namespaces/{SYSTEM}")
        except RefusedError as error:
            return error.status == 404
        return False
