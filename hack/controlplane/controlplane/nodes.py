"""The simulated nodes: plain Node objects that KWOK keeps alive because of one annotation.

A test that needs another shape creates a Node of its own with `manifest`, or any Node with that annotation.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controlplane.errors import ControlPlaneError

if TYPE_CHECKING:
    from controlplane.client import Client

STAGES = Path(__file__).with_name("kwok") / "stages.yaml"
ANNOTATION = "kwok.x-k8s.io/node"
ATTEMPTS = 5


@dataclass(frozen=True)
class NodeShape:
    """How much fits on a simulated node."""

    cpu: str = "64"
    memory: str = "256Gi"
    pods: int = 1000
    architecture: str = "amd64"


def manifest(name: str, shape: NodeShape, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a Node that KWOK takes up."""
    resources = {
        "cpu": shape.cpu,
        "memory": shape.memory,
        "pods": str(shape.pods),
        "ephemeral-storage": "1Ti",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {ANNOTATION: "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/arch": shape.architecture,
                "kubernetes.io/os": "linux",
                "kubernetes.io/role": "agent",
                **(labels or {}),
            },
        },
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "nodeInfo": {
                "architecture": shape.architecture,
                "operatingSystem": "linux",
                "kubeletVersion": "kwok",
                "bootID": "",
                "containerRuntimeVersion": "",
                "kernelVersion": "",
                "kubeProxyVersion": "",
                "machineID": "",
                "osImage": "",
                "systemUUID": "",
            },
        },
    }


def create(client: Client, count: int, shape: NodeShape) -> None:
    """Create that many nodes."""
    for index in range(count):
        body = manifest(f"node-{index}", shape)
        for attempt in range(ATTEMPTS):
            time.sleep(attempt)
            status, answer = client.request("POST", "/api/v1/nodes", body)
            # An API server under load may have carried out a request and not got to say so.
            if status in (201, 409):
                break
        else:
            raise ControlPlaneError(f"could not create a node: {status} {answer}")


def are_ready(client: Client, count: int) -> bool:
    """Tell whether that many nodes are ready, and none is tainted."""
    found = client.get("/api/v1/nodes")
    return found is not None and sum(is_schedulable(node) for node in found["items"]) >= count


def is_schedulable(node: dict[str, Any]) -> bool:
    """Tell whether the scheduler would place pods on this node."""
    conditions = {
        condition["type"]: condition["status"] for condition in node["status"].get("conditions", [])
    }
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")
