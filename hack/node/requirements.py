"""What a real node needs of the machine, and what of that is missing here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hack.node.box import hierarchies

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGES: Final = {
    "busybox": "busybox-static",
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "openssl": "openssl",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
"""Debian's package of each program."""
CNI_PACKAGE: Final = "containernetworking-plugins"
CNI_FOLDERS: Final = (Path("/opt/cni/bin"), Path("/usr/lib/cni"))
CNI_PLUGINS: Final = ("bridge", "host-local", "loopback")
PROBE: Final = """
mount -t tmpfs tmpfs /run
ip link add probe0 type veth peer name probe1
nft add table ip probe
"""
"""What a machine may refuse although it allows namespaces; nothing of it outlives them."""
TOOLS: Final = ("kubelet", "kube-proxy")
"""What of go.mod's tools only a real node needs."""


def missing() -> list[str]:
    """Return what is missing here, a sentence each; nothing where a node can run."""
    if not sys.platform.startswith("linux"):
        return [f"A real node needs Linux; this is {sys.platform}."]
    found = []
    if os.geteuid() != 0:
        found.append("A real node needs root, for namespaces, mounts and network devices.")
    elif said := refusal():
        found.append(
            f"A real node needs namespaces, mounts and devices of its own. They are refused here: {said}."
        )
    if not all(os.access(hierarchy, os.W_OK) for hierarchy in hierarchies()):
        found.append("A real node needs cgroups of its own, and they are mounted read-only here.")
    if "overlay" not in Path("/proc/filesystems").read_text().split():
        found.append("A real node needs overlayfs, which this kernel does not have.")
    if names := missing_packages():
        found.append(f"A real node needs the Debian packages {' '.join(names)}.")
    return found


def missing_packages() -> list[str]:
    """Return the Debian packages to install, each once."""
    names = [PACKAGES[program] for program in without(PACKAGES)]
    if cni_folder() is None:
        names.append(CNI_PACKAGE)
    return sorted(set(names))


def without(programs: Iterable[str]) -> list[str]:
    """Return those programs that this machine does not have."""
    return [program for program in programs if shutil.which(program) is None]


def cni_folder() -> Path | None:
    """Return where the CNI plugins are, or None where one of them is missing."""
    for folder in CNI_FOLDERS:
        if all(os.access(folder / name, os.X_OK) for name in CNI_PLUGINS):
            return folder
    return None


def refusal() -> str:
    """Return why a process may not have namespaces of its own and work in them; empty where it may."""
    script = "true" if without(PACKAGES) else PROBE
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-ec", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""  # its package is named among the missing ones
    return done.stderr.strip() if done.returncode else ""
