"""What it takes to list many Jobs, and to explain one of them: `headgate` beside kubectl, in turn.

The Jobs are real, created one by one through the API server with all of its policies; nothing else is going on when
they are listed, and no two programs run at the same time. Each is run on many Jobs and on as many as a page has: what
is held of those that were printed shows in the difference.

The Job controller, the scheduler and KWOK are stopped: all of the Jobs wait.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import orjson

from bench import ROOT
from bench.bare import Task
from bench.cluster import MERGE, QUEUE_LABEL, QUEUES, Cluster
from headgate.kube.paging import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Counting = Callable[[bytes], int]

MANY: Final = "bench-lists-many"
FEW: Final = "bench-lists-few"
"""Each is the name of a queue, and of the namespace of its Jobs."""
BEHIND: Final = 5_000
"""How many Jobs go before the one that is explained, at most: twice as far is as far as it looks."""
SAMPLE_SECONDS: Final = 0.005

LIST: Final = "headgate job list"
LIST_NEWEST: Final = "headgate job list (the newest 1000)"
LIST_JSON: Final = "headgate job list -o json"
LIST_NAME: Final = "headgate job list -o name"
WHY: Final = "headgate job why"
KUBECTL: Final = "kubectl get jobs"
KUBECTL_JSON: Final = "kubectl get jobs -o json"
KUBECTL_NAME: Final = "kubectl get jobs -o name"


@dataclass(frozen=True)
class Call:
    """One run of a program."""

    what: str
    jobs: int
    """How many there were."""
    seconds: float
    cpu_seconds: float
    peak_mb: float
    """The most memory that was resident, in MB (10^6 bytes)."""
    printed_mb: float


@dataclass(frozen=True)
class Lists:
    """All runs, and how fast the Jobs were made."""

    created_per_second: float
    calls: list[Call]

    def figures(self, jobs: int) -> dict[str, float]:
        """Return what is kept of it, with so many Jobs."""
        few = min(PAGE, jobs)
        growth = self._of("peak_mb", LIST_JSON, jobs) / self._of("peak_mb", LIST_JSON, few)
        memory = self._of("peak_mb", LIST_JSON, jobs) / self._of("peak_mb", KUBECTL_JSON, jobs)
        cpu = self._of("cpu_seconds", LIST_JSON, jobs) / self._of("cpu_seconds", KUBECTL_JSON, jobs)
        return {
            "list_memory_growth": round(growth, 2),
            "list_memory_ratio": round(memory, 3),
            "list_cpu_ratio": round(cpu, 2),
            "why_cpu_seconds": round(self._of("cpu_seconds", WHY, jobs), 1),
        }

    def _of(self, measured: str, what: str, jobs: int) -> float:
        """Return the median of something that was measured of a program."""
        values: list[float] = [
            getattr(call, measured) for call in self.calls if (call.what, call.jobs) == (what, jobs)
        ]
        return median(values)


def measure(cluster: Cluster, jobs: int, rounds: int, say: Callable[[str], None]) -> Lists:
    """Create the Jobs, and list them with one program after the other, so many times."""
    sizes = {MANY: jobs, FEW: min(PAGE, jobs)}
    with cluster.operator():
        for name in sizes:
            cluster.admin.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            cluster.create_queue(name, paused=True)
        cluster.wait_for_bindings()
    for component in ("kube-controller-manager", "kube-scheduler", "kwok"):
        cluster.control_plane.stop_component(component)
    began = time.monotonic()
    for name, count in sizes.items():
        _create(cluster, name, count)
    per_second = sum(sizes.values()) / (time.monotonic() - began)
    say(f"{sum(sizes.values())} Jobs created, {per_second:.0f}/s")
    for name in sizes:
        # Of a queue that is held there would be nothing to look ahead.
        change = {"spec": {"dispatch": {"paused": False}, "actionConcurrency": 10}}
        cluster.admin.call("PATCH", f"{QUEUES}/{name}", change, content_type=MERGE)
    calls = []
    for _ in range(rounds):
        for name, count in sizes.items():
            for what, (command, counting) in _commands(cluster, name, count).items():
                calls.append(_run(what, command, counting, count))
                say(
                    f"{what}, {count} Jobs: {calls[-1].seconds:.1f} s, {calls[-1].cpu_seconds:.1f} s of CPU, "
                    f"{calls[-1].peak_mb:.0f} MB, {calls[-1].printed_mb:.1f} MB printed"
                )
    return Lists(round(per_second, 1), calls)


def _create(cluster: Cluster, name: str, count: int) -> None:
    plane = cluster.control_plane
    task = Task(cluster.server, str(plane.ca_file), plane.tokens["admin"], name, name, count)
    command = [sys.executable, "-m", "bench.bare", "create"]
    subprocess.run(command, input=task.to_json(), cwd=ROOT, check=True)


def _commands(cluster: Cluster, name: str, count: int) -> dict[str, tuple[list[str], Counting | None]]:
    """Return the programs that take turns, and how to count what each has printed of all Jobs."""
    kubeconfig = f"--kubeconfig={cluster.control_plane.kubeconfig}"
    job = [sys.executable, "-m", "headgate.cli", "job"]
    newest = [*job, "list", kubeconfig, "-n", name, "--queue", name]
    listed = [*newest, "--max-entries", "0"]
    kubectl = [str(Path(sys.executable).parent / "kubectl"), kubeconfig, "-n", name]
    got = [*kubectl, "get", "jobs", "-l", f"{QUEUE_LABEL}={name}"]
    explained = f"job-{min(BEHIND, count - 1):05}"

    def rows(printed: bytes) -> int:
        return len(printed.splitlines()) - 1

    def items(printed: bytes) -> int:
        return len(orjson.loads(printed)["items"])

    def lines(printed: bytes) -> int:
        return len(printed.splitlines())

    return {
        LIST: (listed, rows),
        KUBECTL: (got, rows),
        LIST_JSON: ([*listed, "-o", "json"], items),
        KUBECTL_JSON: ([*got, "-o", "json"], items),
        LIST_NAME: ([*listed, "-o", "name"], lines),
        KUBECTL_NAME: ([*got, "-o", "name"], lines),
        LIST_NEWEST: (newest, None),
        WHY: ([*job, "why", kubeconfig, "-n", name, explained], None),
    }


def _run(what: str, command: Sequence[str], count: Counting | None, jobs: int) -> Call:
    """Run a program; raises RuntimeError where it fails, or has not printed all Jobs."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=output, cwd=ROOT)
        peak = 0.0
        while True:
            # While it runs: what the kernel says of one that has ended includes the program that started it.
            peak = max(peak, _peak_mb(process.pid))
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(SAMPLE_SECONDS)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode:
        raise RuntimeError(f"{what}: ended with {process.returncode}")
    if count and count(printed) != jobs:
        raise RuntimeError(f"{what}: printed {count(printed)} of {jobs} Jobs")
    cpu = used.ru_utime + used.ru_stime
    return Call(what, jobs, round(seconds, 2), round(cpu, 2), round(peak, 1), round(len(printed) / 1e6, 2))


def _peak_mb(pid: int) -> float:
    """Return the most memory that a process had resident so far, 0 where it has none any more."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
