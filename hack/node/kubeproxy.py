"""The node's kube-proxy, which makes the addresses of Services work for its Pods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from hack.node.network import Network

NAME: Final = "kube-proxy"


def configuration(*, name: str, kubeconfig: Path, network: Network) -> str:
    """Return its configuration file."""
    body: dict[str, Any] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "hostnameOverride": name,
        "mode": "nftables",
        "clusterCIDR": str(network.pods),
        "detectLocalMode": "ClusterCIDR",
        # Pods of one bridge answer each other directly, past the rules that would know where an answer goes.
        "nftables": {"masqueradeAll": True, "minSyncPeriod": "100ms"},
        # These would be settings of the whole machine.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
    return json.dumps(body, indent=2) + "\n"


def arguments(config: Path) -> list[str]:
    """Return its arguments."""
    return [f"--config={config}"]
