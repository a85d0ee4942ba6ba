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
    from controlplane.running import RunningCluster

PACKAGES = Path(__file__).parents[1]
START_SECONDS = 120
STOP_SECONDS = 20


def up(directory: Path, nodes: int, *, members: int = 0, audit: bool) -> tuple[dict[str, Any], bool]:
    """Start one in that folder, with so many clusters beside it; return its state, and whether it was running."""
    if is_running(directory):
        state = wait_for_state(directory, None)
        if members > (there := len(state["clusters"])):
            raise ControlPlaneError(f"it runs with {there} members: stop it first, to have {members}")
        return state, True
    ensure(CORE)  # here, where the user sees the progress
    directory.mkdir(parents=True, exist_ok=True)
    state_file(directory).unlink(missing_ok=True)
    command = [sys.executable, "-m", "controlplane", "serve", f"--dir={directory}"]
    command += [f"--nodes={nodes}", f"--members={members}"]
    if audit:
        command.append("--audit")
    with serve_log(directory).open("wb") as log:
        server = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(PACKAGES)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return wait_for_state(directory, server), False


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


def serve(directory: Path, nodes: int, *, members: int = 0, audit: bool) -> NoReturn:
    """Hold a control plane, and the clusters beside it, until SIGTERM."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = lock_file(directory).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ControlPlaneError(f"another control plane runs in {directory}") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ControlPlane.start(directory, nodes=nodes, audit=audit) as control_plane:
        names = [f"member-{number}" for number in range(1, members + 1)]
        with ThreadPoolExecutor(max(members, 1)) as pool:
            clusters = dict(zip(names, pool.map(control_plane.add_cluster, names), strict=True))
        state = {
            **described(control_plane),
            "clusters": {name: described(cluster) for name, cluster in clusters.items()},
        }
        partial = state_file(directory).with_suffix(".partial")
        partial.write_text(json.dumps(state, indent=2) + "\n")
        partial.replace(state_file(directory))
        while True:
            signal.pause()


def described(cluster: RunningCluster) -> dict[str, Any]:
    """Return what a command needs to know of a cluster that runs."""
    return {
        "server": cluster.server,
        "kubeconfig": str(cluster.kubeconfig),
        "ca": str(cluster.ca_file),
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
