"""Headgate and the bare loop in turn, on one control plane: a backlog that is released, and Jobs as they come.

Every run has a namespace and a queue of its own, made before the first so that all of them meet the same policies and
the same bindings. The operator runs while Headgate's runs go on and is stopped for the others. A run begins when
nothing of the last is left.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import IO, TYPE_CHECKING, Final

from bench import ROOT
from bench.audit import AuditLog, Write, tally
from bench.bare import Task
from bench.cluster import (
    MERGE,
    OPERATOR_USER,
    QUEUES,
    Client,
    Cluster,
    Operator,
    busy_seconds,
    eventually,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEADGATE: Final = "headgate"
BARE: Final = "bare"
LIMIT_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Run:
    """What one run took."""

    kind: str
    who: str
    seconds: float
    """From the trigger (backlog: the resume, or the first PATCH; open: the first create) to the last admission."""
    first_seconds: float
    """From the trigger to the first admission's arrival at the API server."""
    patch_ms: float
    """Median time the API server took for an admission."""
    in_flight: float
    """How many admissions the API server had in its hands on average, from the first to the last."""
    cpu_seconds: float
    """The operator's, from the first create until all Jobs are finished."""
    api_server_cpu_seconds: float
    """The API server's, over the same time: what letting Jobs through, and running them, costs it."""
    neighbours: float
    """Cores that others on this machine kept busy over the same time: where it is not near 0, times say little."""
    writes: dict[str, int]
    """The operator's, over the same time."""


@dataclass(frozen=True)
class Used:
    """CPU seconds over some time, and the cores that others kept busy."""

    operator: float
    api_server: float
    neighbours: float


class Meter:
    """Measures what is used from its making on."""

    def __init__(self, cluster: Cluster, operator: Operator | None) -> None:
        self._cluster = cluster
        self._operator = operator
        self._before = self._now()

    def read(self) -> Used:
        """Return what was used since the start."""
        clock, busy, own, operator, api_server = (
            now - before for now, before in zip(self._now(), self._before, strict=True)
        )
        return Used(operator, api_server, max(busy - own, 0.0) / clock)

    def _now(self) -> tuple[float, ...]:
        operator = self._operator
        return (
            time.monotonic(),
            busy_seconds(),
            self._cluster.own_cpu_seconds(operator),
            operator.cpu_seconds() if operator else 0.0,
            self._cluster.api_server_cpu_seconds(),
        )


@dataclass
class Bench:
    """Where runs take place."""

    cluster: Cluster
    jobs: int
    seconds: float
    say: Callable[[str], None]
    profile: Path | None = None
    pods: int = 1

    def measure(self, kind: str, rounds: int) -> list[Run]:
        """Run both in turn, so many times, the bare loop first."""
        prefix = f"bench-{kind}"
        names = [f"{prefix}-{number}-{who}" for number in range(rounds) for who in (BARE, HEADGATE)]
        with self.cluster.operator():
            for name in [f"{prefix}-warm", *names]:
                self.cluster.admin.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
                # Bare runs meet the same queue; nobody reads that it is open.
                self.cluster.create_queue(name, paused=kind == "backlog" and name.endswith(HEADGATE))
            self.cluster.wait_for_bindings()
            # Connections, caches and the policies' compiled expressions: not on the first run's account.
            self._work("create", f"{prefix}-warm", self._admin_token, count=max(self.jobs // 10, 20))
            self._finish(f"{prefix}-warm", max(self.jobs // 10, 20))
        runs = []
        for name in names:
            run = self._headgate(kind, name) if name.endswith(HEADGATE) else self._bare(kind, name)
            self.say(
                f"{name}: {self.jobs / run.seconds:.0f}/s, first after {run.first_seconds:.2f} s, "
                f"{run.patch_ms:.0f} ms a PATCH, {run.in_flight:.1f} in flight, "
                f"API server {run.api_server_cpu_seconds:.1f} CPU-s, operator {run.cpu_seconds:.1f}, "
                f"neighbours {run.neighbours:.1f} cores"
            )
            runs.append(run)
        return runs

    def _headgate(self, kind: str, name: str) -> Run:
        profile = self.profile and self.profile.with_suffix(f".{kind}.pstats")
        with self.cluster.operator(profile=profile) as operator:
            time.sleep(2)
            log = self._log()
            meter = Meter(self.cluster, operator)
            self._work("create", name, self._admin_token)
            if kind == "backlog":
                self._wait_until_suspended(name)
                self.cluster.admin.call(
                    "PATCH", f"{QUEUES}/{name}", {"spec": {"dispatch": {"paused": False}}}, content_type=MERGE
                )
            self._wait_until_admitted(log, name)
            self._wait_until_finished(name, self.jobs)
            self._wait_until_counted(name, operator)
            used = meter.read()
            writes = [write for write in log.read() if write.user == OPERATOR_USER]
            self._clear(name)
        if kind == "backlog":
            began = max(
                write.received
                for write in log.writes
                if write.resource == "jobqueues" and write.name == name and write.verb == "patch"
            )
        else:
            began = log.first(lambda write: _creates(write, name)).received
        return self._run(kind, HEADGATE, log, name, began, used, tally(writes))

    def _bare(self, kind: str, name: str) -> Run:
        log = self._log()
        meter = Meter(self.cluster, None)
        term = self.cluster.term()
        token = self.cluster.operator_token
        if kind == "backlog":
            self._work("create", name, self._admin_token)
            self._wait_until_suspended(name)
            self._work("patch", name, token, term=term)
        else:
            with self._process("follow", name, token, term=term) as process:
                assert process.stdout is not None
                process.stdout.readline()
                self._work("create", name, self._admin_token)
                _expect(process, "follow")
        self._wait_until_admitted(log, name)
        began = (
            min(write.received for write in log.admissions(OPERATOR_USER, name))
            if kind == "backlog"
            else log.first(lambda write: _creates(write, name)).received
        )
        self._wait_until_finished(name, self.jobs)
        used = meter.read()
        self._clear(name)
        return self._run(kind, BARE, log, name, began, used, {})

    @staticmethod
    def _run(
        kind: str,
        who: str,
        log: AuditLog,
        name: str,
        began: float,
        used: Used,
        writes: dict[str, int],
    ) -> Run:
        admissions = log.admissions(OPERATOR_USER, name)
        first = min(write.received for write in admissions)
        last = max(write.answered for write in admissions)
        took = [write.answered - write.received for write in admissions]
        return Run(
            kind,
            who,
            seconds=round(last - began, 3),
            first_seconds=round(first - began, 3),
            patch_ms=round(median(took) * 1e3, 1),
            in_flight=round(sum(took) / (last - first), 1),
            cpu_seconds=round(used.operator, 2),
            api_server_cpu_seconds=round(used.api_server, 2),
            neighbours=round(used.neighbours, 2),
            writes=writes,
        )

    def _log(self) -> AuditLog:
        path = self.cluster.control_plane.audit_log
        assert path is not None
        return AuditLog(path)

    @property
    def _admin_token(self) -> str:
        return self.cluster.control_plane.tokens["admin"]

    def _work(self, work: str, name: str, token: str, *, count: int = 0, term: str = "") -> None:
        with self._process(work, name, token, count=count, term=term) as process:
            _expect(process, work)

    @contextmanager
    def _process(
        self, work: str, name: str, token: str, *, count: int = 0, term: str = ""
    ) -> Iterator[subprocess.Popen[bytes]]:
        task = Task(
            server=self.cluster.server,
            ca_file=str(self.cluster.control_plane.ca_file),
            token=token,
            namespace=name,
            queue=name,
            count=count or self.jobs,
            term=term,
            seconds=self.seconds,
            pods=self.pods,
        )
        command = [sys.executable, "-m", "bench.bare", work]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
            try:
                stdin: IO[bytes] | None = process.stdin
                assert stdin is not None
                stdin.write(task.to_json())
                stdin.close()
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def _wait_until_suspended(self, name: str) -> None:
        """Wait until the Job controller has noted on every Job that it is suspended, and is at rest."""

        def noted() -> bool:
            jobs = self.cluster.admin.items(f"/apis/batch/v1/namespaces/{name}/jobs")
            return len(jobs) == self.jobs and all((job["status"].get("conditions") or ()) for job in jobs)

        eventually(noted, within=LIMIT_SECONDS, what="suspended Jobs", every=1)
        time.sleep(2)

    def _wait_until_admitted(self, log: AuditLog, name: str) -> None:
        """Wait for as many admissions as there are Jobs, and make sure that each was admitted once."""
        eventually(
            lambda: len(log.admissions(OPERATOR_USER, name)) >= self.jobs,
            within=LIMIT_SECONDS,
            what=f"admissions in {name}",
            every=0.5,
        )
        admissions = log.admissions(OPERATOR_USER, name)
        if len({write.name for write in admissions}) != self.jobs or len(admissions) != self.jobs:
            raise RuntimeError(f"{name}: {len(admissions)} admissions of {self.jobs} Jobs")

    def _finish(self, name: str, count: int) -> None:
        self._wait_until_finished(name, count)
        self._clear(name)

    def _wait_until_finished(self, name: str, count: int) -> None:
        path = f"/apis/batch/v1/namespaces/{name}/jobs"
        selected = f"{path}?fieldSelector=status.successful%3D1"
        eventually(
            lambda: len(self.cluster.admin.items(selected)) >= count,
            within=LIMIT_SECONDS,
            what=f"finished Jobs in {name}",
            every=2,
        )

    def _wait_until_counted(self, name: str, operator: Operator) -> None:
        """Wait until the queue's status says so too: those writes belong to the Jobs."""

        def counted() -> bool:
            status = self.cluster.admin.call("GET", f"{QUEUES}/{name}").get("status") or {}
            return operator.is_ready and (status.get("jobs") or {}).get("succeeded") == self.jobs

        eventually(counted, within=60, what=f"the status of {name}", every=1)

    def _clear(self, name: str) -> None:
        admin: Client = self.cluster.admin
        path = f"/apis/batch/v1/namespaces/{name}/jobs"
        admin.call("DELETE", path, {"propagationPolicy": "Background"})
        pods = f"/api/v1/namespaces/{name}/pods"
        eventually(
            lambda: not admin.items(pods) and not admin.items(path),
            within=LIMIT_SECONDS,
            what=f"deleted Pods in {name}",
            every=2,
        )
        time.sleep(2)


def seconds_of(runs: list[Run], who: str) -> float:
    """Return the median of the runs of one side."""
    return median(run.seconds for run in runs if run.who == who)


def _creates(write: Write, namespace: str) -> bool:
    return write.verb == "create" and write.resource == "jobs" and write.namespace == namespace


def _expect(process: subprocess.Popen[bytes], work: str) -> None:
    if process.wait(LIMIT_SECONDS) != 0:
        raise RuntimeError(f"bench.bare {work} ended with {process.returncode}")
