"""A control plane that stays when the command that started it ends: what is behind `up`, `down` and `status`.

A process of its own holds the control plane and a lock in its folder. Whether one runs is asked of the lock,
never of a pid in a file: the kernel releases a lock when its holder dies, and a pid may be somebody else's by
then.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from controlplane.binaries import CORE, ensure
from controlplane.controlplane import ControlPlane
from controlplane.errors import ControlPlaneError
from controlplane.process import tail_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from controlplane.running import RunningCluster

PACKAGES = Path(__file__).parents[1]
START_SECONDS = 600
"""It has several parts, each of which may take its time."""
STOP_SECONDS = 60


def up(
    directory: Path, nodes: int, *, members: int = 0, audit: bool, kubelets: bool = False
) -> tuple[dict[str, Any], bool]:
    """Start one in that folder, with so many clusters beside it; return its state, and whether it was running."""
    if is_running(directory):
        state = wait_for_state(directory, None)
        if members > (there := len(state["clusters"])):
            raise ControlPlaneError(f"it runs with {there} members: stop it first, to have {members}")
        if kubelets and not state["kubelet_client"]:
            raise ControlPlaneError("it runs without a real node: stop it first, to have one")
        return state, True
    ensure(CORE)  # here, where the user sees the progress
    command = ["controlplane", "serve", f"--dir={directory}", f"--nodes={nodes}", f"--members={members}"]
    command += ["--audit"] * audit + ["--kubelets"] * kubelets
    return wait_for_state(directory, launch(directory, command)), False


def launch(directory: Path, command: Sequence[str], *, paths: Sequence[Path] = ()) -> subprocess.Popen[bytes]:
    """Start what will hold that folder: a module with its arguments, and where else its modules are found."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    state_file(directory).unlink(missing_ok=True)
    with serve_log(directory).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [PACKAGES, *paths]))},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def down(directory: Path) -> bool:
    """Stop the one in that folder and return when it is gone; tell whether there was one."""
    if not is_running(directory):
        return False
    send(directory, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while is_running(directory):
        if time.monotonic() > deadline:
            send(directory, signal.SIGKILL)  # its supervisor ends the rest
        time.sleep(0.05)
    state_file(directory).unlink(missing_ok=True)
    return True


def serve(directory: Path, nodes: int, *, members: int = 0, audit: bool, kubelets: bool = False) -> NoReturn:
    """Hold a control plane, and the clusters beside it, until SIGTERM."""
    with (
        held(directory, "control plane"),
        ControlPlane.start(directory, nodes=nodes, audit=audit, kubelets=kubelets) as control_plane,
    ):
        names = [f"member-{number}" for number in range(1, members + 1)]
        with ThreadPoolExecutor(max(members, 1)) as pool:
            clusters = dict(zip(names, pool.map(control_plane.add_cluster, names), strict=True))
        state = {
            **described(control_plane),
            "clusters": {name: described(cluster) for name, cluster in clusters.items()},
        }
        write_state(directory, state)
        while True:
            signal.pause()


@contextlib.contextmanager
def held(directory: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder, and end at SIGTERM; raise where somebody else holds it."""
    directory.mkdir(parents=True, exist_ok=True)
    with lock_file(directory).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ControlPlaneError(f"another {what} runs in {directory}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        yield


def write_state(directory: Path, state: dict[str, Any]) -> None:
    """Say that what holds the folder is ready, and what it is."""
    partial = state_file(directory).with_suffix(".partial")
    partial.write_text(json.dumps(state, indent=2) + "\n")
    partial.replace(state_file(directory))


def described(cluster: RunningCluster) -> dict[str, Any]:
    """Return what a command needs to know of a cluster that runs."""
    return {
        "server": cluster.server,
        "kubeconfig": str(cluster.kubeconfig),
        "ca": str(cluster.ca_file),
        "kubelet_client": str(cluster.kubelet_client) if cluster.kubelet_client else None,
        "pids": cluster.pids,
    }


def is_running(directory: Path) -> bool:
    """Tell whether a control plane is held in that folder, ready or not."""
    try:
        lock = os.open(lock_file(directory), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def send(directory: Path, number: signal.Signals) -> None:
    """Send a signal to the holder of the lock."""
    with contextlib.suppress(ProcessLookupError, ValueError):  # it has just ended; it has just begun
        os.kill(int(lock_file(directory).read_text()), number)


def state_of(directory: Path) -> dict[str, Any] | None:
    """Return what a running control plane says about itself; None where none is ready."""
    if not is_running(directory):
        return None
    try:
        state: dict[str, Any] = json.loads(state_file(directory).read_text())
    except FileNotFoundError:
        return None
    return state


def wait_for_state(directory: Path, server: subprocess.Popen[bytes] | None) -> dict[str, Any]:
    """Return the state once it is ready; without a server of ours, that of the one that is starting."""
    deadline = time.monotonic() + START_SECONDS
    while (state := state_of(directory)) is None:
        ended = server is None or server.poll() is not None
        if ended and not is_running(directory):  # else somebody else's is starting: that will do
            raise ControlPlaneError(f"the control plane did not start:\n{tail_of(serve_log(directory), 30)}")
        if time.monotonic() > deadline:
            raise ControlPlaneError(f"not ready after {START_SECONDS} s; see {directory / 'logs'}")
        time.sleep(0.05)
    return state


def state_file(directory: Path) -> Path:
    """Return where a ready control plane says what it is."""
    return directory / "state.json"


def lock_file(directory: Path) -> Path:
    """Return the file that is locked while a control plane is held, with the holder's pid in it."""
    return directory / "lock"


def serve_log(directory: Path) -> Path:
    """Return where the holder's own output goes."""
    return directory / "serve.log"
