"""A cluster that runs, whoever's etcd it is on: what tests and tools may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from controlplane import credentials
from controlplane.components import API_SERVER, CONTROLLER_MANAGER, KWOK, SCHEDULER
from controlplane.errors import ControlPlaneError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from controlplane.cluster import Cluster
    from controlplane.ports import Ports
    from controlplane.process import Processes

COMPONENTS: tuple[str, ...] = (API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK)


class RunningCluster:
    """One API server and its components, with processes, ports, tokens, CA and logs of its own.

    It ends too when this process ends, however that happens. `stop_component` and `start_component` are for
    tests that need to see what breaks.
    """

    components = COMPONENTS

    def __init__(self, directory: Path, processes: Processes, ports: Ports, cluster: Cluster) -> None:
        """Take over what runs a cluster; `ControlPlane` makes them."""
        self.directory = directory
        self._processes = processes
        self._ports = ports
        self._cluster = cluster

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
    def kubelet_client(self) -> Path | None:
        """The certificate that the API server shows to kubelets, where it was started for some."""
        return self._cluster.files.kubelet_client if self._cluster.settings.kubelets else None

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
        self._known(name)
        self._processes.stop(name)

    def start_component(self, name: str) -> None:
        """Start a stopped component again, on the same port and the same data."""
        self._known(name)
        self._cluster.start_component(name)

    def stop(self) -> None:
        """Stop everything. Safe to call twice."""
        self._processes.end()
        self._ports.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _known(self, name: str) -> None:
        if name not in self.components:
            raise ControlPlaneError(f"no component {name!r}; there are {', '.join(self.components)}")
