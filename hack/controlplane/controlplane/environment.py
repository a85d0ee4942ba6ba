"""Which cluster to use, as the environment says: one of our own by default, or one that is there already."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from controlplane.binaries import tool
from controlplane.controlplane import ControlPlane
from controlplane.errors import ControlPlaneError

if TYPE_CHECKING:
    from types import TracebackType

VARIABLE = "HEADGATE_CLUSTER"


class ApiServer(Protocol):
    """Where an API server is, and how an administrator gets in."""

    @property
    def server(self) -> str: ...  # noqa: D102
    @property
    def ca_file(self) -> Path: ...  # noqa: D102
    @property
    def kubeconfig(self) -> Path: ...  # noqa: D102


class ClusterAccess(ApiServer, Protocol):
    """What a test may rely on, whatever the cluster is."""

    @property
    def directory(self) -> Path: ...  # noqa: D102
    @property
    def tokens(self) -> dict[str, str]: ...  # noqa: D102
    @property
    def audit_log(self) -> Path | None: ...  # noqa: D102
    @property
    def pids(self) -> dict[str, int]: ...  # noqa: D102
    def kubeconfig_for(self, user: str, token: str | None = None) -> Path: ...  # noqa: D102
    def stop_component(self, name: str) -> None: ...  # noqa: D102
    def start_component(self, name: str) -> None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102
    def __enter__(self) -> ClusterAccess: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def from_environment(*, nodes: int = 10, audit: bool = False) -> ClusterAccess:
    """Return the cluster that ``HEADGATE_CLUSTER`` names: ``current``, ``kind``, or (unset) our own."""
    match os.environ.get(VARIABLE, ""):
        case "":
            return ControlPlane.start(nodes=nodes, audit=audit)
        case "current":
            return ExistingCluster()
        case "kind":
            return KindCluster()
        case other:
            raise ControlPlaneError(f"{VARIABLE}={other}: it is 'current' or 'kind', or unset")


class ExistingCluster:
    """A cluster that somebody else runs. Nothing of it is started or stopped by us.

    It has no ``tokens``: `kubeconfig_for` writes kubeconfigs that impersonate, which the current user has to
    be allowed to do, and which kubectl and Helm understand but not every client library does.
    """

    audit_log: Path | None = None

    def __init__(self, kubeconfig: Path | None = None) -> None:
        """Use the current context of a kubeconfig, or of the one that kubectl would use."""
        self._config = current_context(kubeconfig)
        self.directory = Path(tempfile.mkdtemp(prefix="headgate-"))
        cluster = self._config["clusters"][0]["cluster"]
        self.server = str(cluster["server"])
        self.tokens: dict[str, str] = {}
        self.pids: dict[str, int] = {}
        self.ca_file = self.directory / "ca.crt"
        self.ca_file.write_bytes(base64.b64decode(cluster.get("certificate-authority-data", "")))
        self.kubeconfig = self._write("admin", self._config)

    def kubeconfig_for(self, user: str, token: str | None = None) -> Path:
        """Write a kubeconfig with that token; without one, for the current user impersonating that user."""
        if token is not None:
            credentials: dict[str, Any] = {"token": token}
        elif user == "admin":
            return self.kubeconfig
        else:
            credentials = {**self._config["users"][0]["user"], "as": user}
            if user == "operator":
                credentials["as"] = "headgate-operator"
            else:
                credentials["as-groups"] = ["people"]
        name = self._config["users"][0]["name"]
        return self._write(user, {**self._config, "users": [{"name": name, "user": credentials}]})

    def stop_component(self, name: str) -> None:
        """Refuse: this cluster is not ours."""
        raise ControlPlaneError(f"cannot stop {name} of a cluster that is not ours")

    def start_component(self, name: str) -> None:
        """Refuse: this cluster is not ours."""
        raise ControlPlaneError(f"cannot start {name} of a cluster that is not ours")

    def stop(self) -> None:
        """Forget the cluster; it goes on."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> ExistingCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _write(self, name: str, config: Any) -> Path:
        path = self.directory / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path


class KindCluster(ExistingCluster):
    """A cluster in containers, made by kind, removed at the end. Needs Docker; this path is untested."""

    def __init__(self) -> None:
        self._name = f"headgate-{os.getpid()}"
        self._folder = Path(tempfile.mkdtemp(prefix="headgate-kind-"))
        kubeconfig = self._folder / "kubeconfig"
        run([str(tool("kind")), "create", "cluster", "--name", self._name, "--kubeconfig", str(kubeconfig)])
        super().__init__(kubeconfig)

    def stop(self) -> None:
        """Delete the cluster."""
        super().stop()
        run([str(tool("kind")), "delete", "cluster", "--name", self._name])
        shutil.rmtree(self._folder, ignore_errors=True)


def current_context(kubeconfig: Path | None) -> Any:
    """Return a kubeconfig with nothing in it but the current context, as kubectl sees it."""
    kubectl = shutil.which("kubectl") or str(Path(sys.prefix) / "bin" / "kubectl")
    command = [kubectl, "config", "view", "--minify", "--raw", "--flatten", "--output=json"]
    if kubeconfig:
        command.append(f"--kubeconfig={kubeconfig}")
    return json.loads(run(command))


def run(command: list[str]) -> str:
    """Return what a command prints, or raise with what it says went wrong."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ControlPlaneError(f"{command[0]} is not installed") from error
    if done.returncode != 0:
        raise ControlPlaneError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout
