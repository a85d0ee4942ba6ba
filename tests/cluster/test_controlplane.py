"""The control plane itself: it runs Jobs, and nothing of it stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from controlplane import ClusterAccess, ControlPlane, ControlPlaneError
from controlplane.client import Client
from controlplane.controlplane import COMPONENTS
from controlplane.process import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif("HEADGATE_CLUSTER" in os.environ, reason="these test the control plane of our own"),
]

T = TypeVar("T")

JOBS = "/apis/batch/v1/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    with ControlPlane.start(nodes=2, audit=True) as started:
        yield started


@pytest.fixture(scope="module")
def admin(control_plane: ControlPlane) -> Client:
    return client_of(control_plane)


def client_of(control_plane: ClusterAccess, user: str = "admin") -> Client:
    return Client(control_plane.server, control_plane.ca_file, control_plane.tokens[user])


def job(name: str, **annotations: str) -> dict[str, Any]:
    pod = {
        "metadata": {
            "annotations": {f"headgate.dev/{key.replace('_', '-')}": v for key, v in annotations.items()}
        },
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]},
    }
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": pod}}


def created(client: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    status, answer = client.request("POST", path, body)
    assert status == 201, answer
    return dict(answer)


def eventually(look: Callable[[], T], seconds: float = PATIENCE) -> T:
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return seen


def finished(client: Client, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        status = (client.get(f"{JOBS}/{name}") or {}).get("status", {})
        ends = [c for c in status.get("conditions", []) if c["type"] in {"Complete", "Failed"}]
        return {"type": ends[0]["type"], **status} if ends else {}

    return eventually(look)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_job_runs_for_as_long_as_its_annotation_says(admin: Client) -> None:
    created(admin, JOBS, job("endless", test_duration="600s"))
    created(admin, JOBS, job("timed", test_duration="3s"))
    assert finished(admin, "timed")["type"] == "Complete"
    pod = admin.get(f"{PODS}?labelSelector=job-name=timed")["items"][0]
    ran = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    started, ended = (datetime.fromisoformat(ran[key]) for key in ("startedAt", "finishedAt"))
    assert (ended - started).total_seconds() >= 3
    assert not admin.get(f"{JOBS}/endless")["status"].get("conditions")
    admin.request("DELETE", f"{JOBS}/endless", {"propagationPolicy": "Background"})


def test_job_told_to_fail_fails(admin: Client) -> None:
    created(admin, JOBS, job("failing", test_fail="true", test_duration="100ms"))
    end = finished(admin, "failing")
    assert end["type"] == "Failed"
    assert end["conditions"][-1]["reason"] == "BackoffLimitExceeded"


def test_only_pods_of_jobs_and_helm_tests_end(admin: Client) -> None:
    containers = [{"name": "main", "image": "none"}]
    created(admin, PODS, {"metadata": {"name": "serving"}, "spec": {"containers": containers}})
    hook = {"name": "hook", "annotations": {"helm.sh/hook": "test", "headgate.dev/test-duration": "100ms"}}
    created(admin, PODS, {"metadata": hook, "spec": {"containers": containers, "restartPolicy": "Never"}})

    def phase(name: str) -> str:
        return str(admin.get(f"{PODS}/{name}")["status"]["phase"])

    eventually(lambda: phase("hook") == "Succeeded")
    eventually(lambda: phase("serving") == "Running")
    time.sleep(1.5)  # longer than a Pod that ends by itself would run
    assert phase("serving") == "Running"
    admin.request("DELETE", f"{PODS}/serving")
    eventually(lambda: admin.request("GET", f"{PODS}/serving")[0] == 404)


def test_users_have_no_rights_before_they_are_granted(control_plane: ControlPlane) -> None:
    for user in ("alice", "operator"):
        assert client_of(control_plane, user).request("GET", JOBS)[0] == 403
    assert Client(control_plane.server, control_plane.ca_file, "wrong").request("GET", JOBS)[0] == 401
    kubeconfig = control_plane.kubeconfig_for("alice")
    assert control_plane.tokens["alice"] in kubeconfig.read_text()
    assert kubeconfig.stat().st_mode & 0o077 == 0


def test_audit_log_has_every_write_and_no_read(control_plane: ControlPlane, admin: Client) -> None:
    created(admin, JOBS, job("audited"))
    assert control_plane.audit_log is not None
    log = control_plane.audit_log

    def entries() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]

    def ours() -> list[str]:
        return [
            entry["verb"]
            for entry in entries()
            if entry["user"]["username"] == "admin" and entry["objectRef"].get("name") == "audited"
        ]

    eventually(ours)  # a line is written when the answer has been sent
    assert ours() == ["create"]
    assert not {entry["verb"] for entry in entries()} & {"get", "list", "watch"}


def test_component_stops_and_comes_back(control_plane: ControlPlane, admin: Client) -> None:
    for name in ("kube-scheduler", "kube-apiserver", "etcd", "kwok", "kube-controller-manager"):
        before = control_plane.pids[name]
        control_plane.stop_component(name)
        assert name not in control_plane.pids
        assert not is_alive(before)
        control_plane.start_component(name)
    # An API server whose etcd was away may refuse the first requests, or carry one out and not say so.
    body = job("afterwards", test_duration="100ms")
    eventually(lambda: admin.request("POST", JOBS, body)[0] in (201, 409))
    assert finished(admin, "afterwards")["type"] == "Complete"


def test_two_at_once_know_nothing_of_each_other_and_leave_nothing() -> None:
    with ThreadPoolExecutor(2) as pool:  # its threads end before the control planes do
        first, second = pool.map(lambda _: ControlPlane.start(nodes=1), range(2))
    with first, second:
        assert first.server != second.server
        created(client_of(first), JOBS, job("here"))
        assert client_of(second).request("GET", f"{JOBS}/here")[0] == 404
        pids = [*first.pids.values(), *second.pids.values()]
        assert len(pids) == 2 * len(COMPONENTS)
    assert not [pid for pid in pids if is_alive(pid)]
    assert not first.directory.exists()
    first.stop()  # once more does no harm


def test_clusters_beside_it_know_nothing_of_each_other_and_end_with_it() -> None:
    with ControlPlane.start(nodes=1) as hub:
        with ThreadPoolExecutor(2) as pool:
            east, west = pool.map(lambda name: hub.add_cluster(name, nodes=1), ("east", "west"))
        with pytest.raises(ControlPlaneError, match="there is a cluster 'east' already"):
            hub.add_cluster("east")
        clients = [client_of(cluster) for cluster in (hub, east, west)]
        identities = {client.get("/api/v1/namespaces/kube-system")["metadata"]["uid"] for client in clients}
        assert len(identities) == 3
        assert Client(east.server, east.ca_file, hub.tokens["admin"]).request("GET", JOBS)[0] == 401
        created(clients[1], JOBS, job("here", test_duration="100ms"))
        assert finished(clients[1], "here")["type"] == "Complete"
        assert [client.request("GET", f"{JOBS}/here")[0] for client in clients] == [404, 200, 404]

        east.stop_component("kube-apiserver")
        assert [client.request("GET", JOBS)[0] for client in clients] == [200, 0, 200]
        hub.remove_cluster("west")
        assert clients[2].request("GET", JOBS)[0] == 0
        pids = [pid for cluster in (hub, *hub.clusters.values()) for pid in cluster.pids.values()]
        assert all(map(is_alive, pids))
    assert not any(map(is_alive, pids))
    assert not hub.directory.exists()


@pytest.mark.parametrize("victim", ["owner", "supervisor"])
def test_sigkill_leaves_no_process(victim: str) -> None:
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import json, time; from controlplane import ControlPlane\n"
            "cp = ControlPlane.start(nodes=1)\n"
            "print(json.dumps([cp._processes._supervisor.pid, cp.pids, str(cp.directory)]), flush=True)\n"
            "time.sleep(600)",
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with owner:
        assert owner.stdout is not None
        supervisor, pids, directory = json.loads(owner.stdout.readline())
        assert all(map(is_alive, [supervisor, *pids.values()]))
        os.kill(owner.pid if victim == "owner" else supervisor, signal.SIGKILL)
        eventually(lambda: not any(map(is_alive, [supervisor, *pids.values()])))
        owner.kill()
    if victim == "owner":
        eventually(lambda: not Path(directory).exists())
    shutil.rmtree(directory, ignore_errors=True)  # what nobody is left to remove


def test_up_outlives_its_command_and_down_ends_it(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "controlplane", *arguments, f"--dir={tmp_path}"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert run("status").returncode == 1
    first = run("up", "--nodes=1")
    try:
        assert first.returncode == 0, first.stderr
        assert first.stdout.splitlines()[-1] == f"export KUBECONFIG={tmp_path}/admin.kubeconfig"
        pids = json.loads((tmp_path / "state.json").read_text())["pids"]
        assert "already running" in run("up").stderr
        assert json.loads((tmp_path / "state.json").read_text())["pids"] == pids
        assert run("status").returncode == 0
    finally:
        down = run("down")
    assert down.returncode == 0
    assert not any(map(is_alive, pids.values()))
    assert run("down").returncode == 0
