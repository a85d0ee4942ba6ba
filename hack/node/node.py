"""One real node: its parts put together, started in their order, and stopped."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hack.node import access, containerd, images, kubelet, kubeproxy, requirements
from hack.node.box import Box
from hack.node.network import connect, write_cni

from controlplane import ControlPlaneError, tool
from controlplane.binaries import ensure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hack.node.network import Network

HERE: Final = Path(__file__).parent
RELAY: Final = "relay"
NAMES: Final = "names"


@contextmanager
def real_node(cluster: access.Cluster, directory: Path, *, name: str = "real-0") -> Iterator[Node]:
    """Run a real node of a cluster, ready for Pods, and remove all that was of it afterwards.

    Its logs stay in ``logs`` of that folder. The cluster must have been started for real nodes (`kubelets`), on this
    machine. Raises `ControlPlaneError` where the machine lacks something, or the node does not become ready.
    """
    if missing := requirements.missing():
        raise ControlPlaneError("\n".join(missing))
    ensure(requirements.TOOLS)
    node = Node(cluster, directory, name)
    try:
        node.start()
        yield node
    finally:
        node.stop()


class Node:
    """A node of a cluster. Made and ended by `real_node`."""

    def __init__(self, cluster: access.Cluster, directory: Path, name: str) -> None:
        self.name = name
        self.directory = directory.absolute()
        self._cluster = cluster
        self._box = Box(self.directory, name)
        self._arguments: dict[str, list[str | Path]] = {}

    @property
    def cgroup(self) -> str:
        """The parent of the Pods' cgroups, in every hierarchy."""
        return self._box.cgroup

    @property
    def pid(self) -> int:
        """The first process of the node, whose namespaces are the node's."""
        return self._box.pid

    @property
    def pids(self) -> dict[str, int]:
        """The processes in the box by name, as they are numbered there."""
        return dict(self._box.processes.pids)

    def start(self) -> None:
        """Start everything; return when Pods would run."""
        network = connect(self._box)
        self._box.outside.start(
            RELAY,
            [
                sys.executable,
                "-I",
                HERE / "relay.py",
                f"/proc/{self._box.pid}/ns/net",
                str(access.port_of(self._cluster)),
            ],
        )
        access.prepare(self._cluster, self.name)
        self._write_configuration(network)
        self._start(containerd.NAME)
        self._wait_until(self._has_containerd, "containerd's readiness")
        basic = self._box.files / "basic.tar"
        images.write_basic(basic)
        self.load(basic)
        for part in (kubelet.NAME, kubeproxy.NAME, NAMES):
            self._start(part)
        self._wait_until(
            lambda: access.is_ready(self._cluster, self.name), f"the readiness of node {self.name}"
        )

    def run(self, *command: str | Path, given: bytes | None = None) -> str:
        """Run a command in the node's namespaces and return what it prints; raise with what it complains about."""
        return self._box.run(*command, given=given)

    def load(self, archive: Path) -> str:
        """Put the images of an archive (as of ``docker save``) onto the node; return the name of the first one."""
        images.load(archive, self.run)
        return images.references(archive)[0]

    def restart_kubelet(self) -> None:
        """Stop kubelet, which lets containers run on, and start it again."""
        self._box.processes.stop(kubelet.NAME)
        self._start(kubelet.NAME)

    def check(self) -> None:
        """Raise when something of the node has ended."""
        self._box.processes.check()
        self._box.outside.check()

    def stop(self) -> None:
        """End it and remove what was of it. May be called twice."""
        self._box.end()

    def _has_containerd(self) -> bool:
        try:
            self.run("ctr", "version")
        except ControlPlaneError:
            return False
        return True

    def _start(self, part: str) -> None:
        self._box.processes.start(part, self._arguments[part])

    def _wait_until(self, ready: Callable[[], bool], what: str) -> None:
        self._box.processes.wait_until(ready, what)

    def _write_configuration(self, network: Network) -> None:
        """Write the files that the parts of the node read, and note how each is started."""
        folder = self._box.files / "configuration"
        folder.mkdir(mode=0o700)
        cni_folder, client_ca = requirements.cni_folder(), self._cluster.kubelet_client
        assert cni_folder is not None
        if client_ca is None:
            raise ControlPlaneError(
                "the control plane was not started for real nodes: it shows kubelets no certificate"
            )
        write_cni(self._box.files / containerd.CNI_CONFIGURATION.lstrip("/"), network)
        kubelet_access, kubelet_token = access.credentials(self._cluster, kubelet.NAME, folder)
        proxy_access, _ = access.credentials(self._cluster, kubeproxy.NAME, folder)
        files = {
            containerd.NAME: containerd.configuration(sandbox_image=images.PAUSE, cni_folder=cni_folder),
            kubelet.NAME: kubelet.configuration(network=network, cgroup=self.cgroup, client_ca=client_ca),
            kubeproxy.NAME: kubeproxy.configuration(name=self.name, kubeconfig=proxy_access, network=network),
        }
        paths = {part: folder / f"{part}.config" for part in files}
        for part, text in files.items():
            paths[part].write_text(text)
        self._arguments = {
            containerd.NAME: ["containerd", *containerd.arguments(paths[containerd.NAME])],
            kubelet.NAME: [
                tool("kubelet"),
                *kubelet.arguments(
                    config=paths[kubelet.NAME], kubeconfig=kubelet_access, name=self.name, network=network
                ),
            ],
            kubeproxy.NAME: [tool("kube-proxy"), *kubeproxy.arguments(paths[kubeproxy.NAME])],
            NAMES: [
                sys.executable, "-I", HERE / "names.py",
                str(network.node), self._cluster.server, self._cluster.ca_file, kubelet_token,
            ],
        }  # fmt: skip
