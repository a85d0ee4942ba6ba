"""A whole control plane of one's own: etcd and a cluster, in one folder, gone without a trace at its end."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from controlplane import credentials, etcd
from controlplane.binaries import CORE, ensure, tool
from controlplane.cluster import Cluster, Settings
from controlplane.components import API_SERVER, CONTROLLER_MANAGER, KWOK, SCHEDULER
from controlplane.errors import ControlPlaneError, PortTaken
from controlplane.etcd import Etcd
from controlplane.nodes import NodeShape
from controlplane.ports import Ports
from controlplane.process import Processes

if TYPE_CHECKING:
    from types import TracebackType

COMPONENTS = (etcd.NAME, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK)
ATTEMPTS = 3


class ControlPlane:
    """A running control plane. Made by `start`, ended by `stop` or by leaving its ``with`` block.

    It ends too when this process ends, however that happens. `stop_component` and `start_component` are for
    tests that need to see what breaks.
    """

    def __init__(self, directory: Path, settings: Settings, *, remove: bool) -> None:
        """Prepare one; `start` is what callers want."""
        self.directory = directory
        self._ports = Ports()
        self._processes = Processes(directory / "logs", remove=[directory] if remove else [])
        self._etcd = Etcd(self._processes, tool, directory / "etcd", self._ports.take())
        self._cluster = Cluster(
            self._processes,
            tool,
            directory,
            etcd=self._etcd.url,
            port=self._ports.take(),
            settings=settings,
        )

    @classmethod
    def start(
        cls,
        directory: Path | None = None,
        *,
        nodes: int = 10,
        node_shape: NodeShape | None = None,
        audit: bool = False,
    ) -> ControlPlane:
        """Start a fresh control plane and return when Jobs created on it would run.

        Parameters ---------- directory Where its files and logs are kept, also after it stopped. Without one,
        a temporary folder that goes away with it. State of an earlier control plane in that folder is thrown
        away. nodes How many simulated nodes it has. node_shape What fits on each of them. audit Whether every
        write is logged, see `audit_log`.
        """
        settings = Settings(nodes=nodes, node_shape=node_shape or NodeShape(), audit=audit)
        ensure(CORE)
        attempt = 1
        while True:
            folder = directory.absolute() if directory else Path(tempfile.mkdtemp(prefix="headgate-"))
            clear(folder)
            control_plane = cls(folder, settings, remove=directory is None)
            try:
                control_plane._etcd.start()
                control_plane._cluster.start()
            except PortTaken:
                control_plane.stop()
                if attempt == ATTEMPTS:
                    raise
                attempt += 1
            except BaseException:
                control_plane.stop()
                raise
            else:
                return control_plane

    @property
    def server(self) -> str:
        """The address of the API server."""
        return self._cluster.server

    @property
    def ca_file(self) -> Path:
        """What to verify the API server with."""
        return self._cluster.files.ca

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of ``admin``, who may do everything."""
        return self._cluster.files.kubeconfig(credentials.ADMIN)

    @property
    def tokens(self) -> dict[str, str]:
        """Tokens: ``admin``; ``alice``, ``bob`` and ``carol`` (of the group ``people``); ``operator``."""
        return self._cluster.tokens

    @property
    def audit_log(self) -> Path | None:
        """One JSON line for each write that the API server answered, where that was asked for."""
        return self._cluster.files.audit_log if self._cluster.settings.audit else None

    @property
    def pids(self) -> dict[str, int]:
        """The process of each component that runs."""
        return dict(self._processes.pids)

    def kubeconfig_for(self, user: str, token: str | None = None) -> Path:
        """Write a kubeconfig for one of the `tokens`, or for a token of one's own (a service account's)."""
        if token is None:
            if user not in self.tokens:
                raise ControlPlaneError(f"no token for {user!r}; there are {', '.join(self.tokens)}")
            token = self.tokens[user]
        return self._cluster.write_kubeconfig(user, token)

    def stop_component(self, name: str) -> None:
        """Stop one component with SIGTERM, soon followed by SIGKILL, and return when it is gone."""
        known(name)
        self._processes.stop(name)

    def start_component(self, name: str) -> None:
        """Start a stopped component again, on the same port and the same data."""
        if known(name) == etcd.NAME:
            self._etcd.start()
        else:
            self._cluster.start_component(name)

    def stop(self) -> None:
        """Stop everything. Safe to call twice."""
        self._processes.end()
        self._ports.release()

    def __enter__(self) -> ControlPlane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def known(name: str) -> str:
    """Return the name of a component, or say which there are."""
    if name not in COMPONENTS:
        raise ControlPlaneError(f"no component {name!r}; there are {', '.join(COMPONENTS)}")
    return name


def clear(folder: Path) -> None:
    """Remove what an earlier control plane left in this folder, and nothing else."""
    for name in ("etcd", "pki", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for file in (*folder.glob("*.kubeconfig"), folder / "audit.log"):
        file.unlink(missing_ok=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
