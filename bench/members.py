"""Dispatch to members: three of them beside one, and two with a third that is dead beside the two alone.

The same Jobs on both sides, in turn, on one hub with three members, which are more API servers on the same etcd. What
is timed begins when a paused queue is resumed and ends when the last copy has been created, by the audit logs of the
hub and of the members. Nothing but the queue (pinned, or not) or the pool (with the dead member, or without) differs
between the two sides: all processes run, or are stopped, in both.

The Jobs have no Pods: what runs in a member has a machine of its own there, and would only be in the way here.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from bench import ROOT
from bench.audit import AuditLog, Write, tally
from bench.cluster import MERGE, OPERATOR_USER, QUEUES, SYSTEM, Client, Json, Operator, eventually
from bench.ratios import Ratio
from bench.throughput import LIMIT_SECONDS, Bench, Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.cluster import Cluster
    from controlplane.running import RunningCluster

POOL: Final = "bench"
POOLS: Final = "/apis/headgate.dev/v1alpha1/clusterpools"
NAMES: Final = ("east", "north", "west")
DEAD: Final = "north"
ALIVE: Final = tuple(name for name in NAMES if name != DEAD)
API_SERVER: Final = "kube-apiserver"
RIGHTS: Final = ROOT / "examples" / "clusters" / "member-rbac.yaml"
DISPATCHER: Final = "headgate-dispatcher"
DISPATCHER_USER: Final = f"system:serviceaccount:{SYSTEM}:{DISPATCHER}"


@dataclass(frozen=True)
class Side:
    """One of two things that are measured in turn."""

    name: str
    pool: tuple[str, ...] = NAMES
    """The members of the pool."""
    pinned: tuple[str, ...] = ("*",)
    """`spec.clusters` of the queue."""
    answering: tuple[str, ...] = NAMES


@dataclass(frozen=True)
class Run:
    """What one run took."""

    side: str
    seconds: float
    """From the arrival of the resume at the hub to the answer to the last creation of a copy."""
    admitted_seconds: float
    """The same to the answer to the last admission."""
    lag_ms: float
    """Median time from the answer to a Job's admission to the arrival of its copy's creation at the member."""
    spread: dict[str, int]
    """How many copies each member got."""
    cpu_seconds: float
    """The operator's, from the first create until all Jobs say that they run."""
    neighbours: float
    """Cores that others on this machine kept busy over the same time."""
    writes: dict[str, int]
    """Those of the operator in the hub over the same time."""
    member_writes: dict[str, int]
    """Those in the members."""


@dataclass(frozen=True)
class Pair:
    """A run of each side, one after the other."""

    first: Run
    second: Run


class Member:
    """A member as the benchmark sees it: an administrator's connection, and the audit log."""

    def __init__(self, name: str, cluster: RunningCluster) -> None:
        self.name = name
        self.cluster = cluster
        self.admin = Client(cluster.server, cluster.tokens["admin"], cluster.ca_file)

    def grant(self) -> Path:
        """Give the dispatcher the rights of the example, and return its kubeconfig."""
        self.kubectl("apply", "--server-side", "-f", str(RIGHTS))
        path = f"/api/v1/namespaces/{SYSTEM}/secrets"

        def token() -> str:
            tokens = [secret for secret in self.admin.items(path) if "token" in (secret.get("data") or {})]
            return base64.b64decode(tokens[0]["data"]["token"]).decode() if tokens else ""

        found = eventually(token, within=60, what=f"the dispatcher's token in {self.name}")
        return self.cluster.kubeconfig_for(DISPATCHER, found)

    def kubectl(self, *arguments: str) -> None:
        """Run kubectl as an administrator."""
        kubectl = Path(sys.executable).parent / "kubectl"
        command = [str(kubectl), "--kubeconfig", str(self.cluster.kubeconfig), *arguments]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def log(self) -> AuditLog:
        """Read its audit log from now on."""
        assert self.cluster.audit_log is not None
        return AuditLog(self.cluster.audit_log)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have no API server for a while: connections are refused."""
        self.cluster.stop_component(API_SERVER)
        try:
            yield
        finally:
            self.cluster.start_component(API_SERVER)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have an API server that accepts connections and answers nothing."""
        process = self.cluster.pids[API_SERVER]
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)


@contextmanager
def members(hub: Cluster) -> Iterator[list[Member]]:
    """Start the members and make the pool."""
    found = []
    for name in NAMES:
        member = Member(name, hub.control_plane.add_cluster(name, nodes=4, audit=True))
        found.append(member)
        kubeconfig = base64.b64encode(member.grant().read_bytes()).decode()
        secret = {"metadata": {"name": f"cluster-{name}"}, "data": {"kubeconfig": kubeconfig}}
        hub.admin.call("POST", f"/api/v1/namespaces/{SYSTEM}/secrets", secret)
    pool = {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": "ClusterPool",
        "metadata": {"name": POOL},
        "spec": {"clusters": _clusters(NAMES)},
    }
    hub.admin.call("POST", POOLS, pool)
    try:
        yield found
    finally:
        for name in list(hub.control_plane.clusters):
            hub.control_plane.remove_cluster(name)


@dataclass
class MemberBench(Bench):
    """Where these runs take place."""

    members: Sequence[Member] = field(default_factory=list)

    def spread_out(self, rounds: int) -> list[Pair]:
        """Measure three members beside one."""
        return self.pairs(Side("one", pinned=NAMES[:1]), Side("three"), rounds)

    def beside_a_dead_one(self, rounds: int, *, frozen: bool) -> list[Pair]:
        """Measure two members with a third that is dead, beside the two alone."""
        name = "hung" if frozen else "dead"
        dead = next(member for member in self.members if member.name == DEAD)
        with dead.frozen() if frozen else dead.stopped():
            alone = Side(f"{name}-not-there", pool=ALIVE, answering=ALIVE)
            return self.pairs(alone, Side(name, answering=ALIVE), rounds)

    def pairs(self, first: Side, second: Side, rounds: int) -> list[Pair]:
        """Run both in turn, so many times, and the other way round every second time."""
        pairs = []
        profile = self.profile and self.profile.with_suffix(f".{second.name}.pstats")
        sides = (first, second)
        with self.cluster.operator(profile=profile) as operator:
            # Connections, caches and the policies' compiled expressions: not on the first run's account.
            for side in sides:
                self._run_side(f"{side.name}-warm", side, operator, max(self.jobs // 10, 20))
            for number in range(rounds):
                runs = {}
                for side in sides if number % 2 == 0 else reversed(sides):
                    run = self._run_side(f"{side.name}-{number}", side, operator, self.jobs)
                    runs[side] = run
                    self.say(
                        f"{run.side}: {self.jobs / run.seconds:.0f}/s, admitted at "
                        f"{self.jobs / run.admitted_seconds:.0f}/s, {run.lag_ms:.0f} ms from there to the copy, "
                        f"operator {run.cpu_seconds:.1f} CPU-s, neighbours {run.neighbours:.1f} cores"
                    )
                pairs.append(Pair(runs[first], runs[second]))
        return pairs

    def _prepare(self, name: str, side: Side) -> None:
        namespace = {"metadata": {"name": name}}
        self.cluster.admin.call("POST", "/api/v1/namespaces", namespace)
        for member in self._up(side):
            member.admin.call("POST", "/api/v1/namespaces", namespace)
            path = f"/api/v1/namespaces/{name}/serviceaccounts"
            eventually(
                lambda admin=member.admin, path=path: admin.items(path),  # type: ignore[misc]
                within=60,
                what=f"the service account of {name}",
            )
        self.cluster.create_queue(name, paused=True, pool=POOL, clusters=side.pinned)

    def _run_side(self, name: str, side: Side, operator: Operator, count: int) -> Run:
        self._set_pool(side)
        self._prepare(name, side)
        self.cluster.wait_for_bindings()
        hub, logs = self._log(), {member.name: member.log() for member in self._up(side)}
        meter = Meter(self.cluster, operator)
        self._work("create", name, self._admin_token, count=count)
        self._wait_until_seen(name, count)
        resume = {"spec": {"dispatch": {"paused": False}}}
        self.cluster.admin.call("PATCH", f"{QUEUES}/{name}", resume, content_type=MERGE)

        def creations() -> dict[str, list[Write]]:
            return {
                member: [write for write in log.read() if _copies(write, name)]
                for member, log in logs.items()
            }

        eventually(
            lambda: sum(map(len, creations().values())) >= count,
            within=LIMIT_SECONDS,
            what=f"copies of {name}",
            every=0.5,
        )
        self._wait_until_started(name, count)
        used = meter.read()
        admissions = hub.admissions(OPERATOR_USER, name)
        made = creations()
        writes = [write for write in hub.read() if write.user == OPERATOR_USER]
        there = [write for log in logs.values() for write in log.read() if write.user == DISPATCHER_USER]
        self._clear_members(name, side)
        self._delete_queue(name)
        copies = [write for writes in made.values() for write in writes]
        if len({write.name for write in copies}) != count or len(copies) != count:
            raise RuntimeError(f"{name}: {len(copies)} copies of {count} Jobs")
        began = max(
            w.received for w in hub.writes if (w.resource, w.name, w.verb) == ("jobqueues", name, "patch")
        )
        admitted = {write.name: write.answered for write in admissions}
        return Run(
            side.name,
            seconds=round(max(write.answered for write in copies) - began, 3),
            admitted_seconds=round(max(admitted.values()) - began, 3),
            lag_ms=round(median(write.received - admitted[write.name] for write in copies) * 1e3, 1),
            spread=dict(Counter({member: len(writes) for member, writes in made.items()})),
            cpu_seconds=round(used.operator, 2),
            neighbours=round(used.neighbours, 2),
            writes=tally(writes),
            member_writes=tally(there),
        )

    def _up(self, side: Side) -> list[Member]:
        return [member for member in self.members if member.name in side.answering]

    def _set_pool(self, side: Side) -> None:
        """Give the pool its members, and wait until it says that those that can answer are running, and no others."""
        path, wanted = f"{POOLS}/{POOL}", _clusters(side.pool)
        there: list[Json] = self.cluster.admin.call("GET", path)["spec"]["clusters"]
        leaving = [{**one, "state": "Disabled"} for one in there if one["name"] not in side.pool]

        def change(*clusters: Json) -> None:
            body = {"spec": {"clusters": list(clusters)}}
            self.cluster.admin.call("PATCH", path, body, content_type=MERGE)

        def changed() -> bool:
            # Refused as long as it is not known that nothing is left in a member that is to go.
            with suppress(RuntimeError):
                change(*wanted)
                return True
            return False

        if leaving:
            change(*wanted, *leaving)

        eventually(changed, within=60, what="a change of the pool")
        expected = {name: name in side.answering for name in side.pool}

        def settled() -> bool:
            status = self.cluster.admin.call("GET", f"{POOLS}/{POOL}").get("status") or {}
            states = {one["name"]: one["state"] == "Running" for one in status.get("clusters") or ()}
            return states == expected

        eventually(settled, within=120, what=f"a pool of {expected}")

    def _wait_until_seen(self, name: str, count: int) -> None:
        """Wait until the queue's status says that all Jobs wait; nobody writes on a proxy while it does."""

        def waiting() -> bool:
            status = self.cluster.admin.call("GET", f"{QUEUES}/{name}").get("status") or {}
            return (status.get("jobs") or {}).get("waiting") == count

        eventually(waiting, within=LIMIT_SECONDS, what=f"waiting Jobs in {name}")
        time.sleep(2)

    def _wait_until_started(self, name: str, count: int) -> None:
        """Wait until the hub's Jobs say what their copies do."""
        path = f"/apis/batch/v1/namespaces/{name}/jobs"
        eventually(
            lambda: (
                sum("startTime" in (job.get("status") or {}) for job in self.cluster.admin.items(path))
                == count
            ),
            within=LIMIT_SECONDS,
            what=f"started Jobs in {name}",
            every=1,
        )

    def _delete_queue(self, name: str) -> None:
        """Delete it, once nothing in it is live: it would cost the operator something in later runs."""

        def deleted() -> bool:
            with suppress(RuntimeError):
                self.cluster.admin.call("DELETE", f"{QUEUES}/{name}")
                return True
            return False

        eventually(deleted, within=60, what=f"the deletion of {name}")

    def _clear_members(self, name: str, side: Side) -> None:
        """Delete the Jobs and wait until nothing of their copies is left, which is Headgate's to do."""
        self._clear(name)
        for member in self._up(side):
            paths = f"/apis/batch/v1/namespaces/{name}/jobs", f"/api/v1/namespaces/{name}/pods"
            eventually(
                lambda admin=member.admin, paths=paths: not any(admin.items(path) for path in paths),  # type: ignore[misc]
                within=LIMIT_SECONDS,
                what=f"deleted copies of {name} in {member.name}",
                every=1,
            )


def measure(
    hub: Cluster, jobs: int, rounds: int, say: Callable[[str], None], profile: Path | None
) -> dict[str, list[Pair]]:
    """Start members beside a hub and run all pairs; returns the runs by figure."""
    with members(hub) as found:
        bench = MemberBench(hub, jobs, 1.0, say, profile, pods=0, members=found)
        return {
            "members_ratio": bench.spread_out(rounds),
            "dead_member_ratio": bench.beside_a_dead_one(rounds, frozen=False),
            "hung_member_ratio": bench.beside_a_dead_one(rounds, frozen=True),
        }


def ratio(pairs: Sequence[Pair]) -> Ratio:
    """Return the rate of the second side over that of the first."""
    return Ratio.of([pair.first.seconds / pair.second.seconds for pair in pairs])


def _clusters(names: Sequence[str]) -> list[Json]:
    return [
        {
            "name": name,
            "kubeconfigSecretRef": {"namespace": SYSTEM, "name": f"cluster-{name}", "key": "kubeconfig"},
        }
        for name in names
    ]


def _copies(write: Write, namespace: str) -> bool:
    """Whether it created a copy in a namespace."""
    return (
        write.user == DISPATCHER_USER
        and (write.verb, write.resource, write.namespace) == ("create", "jobs", namespace)
        and write.succeeded
    )
