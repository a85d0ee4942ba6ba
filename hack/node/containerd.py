"""The node's containerd. In the box its usual folders are its own, so it is told little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "containerd"
SOCKET: Final = "/run/containerd/containerd.sock"
CNI_CONFIGURATION: Final = "/var/lib/headgate/cni"


def configuration(*, sandbox_image: str, cni_folder: Path) -> str:
    """Return its configuration file."""
    return f"""\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  # Without the right to lower it, runc fails at its first step.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_folder}"
    conf_dir = "{CNI_CONFIGURATION}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
"""


def arguments(config: Path) -> list[str]:
    """Return its arguments."""
    return ["--config", str(config)]
