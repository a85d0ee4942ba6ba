"""Keeps an operator running in the background, as a Deployment would: one that ends is started again.

Its folder works like the control plane's own (see `controlplane.daemon`): the lock in it is held as long as it
runs, and `state.json` is there when the operator leads.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from hack.local.process import OperatorProcess

from controlplane import ControlPlaneError, daemon

if TYPE_CHECKING:
    from collections.abc import Callable

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
    command = ["hack.local", "keep", f"--dir={directory}", f"--kubeconfig={kubeconfig}"]
    keeper = daemon.launch(own, command, paths=[ROOT])
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
    pause = PAUSE_SECONDS
    with (
        daemon.held(own, "operator"),
        contextlib.closing(OperatorProcess(kubeconfig, own / "logs")) as operator,
    ):
        while daemon.is_running(directory):
            try:
                operator.start()
                daemon.write_state(own, {"metrics": f"http://127.0.0.1:{operator.port}/metrics"})
                pause = PAUSE_SECONDS
                watch(operator.check, directory)
            except ControlPlaneError as error:
                print(f"{error}\nstarting it again in {pause:.0f} s", flush=True)
                operator.stop()
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    sys.exit("the control plane is gone")


def watch(check: Callable[[], None], directory: Path) -> None:
    """Return when the control plane is gone; raise when the check does."""
    while daemon.is_running(directory):
        check()
        time.sleep(0.5)
