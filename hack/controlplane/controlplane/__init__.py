"""A real Kubernetes control plane for tests, benchmarks and a laptop, without containers."""

from controlplane.binaries import tool
from controlplane.controlplane import ControlPlane
from controlplane.environment import ClusterAccess, from_environment
from controlplane.errors import BuildError, ControlPlaneError
from controlplane.nodes import NodeShape

__all__ = [
    "BuildError",
    "ClusterAccess",
    "ControlPlane",
    "ControlPlaneError",
    "NodeShape",
    "from_environment",
    "tool",
]
