"""Keeps an operator running in the background, as a Deployment would: one that ends is started again.

Its folder works like the control plane's own (see `controlplane.daemon`): the lock in it is held as long as it
runs, and `state.json` is there when the operator leads.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

from hack.local.process import OperatorProcess

from controlplane import ControlPlaneError, daemon

ROOT: Final = Path(__file__).parents[2]
PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0


def folder(directory: Path) -> Path:
    """Return where the keeper of the control plane in that folder has its own state."""
    return directory / "operator"


def up(directory: Path, kubeconfig: Path) -> bool:
    """Start a keeper, unless one runs, and return when its operator leads; tell whether one ran."""
    own = folder(directory)
    if daemon.is_running(own):
        daemon.wait_for_state(own, None)
        return True
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    daemon.state_file(own).unlink(missing_ok=True)
    with daemon.serve_log(own).open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "hack.local", "keep", f"--dir={directory}", f"--kubeconfig={kubeconfig}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(daemon.PACKAGES), str(ROOT)])},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        daemon.wait_for_state(own, keeper)
    except BaseException:
        daemon.down(own)
        raise
    return False


def down(directory: Path) -> bool:
    """Stop the keeper and its operator; tell whether there was one."""
    return daemon.down(folder(directory))


def keep(directory: Path, kubeconfig: Path) -> NoReturn:
    """Hold an operator until SIGTERM, or until its control plane is gone."""
    own = folder(directory)
    lock = daemon.lock_file(own).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ControlPlaneError(f"another operator runs in {own}") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    operator = OperatorProcess(kubeconfig, own / "logs")
    pause = PAUSE_SECONDS
    try:
        while daemon.is_running(directory):
            try:
                operator.start()
                note(own, operator)
                pause = PAUSE_SECONDS
                watch(operator, directory)
            except ControlPlaneError as error:
                print(f"{error}\nstarting it again in {pause:.0f} s", flush=True)
                operator.stop()
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    finally:
        operator.close()
    sys.exit("the control plane is gone")


def watch(operator: OperatorProcess, directory: Path) -> None:
    """Return when the control plane is gone; raise when the operator has ended."""
    while daemon.is_running(directory):
        operator.check()
        time.sleep(0.5)


def note(own: Path, operator: OperatorProcess) -> None:
    """Write down that the operator leads, and where its metrics are."""
    partial = daemon.state_file(own).with_suffix(".partial")
    partial.write_text(json.dumps({"metrics": f"http://127.0.0.1:{operator.port}/metrics"}) + "\n")
    partial.replace(daemon.state_file(own))
