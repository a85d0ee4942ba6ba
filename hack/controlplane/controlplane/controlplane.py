"""A whole control plane of one's own: etcd and a cluster, in one folder, gone without a trace at its end.

More clusters can be put beside it: API servers on the same etcd, under prefixes of their own.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from controlplane import etcd
from controlplane.binaries import CORE, ensure, tool
from controlplane.cluster import Cluster, Settings
from controlplane.components import JOB_CONTROLLERS
from controlplane.errors import ControlPlaneError, PortTaken
from controlplane.etcd import Etcd
from controlplane.nodes import NodeShape
from controlplane.ports import Ports
from controlplane.process import Processes
from controlplane.running import RunningCluster

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

COMPONENTS = (etcd.NAME, *RunningCluster.components)
ATTEMPTS = 3


class ControlPlane(RunningCluster):
    """A running control plane. Made by `start`, ended by `stop` or by leaving its ``with`` block."""

    components = COMPONENTS

    def __init__(self, directory: Path, settings: Settings, *, remove: bool) -> None:
        """Prepare one; `start` is what callers want."""
        ports = Ports()
        processes = Processes(directory / "logs", remove=[directory] if remove else [])
        self._etcd = Etcd(processes, tool, directory / "etcd", ports.take())
        self.clusters: dict[str, RunningCluster] = {}
        """The clusters beside it, by name."""
        super().__init__(directory, processes, ports, self._on_etcd(directory, processes, ports, settings))

    @classmethod
    def start(
        cls,
        directory: Path | None = None,
        *,
        nodes: int = 10,
        node_shape: NodeShape | None = None,
        audit: bool = False,
        kubelets: bool = False,
    ) -> ControlPlane:
        """Start a fresh control plane and return when Jobs created on it would run.

        Parameters
        ----------
        directory
            Where its files and logs are kept, also after it stopped. Without one, a temporary folder that goes
            away with it. State of an earlier control plane in that folder is thrown away.
        nodes
            How many simulated nodes it has.
        node_shape
            What fits on each of them.
        audit
            Whether every write is logged, see `audit_log`.
        kubelets
            Whether real nodes may join. This needs the program openssl.
        """
        settings = Settings(nodes=nodes, node_shape=node_shape or NodeShape(), audit=audit, kubelets=kubelets)
        ensure(CORE)

        def attempt() -> ControlPlane:
            folder = directory.absolute() if directory else Path(tempfile.mkdtemp(prefix="headgate-"))
            clear(folder)
            control_plane = cls(folder, settings, remove=directory is None)
            try:
                control_plane._etcd.start()
                control_plane._cluster.start()
            except BaseException:
                control_plane.stop()
                raise
            return control_plane

        return with_free_ports(attempt)

    def add_cluster(
        self,
        name: str,
        *,
        nodes: int = 2,
        node_shape: NodeShape | None = None,
        audit: bool = False,
        client_ca: Path | None = None,
    ) -> RunningCluster:
        """Start another cluster, on the same etcd, and return when Jobs created on it would run.

        It knows nothing of this one, and has only the controllers that Jobs need. It lives in
        ``clusters/<name>`` of this one's folder, and ends with this one. May be called from several threads.

        Parameters
        ----------
        name
            What `clusters` knows it by.
        nodes, node_shape, audit
            As for `start`.
        client_ca
            A file of CA certificates. Who shows a certificate that one of them signed is its common name.
        """
        if name in self.clusters:
            raise ControlPlaneError(f"there is a cluster {name!r} already")
        settings = Settings(
            nodes=nodes,
            node_shape=node_shape or NodeShape(),
            audit=audit,
            # Not the name alone: one that was there before has left its objects behind.
            etcd_prefix=f"/{name}-{secrets.token_hex(4)}",
            controllers=JOB_CONTROLLERS,
            client_ca=client_ca,
        )
        folder = self.directory / "clusters" / name

        def attempt() -> RunningCluster:
            clear(folder)
            ports, processes = Ports(), Processes(folder / "logs")
            cluster = self._on_etcd(folder, processes, ports, settings)
            running = RunningCluster(folder, processes, ports, cluster)
            try:
                cluster.start()
            except BaseException:
                running.stop()
                raise
            return running

        self.clusters[name] = with_free_ports(attempt)
        return self.clusters[name]

    def remove_cluster(self, name: str) -> None:
        """Stop a cluster that `add_cluster` started. Its folder stays as long as this one's."""
        self.clusters.pop(name).stop()

    def start_component(self, name: str) -> None:
        """Start a stopped component again, on the same port and the same data."""
        if name == etcd.NAME:
            self._etcd.start()
        else:
            super().start_component(name)

    def stop(self) -> None:
        """Stop everything, first the clusters beside it. Safe to call twice."""
        for name in list(self.clusters):
            self.remove_cluster(name)
        super().stop()

    def _on_etcd(self, directory: Path, processes: Processes, ports: Ports, settings: Settings) -> Cluster:
        return Cluster(processes, tool, directory, etcd=self._etcd.url, port=ports.take(), settings=settings)


def with_free_ports(attempt: Callable[[], T]) -> T:
    """Start something, again on other ports where somebody took one of them first."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except PortTaken:
            continue
    return attempt()


def clear(folder: Path) -> None:
    """Remove what an earlier control plane left in this folder, and nothing else."""
    for name in ("clusters", "etcd", "pki", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for file in (*folder.glob("*.kubeconfig"), folder / "audit.log"):
        file.unlink(missing_ok=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
