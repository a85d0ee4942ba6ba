"""The node's network: a cable to the machine, and a bridge for Pods that a CNI plugin makes in the box.

Everything of it is in the box's network namespace but the machine's end of the cable, which goes when the other end
does. The addresses are of the range for benchmarks (RFC 2544), which nobody routes.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, Final

from hack.node.box import run

from controlplane import ControlPlaneError

if TYPE_CHECKING:
    from pathlib import Path

    from hack.node.box import Box

RANGE: Final = IPv4Network("198.18.0.0/15")
BLOCKS: Final = tuple(RANGE.subnets(new_prefix=24))[:-1]
API_SERVER: Final = IPv4Address("198.19.255.1")
"""Where the API server is for Pods, in every box: an Endpoint may not be 127.0.0.1."""


@dataclass(frozen=True)
class Network:
    """The addresses of one node: a cable of two ends, and the second half for Pods."""

    block: IPv4Network

    @property
    def machine(self) -> IPv4Address:
        """The machine, as the node sees it."""
        return self.block[1]

    @property
    def node(self) -> IPv4Address:
        """The node."""
        return self.block[2]

    @property
    def pods(self) -> IPv4Network:
        """Where Pods get their addresses from; the first one is the bridge's."""
        return list(self.block.subnets(1))[1]


def connect(box: Box) -> Network:
    """Lay a cable between the machine and a box, and return the addresses.

    A name of a device is taken once on a machine, so it also keeps two nodes from taking the same addresses.
    """
    taken = run(["ip", "-4", "route"])
    for block in random.sample(BLOCKS, len(BLOCKS)):
        device = f"headgate{BLOCKS.index(block)}"
        if str(block.network_address) in taken:
            continue
        try:
            run(["ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", str(box.pid)])
        except ControlPlaneError as error:
            if "File exists" in str(error):
                continue
            raise
        network = Network(block)
        run(["ip", "address", "add", f"{network.machine}/30", "dev", device])
        run(["ip", "link", "set", device, "up"])
        box.run("ip", "link", "set", "lo", "up")
        box.run("ip", "address", "add", f"{API_SERVER}/32", "dev", "lo")
        box.run("ip", "address", "add", f"{network.node}/30", "dev", "eth0")
        box.run("ip", "link", "set", "eth0", "up")
        box.run("ip", "route", "add", "default", "via", str(network.machine))
        run(["ip", "route", "add", str(network.pods), "via", str(network.node), "dev", device])
        return network
    raise ControlPlaneError(f"there is no free network in {RANGE}")


def write_cni(folder: Path, network: Network) -> None:
    """Write what tells the CNI plugins how Pods get their addresses."""
    bridge: dict[str, Any] = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": str(network.pods)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    body = {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}
    (folder / "pods.conflist").write_text(json.dumps(body, indent=2) + "\n")
