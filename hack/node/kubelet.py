"""The node's kubelet: a small one, that evicts nothing and sets nothing up for the whole machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hack.node.containerd import SOCKET

if TYPE_CHECKING:
    from pathlib import Path

    from hack.node.network import Network

NAME: Final = "kubelet"


def configuration(*, network: Network, cgroup: str, client_ca: Path) -> str:
    """Return its configuration file."""
    body: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "address": str(network.node),
        # Who shows the API server's certificate may do everything, and nobody else anything.
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(client_ca)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "clusterDomain": "cluster.local",
        "clusterDNS": [str(network.node)],
        "resolvConf": "",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        # It shares disk and memory with everything else on the machine, and is not to judge them.
        "localStorageCapacityIsolation": False,
        "evictionHard": {"memory.available": "1Mi"},
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
    }
    return json.dumps(body, indent=2) + "\n"


def arguments(*, config: Path, kubeconfig: Path, name: str, network: Network) -> list[str]:
    """Return its arguments."""
    return [
        f"--config={config}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={name}",
        f"--node-ip={network.node}",
    ]
