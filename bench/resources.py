"""What the operator uses in its Pods, leader and standby: what the chart asks a cluster to set aside for them.

The chart is installed with Helm onto one real node, from the image; the Jobs' Pods are simulated, on other nodes. The
figures are of the containers' cgroups, so of everything in them: that is what Kubernetes sets a limit to.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NamedTuple

from hack.image import missing, operator_image
from hack.local.chart import CHART, kubectl
from hack.node import requirements
from hack.node.box import hierarchies
from hack.node.node import real_node

from bench.cluster import LEASE, MERGE, QUEUES, RELEASE, SYSTEM, Client, Cluster, Json, eventually
from bench.throughput import Bench
from controlplane import ControlPlane, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hack.node.node import Node

QUEUE: Final = "bench-resources"
AT_WORK: Final = "Jobs come and go"
SAMPLE_SECONDS: Final = 0.25
REST_SECONDS: Final = 30.0
MB: Final = 1e6


@dataclass(frozen=True)
class Usage:
    """What one container used over some time. MB are of 10^6 bytes."""

    seconds: float
    memory_mb: float
    """The most that its working set was: what an out-of-memory kill and an eviction go by."""
    cores: float
    """On average."""
    busiest_second: float
    """Cores, over the second in which they were most."""
    cpu_seconds: float


@dataclass(frozen=True)
class Resources:
    """Leader and standby by what was going on."""

    leader: dict[str, Usage]
    standby: dict[str, Usage]


class Container:
    """A container as the kernel accounts for it, in version 1 or 2 of cgroups."""

    def __init__(self, node: Node, identity: str) -> None:
        folders = [
            found
            for hierarchy in hierarchies()
            for found in (hierarchy / node.cgroup).rglob(identity)
            if found.is_dir()
        ]
        self._unified = any((folder / "memory.current").exists() for folder in folders)
        memory, cpu = (
            ("memory.current", "cpu.stat") if self._unified else ("memory.usage_in_bytes", "cpuacct.usage")
        )
        self._memory, self._cpu = (
            next(folder for folder in folders if (folder / name).exists()) for name in (memory, cpu)
        )

    def memory_mb(self) -> float:
        """Return its working set: all but what the kernel can take back at once."""
        name = "memory.current" if self._unified else "memory.usage_in_bytes"
        cache = "inactive_file" if self._unified else "total_inactive_file"
        return (int((self._memory / name).read_text()) - fields(self._memory / "memory.stat")[cache]) / MB

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used."""
        if self._unified:
            return fields(self._cpu / "cpu.stat")["usage_usec"] / 1e6
        return int((self._cpu / "cpuacct.usage").read_text()) / 1e9


class Sample(NamedTuple):
    """One look at a container."""

    at: float
    cpu_seconds: float
    memory_mb: float


class Meter(threading.Thread):
    """Looks at a container again and again until it is stopped."""

    def __init__(self, container: Container) -> None:
        super().__init__(daemon=True)
        self._container = container
        self._samples = [self._look()]
        self._stopped = threading.Event()

    def run(self) -> None:
        """Take samples."""
        while not self._stopped.wait(SAMPLE_SECONDS):
            self._samples.append(self._look())

    def stop(self) -> Usage:
        """Take the last sample, and return what was used since the first."""
        self._stopped.set()
        self.join()
        self._samples.append(self._look())
        first, last = self._samples[0], self._samples[-1]
        return Usage(
            seconds=round(last.at - first.at, 1),
            memory_mb=round(max(sample.memory_mb for sample in self._samples), 1),
            cores=round(cores(first, last), 3),
            busiest_second=round(busiest_second(self._samples), 3),
            cpu_seconds=round(last.cpu_seconds - first.cpu_seconds, 2),
        )

    def _look(self) -> Sample:
        return Sample(time.monotonic(), self._container.cpu_seconds(), self._container.memory_mb())


def cores(first: Sample, last: Sample) -> float:
    """Return how many cores were busy between two samples."""
    return (last.cpu_seconds - first.cpu_seconds) / (last.at - first.at)


def busiest_second(samples: list[Sample]) -> float:
    """Return how many cores were busy in the second in which they were most."""
    most = 0.0
    for first in samples:
        last = next((sample for sample in samples if sample.at >= first.at + 1), None)
        most = max(most, cores(first, last)) if last else most
    return most


class PodBench(Bench):
    """Runs in which the operator is in its Pods."""

    def resources(self, node: Node) -> Resources:
        """Measure both Pods at rest and at work, and at last the standby as it takes over."""
        names = [f"{QUEUE}-{kind}" for kind in ("backlog", "open")]
        for name in names:
            self.cluster.admin.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            self.cluster.create_queue(name, paused=name == names[0])
        self.cluster.wait_for_bindings()
        leader, standby = self._pods()
        containers = [Container(node, container_of(pod)) for pod in (leader, standby)]
        found = Resources({}, {})

        @contextmanager
        def during(what: str) -> Iterator[None]:
            meters = [Meter(container) for container in containers]
            for meter in meters:
                meter.start()
            yield
            for usages, meter in zip((found.leader, found.standby), meters, strict=True):
                usages[what] = meter.stop()
            self.say(f"{what}: {found.leader[what]}; standby {found.standby[what]}")

        with during("at rest"):
            time.sleep(REST_SECONDS)
        with during("a backlog comes"):
            self._work("create", names[0], self._admin_token)
            self._wait_until_suspended(names[0])
        with during("a backlog waits"):
            time.sleep(REST_SECONDS)
        with during("a backlog is let through"):
            resume = {"spec": {"dispatch": {"paused": False}}}
            self.cluster.admin.call("PATCH", f"{QUEUES}/{names[0]}", resume, content_type=MERGE)
            self._wait_until_all_are_counted(names[0])
        with during(AT_WORK):
            self._work("create", names[1], self._admin_token)
            self._wait_until_all_are_counted(names[1])
        with during("at rest, all finished"):
            time.sleep(REST_SECONDS)
        meter = Meter(containers[1])
        meter.start()
        self.cluster.admin.call("DELETE", f"/api/v1/namespaces/{SYSTEM}/pods/{leader['metadata']['name']}")
        eventually(
            lambda: self._holder().startswith(standby["metadata"]["name"]), within=120, what="a new leader"
        )
        time.sleep(REST_SECONDS)
        found.standby["it takes over"] = meter.stop()
        self.say(f"the standby takes over: {found.standby['it takes over']}")
        return found

    def _pods(self) -> tuple[Json, Json]:
        """Return the operator's Pods, the leader first."""
        selector = f"labelSelector=app.kubernetes.io%2Finstance%3D{RELEASE}"
        one, other = self.cluster.admin.items(f"/api/v1/namespaces/{SYSTEM}/pods?{selector}")
        return (one, other) if self._holder().startswith(one["metadata"]["name"]) else (other, one)

    def _holder(self) -> str:
        return str(self.cluster.admin.call("GET", LEASE)["spec"]["holderIdentity"])

    def _wait_until_all_are_counted(self, name: str) -> None:
        def counted() -> bool:
            status = self.cluster.admin.call("GET", f"{QUEUES}/{name}").get("status") or {}
            return bool((status.get("jobs") or {}).get("succeeded") == self.jobs)

        eventually(counted, within=600, what=f"{self.jobs} finished Jobs in {name}", every=1)


def container_of(pod: Json) -> str:
    """Return the identity of a Pod's only container."""
    (status,) = pod["status"]["containerStatuses"]
    return str(status["containerID"]).rpartition("/")[2]


def lacking() -> list[str]:
    """Return what is missing here to run the operator in Pods, a sentence each."""
    return [*requirements.missing(), *missing()]


def measure(jobs: int, say: Callable[[str], None]) -> Resources:
    """Start a control plane with a real node, install the chart, and measure."""
    archive = operator_image()
    with (
        TemporaryDirectory(prefix="headgate-bench-") as directory,
        ControlPlane.start(Path(directory) / "control-plane", kubelets=True) as control_plane,
        real_node(control_plane, Path(directory) / "node") as node,
    ):
        node.load(archive)
        install(control_plane, node)
        # The Jobs' Pods are for the simulated nodes.
        kubectl(control_plane.kubeconfig, "cordon", node.name)
        admin = Client(control_plane.server, control_plane.tokens["admin"], control_plane.ca_file)
        cluster = Cluster(control_plane, admin, control_plane.kubeconfig, control_plane.tokens["admin"])
        return PodBench(cluster, jobs, 1.0, say).resources(node)


def install(control_plane: ControlPlane, node: Node) -> None:
    """Install the chart with Helm as anybody would, its Pods on the real node; return when they are ready."""
    values = ["image.pullPolicy=Never", f"nodeSelector.kubernetes\\.io/hostname={node.name}"]
    subprocess.run(
        [
            tool("helm"), "install", RELEASE, CHART, f"--namespace={SYSTEM}", "--create-namespace", "--wait",
            "--timeout=5m", *(f"--set={value}" for value in values),
        ],
        env={**os.environ, "KUBECONFIG": str(control_plane.kubeconfig)},
        check=True,
        capture_output=True,
    )  # fmt: skip


def fields(path: Path) -> dict[str, int]:
    """Return a file of lines of a name and a number each."""
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}
