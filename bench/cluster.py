"""One control plane with the chart on it, and the operator as a process with the chart's own rights."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
import urllib3
import yaml

from bench import ROOT
from controlplane import ControlPlane, tool
from headgate.admission.bindings import bindings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Json = dict[str, Any]
T = TypeVar("T")

RELEASE: Final = "headgate"
SYSTEM: Final = "headgate-system"
OPERATOR_USER: Final = f"system:serviceaccount:{SYSTEM}:{RELEASE}"
QUEUE_LABEL: Final = "headgate.dev/queue"
QUEUES: Final = "/apis/headgate.dev/v1alpha1/jobqueues"
BINDINGS: Final = "/apis/admissionregistration.k8s.io/v1/{}admissionpolicybindings"
LEASE: Final = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/{RELEASE}"
MERGE: Final = "application/merge-patch+json"

_NOT_INSTALLED: Final = frozenset({"Deployment", "PodDisruptionBudget", "NetworkPolicy", "Pod", "Service"})


class Client:
    """An administrator's plain connection, for what is not measured."""

    def __init__(self, server: str, token: str, ca_file: Path) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = urllib3.PoolManager(maxsize=4, ca_certs=str(ca_file), retries=False)

    def call(
        self, method: str, path: str, body: Json | None = None, *, content_type: str = "application/json"
    ) -> Json:
        """Make a request; raises RuntimeError where the API server refuses."""
        answer = self._http.request(
            method,
            self._server + path,
            body=None if body is None else orjson.dumps(body),
            headers={**self._headers, "Content-Type": content_type},
        )
        if answer.status >= 400:
            raise RuntimeError(
                f"{method} {path}: {answer.status} {answer.data.decode(errors='replace')[:500]}"
            )
        parsed: Json = orjson.loads(answer.data)
        return parsed

    def items(self, path: str) -> list[Json]:
        """Return a whole list, from the API server's cache."""
        separator = "&" if "?" in path else "?"
        return list(self.call("GET", f"{path}{separator}resourceVersion=0")["items"])


class Operator:
    """One operator process."""

    def __init__(self, kubeconfig: Path, log: Path, *, profile: Path | None = None) -> None:
        self._port = _free_port()
        module = ["-m", "bench.profiler", str(profile)] if profile else ["-m", "headgate"]
        command = [
            sys.executable, *module,
            f"--lease-name={RELEASE}", f"--lease-namespace={SYSTEM}", f"--kubeconfig={kubeconfig}",
            f"--policy-prefix={RELEASE}", "--metrics-host=127.0.0.1", f"--metrics-port={self._port}",
            "--create-defaults",
        ]  # fmt: skip
        self._log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file, cwd=ROOT)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it leads and has everything."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the operator ended:\n{self._log.read_text()[-4000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=5) as answer:
                return "standby" not in answer.read().decode()
        except (OSError, urllib.error.HTTPError):
            return False

    def cpu_seconds(self) -> float:
        """Return the CPU time it has used, user and system."""
        return cpu_seconds(self.pid)

    def memory_mb(self, name: str = "VmRSS") -> float:
        """Return a line of its /proc status (VmRSS: resident now, VmHWM: the most it ever was), in MB of 10^6."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError(f"no {name} in /proc/{self.pid}/status")

    def stop(self) -> None:
        """End it as Kubernetes would: it gives its Lease back."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@dataclass
class Cluster:
    """The control plane, the chart, and how to reach both."""

    control_plane: ControlPlane
    admin: Client
    operator_kubeconfig: Path
    operator_token: str
    _operators: list[Operator] = field(default_factory=list)

    @property
    def server(self) -> str:
        """The address of the API server."""
        return self.control_plane.server

    @contextmanager
    def operator(self, *, profile: Path | None = None) -> Iterator[Operator]:
        """Run an operator that leads and is ready."""
        log = self.control_plane.directory / "operator.log"
        operator = Operator(self.operator_kubeconfig, log, profile=profile)
        try:
            eventually(lambda: operator.is_ready, within=180, what="the operator's start")
            yield operator
        finally:
            operator.stop()

    def term(self) -> str:
        """Return the term that the API server demands of an admission now."""
        return str(self.admin.call("GET", LEASE)["spec"]["leaseTransitions"])

    def create_queue(
        self, name: str, *, paused: bool = False, pool: str = "default", clusters: Sequence[str] = ("*",)
    ) -> None:
        """Create a queue without limits."""
        body: Json = {
            "apiVersion": "headgate.dev/v1alpha1",
            "kind": "JobQueue",
            "metadata": {"name": name},
            "spec": {
                "pool": pool,
                "clusters": list(clusters),
                "runConcurrency": 0,
                "actionConcurrency": 0,
                "depth": 0,
                "dispatch": {"paused": paused},
            },
        }
        self.admin.call("POST", QUEUES, body)

    def api_server_cpu_seconds(self) -> float:
        """Return the CPU time the API server has used."""
        return cpu_seconds(self.control_plane.pids["kube-apiserver"])

    def own_cpu_seconds(self, operator: Operator | None) -> float:
        """Return the CPU time used by all clusters, the operator, this process and its ended children."""
        mine = os.times()
        children = mine.children_user + mine.children_system
        clusters = [self.control_plane, *self.control_plane.clusters.values()]
        components = sum(cpu_seconds(pid) for cluster in clusters for pid in cluster.pids.values())
        own = components + mine.user + mine.system + children
        return own + (operator.cpu_seconds() if operator else 0.0)

    def wait_for_bindings(self) -> None:
        """Wait until every queue has its bindings, and a little longer until the API server minds them."""

        def bound() -> bool:
            paths = [BINDINGS.format(kind) for kind in ("validating", "mutating")]
            found = Counter(
                (item["metadata"].get("labels") or {}).get(QUEUE_LABEL)
                for path in paths
                for item in self.admin.items(path)
            )
            wanted = len(bindings_for("", "", "", policy_prefix=""))
            return all(found[queue["metadata"]["name"]] == wanted for queue in self.admin.items(QUEUES))

        eventually(bound, within=120, what="the queues' bindings")
        time.sleep(2)


@contextmanager
def cluster(*, nodes: int = 10) -> Iterator[Cluster]:
    """Start a control plane with audit log, and install all of the chart but its Pods."""
    with ControlPlane.start(nodes=nodes, audit=True) as control_plane:
        kubectl = [
            str(Path(sys.executable).parent / "kubectl"),
            "--kubeconfig",
            str(control_plane.kubeconfig),
        ]
        helm = [
            str(tool("helm")),
            "template",
            RELEASE,
            str(ROOT / "charts" / "headgate"),
            "--namespace",
            SYSTEM,
        ]
        rendered = subprocess.run(helm, check=True, capture_output=True, text=True).stdout
        objects = [
            body for body in yaml.safe_load_all(rendered) if body and body["kind"] not in _NOT_INSTALLED
        ]
        crds = [body for body in objects if body["kind"] == "CustomResourceDefinition"]
        rest = [body for body in objects if body not in crds]
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}

        def apply(bodies: list[Json]) -> bool:
            command = [*kubectl, "apply", "--server-side", "-f", "-"]
            manifest = yaml.safe_dump_all(bodies)
            return not subprocess.run(
                command, input=manifest, text=True, capture_output=True, check=False
            ).returncode

        eventually(lambda: apply([namespace, *crds]), within=30, what="the CRDs")
        eventually(lambda: apply(rest), within=60, what="the chart")
        command = [*kubectl, "create", "token", RELEASE, "-n", SYSTEM, "--duration=24h"]
        token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        yield Cluster(
            control_plane,
            Client(control_plane.server, control_plane.tokens["admin"], control_plane.ca_file),
            control_plane.kubeconfig_for("service-account", token),
            token,
        )


def eventually(question: Callable[[], T], *, within: float, what: str, every: float = 0.2) -> T:
    """Ask until the answer is truthy, and return it; raises TimeoutError."""
    deadline = time.monotonic() + within
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within:.0f} s")
        time.sleep(every)


def busy_seconds() -> float:
    """Return the CPU time that all processes of the machine have used since it started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
