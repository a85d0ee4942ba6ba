"""What the control plane is told so that a real node can join it, and what the node authenticates with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

import yaml
from hack.local.chart import apply, kubectl
from hack.node.network import API_SERVER

from controlplane.credentials import write_kubeconfig, write_secret
from controlplane.environment import ApiServer
from controlplane.nodes import is_schedulable

OBJECTS: Final = Path(__file__).with_name("cluster.yaml")
NAMESPACE: Final = "kube-system"
DURATION: Final = "8760h"


class Cluster(ApiServer, Protocol):
    """What is to be known of a control plane for a node to join it."""

    @property
    def kubelet_client(self) -> Path | None: ...  # noqa: D102


def prepare(cluster: Cluster, node: str) -> None:
    """Apply what the node needs, say where the API server is for Pods, and forget a node of this name that was killed.

    Nothing of that one is left. But it would pass for ready, and kube-proxy ends where its node's address changes.
    """
    kubectl(cluster.kubeconfig, "delete", "node", node, "--ignore-not-found")
    objects = [body for body in yaml.safe_load_all(OBJECTS.read_text()) if body]
    apply(cluster.kubeconfig, [*objects, endpoint(port_of(cluster))])


def endpoint(port: int) -> dict[str, Any]:
    """Return what is behind the Service `kubernetes`: where the relay listens in every box."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [str(API_SERVER)], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def port_of(cluster: Cluster) -> int:
    """Return the port of an API server."""
    return int(cluster.server.rsplit(":", 1)[1])


def credentials(cluster: Cluster, user: str, folder: Path) -> tuple[Path, Path]:
    """Write a kubeconfig and a token of one of the service accounts, and return where."""
    kubeconfig, token_file = folder / f"{user}.kubeconfig", folder / f"{user}.token"
    made = kubectl(
        cluster.kubeconfig, "create", "token", user, f"--namespace={NAMESPACE}", f"--duration={DURATION}"
    )
    token = made.strip()
    write_kubeconfig(
        kubeconfig, server=cluster.server, ca=cluster.ca_file.read_bytes(), user=user, token=token
    )
    write_secret(token_file, token)
    return kubeconfig, token_file


def is_ready(cluster: Cluster, node: str) -> bool:
    """Tell whether the scheduler would place Pods on a node, and kubelet start them."""
    found = yaml.safe_load(
        kubectl(cluster.kubeconfig, "get", "node", node, "--ignore-not-found", "-o", "json")
    )
    return found is not None and is_schedulable(found)
