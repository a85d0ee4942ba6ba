"""Keeps a real node running in the background, for `make up NODE=real`; its folder works as the operator's does."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from hack.local.keeper import ROOT, watch
from hack.node import requirements
from hack.node.box import remove_leftovers
from hack.node.node import real_node

from controlplane import ControlPlaneError, daemon

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Final = ("real",)


@dataclass(frozen=True)
class Cluster:
    """A control plane that another process holds."""

    server: str
    ca_file: Path
    kubeconfig: Path
    kubelet_client: Path


def cluster_of(state: Mapping[str, Any]) -> Cluster:
    """Return what `daemon` describes."""
    return Cluster(
        state["server"], Path(state["ca"]), Path(state["kubeconfig"]), Path(state["kubelet_client"])
    )


def folder(directory: Path) -> Path:
    """Return where the node of the control plane in that folder has its own state."""
    return directory / "node"


def require() -> None:
    """Raise where this machine cannot run a real node, with what it lacks."""
    if missing := requirements.missing():
        raise ControlPlaneError("\n".join(missing))


def up(directory: Path) -> bool:
    """Start the node, unless it runs, and return when it is ready; tell whether it ran."""
    own = folder(directory)
    if daemon.is_running(own):
        daemon.wait_for_state(own, None)
        return True
    try:
        daemon.wait_for_state(
            own, daemon.launch(own, ["hack.local", "keep-node", f"--dir={directory}"], paths=[ROOT])
        )
    except BaseException:
        down(directory)
        raise
    return False


def down(directory: Path) -> bool:
    """Stop the node and remove what was of it, also of one that was killed; tell whether there was one."""
    own = folder(directory)
    was = daemon.down(own)
    if own.exists():
        remove_leftovers(own / "box")
        shutil.rmtree(own, ignore_errors=True)
    return was


def keep(directory: Path) -> NoReturn:
    """Hold the node until SIGTERM, until its control plane is gone, or until something of it has ended."""
    own = folder(directory)
    state = daemon.state_of(directory)
    if state is None:
        raise ControlPlaneError("there is no control plane for the node")
    with daemon.held(own, "node"), real_node(cluster_of(state), own) as node:
        daemon.write_state(own, {"name": node.name, "pid": node.pid})
        watch(node.check, directory)
    sys.exit("the control plane is gone")
