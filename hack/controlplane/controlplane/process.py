"""The owner's side of the supervisor: start, stop and look at processes by name.

Everything that runs for a control plane is started through a `Processes`; see `supervisor` for why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controlplane.errors import ControlPlaneError, PortTaken, ProcessDied

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SUPERVISOR = Path(__file__).with_name("supervisor.py")
PORT_TAKEN = "address already in use"
# the Go garbage collector runs half as often: 7 % less CPU of the API server, for about 150 MB more memory
ENVIRONMENT = {"GOGC": "200"}
GRACE_SECONDS = 2.0  # etcd and the API server would wait many seconds for watches that never end
PATIENCE = 300.0
"""How many seconds something may take that is sure to come: a busy machine takes many times what it usually does."""


class Processes:
    """The running processes of one control plane, owned by a supervisor that dies with us."""

    def __init__(self, logs: Path, *, remove: Sequence[Path] = (), within: Sequence[str] = ()) -> None:
        """Start the supervisor.

        Parameters
        ----------
        logs
            The folder of the processes' output.
        remove
            Folders that the supervisor deletes at its end, also when we are killed.
        within
            A command that the supervisor is started by, as an argument of it, and that ends with it.
        """
        logs.mkdir(parents=True, exist_ok=True)
        self.pids: dict[str, int] = {}
        self._logs = logs
        self._lock = threading.Lock()
        self._supervisor = subprocess.Popen(
            [*within, sys.executable, "-I", "-S", str(SUPERVISOR), *map(str, remove)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={**ENVIRONMENT, **os.environ},
            start_new_session=True,  # Ctrl-C is for us: we end it in our own order
        )

    @property
    def pid(self) -> int:
        """The supervisor, or the command that it was started by."""
        return self._supervisor.pid

    def start(self, name: str, argv: Sequence[str | Path]) -> int:
        """Start a process under a name that is not running."""
        if name in self.pids:
            raise ControlPlaneError(f"{name} is already running")
        words = [str(word) for word in argv]
        pid = int(self._ask("start", name=name, argv=words, log=str(self.log(name)))["pid"])
        self.pids[name] = pid
        return pid

    def stop(self, name: str, seconds: float = GRACE_SECONDS) -> int:
        """Send SIGTERM, and SIGKILL after some seconds; return the exit code."""
        if self.pids.pop(name, None) is None:
            raise ControlPlaneError(f"{name} is not running")
        return int(self._ask("stop", name=name, seconds=seconds)["code"])

    def log(self, name: str) -> Path:
        """Return where the output of that process goes."""
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """Raise when a process that should run has ended."""
        for name, code in self._ask("exits")["exits"].items():
            if code is not None:
                tail = tail_of(self.log(name))
                kind = PortTaken if PORT_TAKEN in tail else ProcessDied
                raise kind(f"{name} ended with code {code}; the end of {self.log(name)}:\n{tail}")

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Wait for a condition; fail early when a process ends, or when it takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                tails = "\n".join(f"--- {name}\n{tail_of(self.log(name), 5)}" for name in self.pids)
                raise ControlPlaneError(f"{what} did not happen within {seconds:.0f} s\n{tails}")
            time.sleep(0.05)

    def end(self) -> None:
        """Kill everything and return when it is gone. May be called twice."""
        with self._lock:
            self.pids.clear()
            pipe = self._supervisor.stdin
            if pipe is not None and not pipe.closed:
                pipe.close()
            self._supervisor.wait()
            if self._supervisor.stdout is not None:
                self._supervisor.stdout.close()

    def _ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        with self._lock:
            pipe, replies = self._supervisor.stdin, self._supervisor.stdout
            if pipe is None or replies is None or pipe.closed:
                raise ControlPlaneError("the control plane has been stopped")
            try:
                pipe.write(json.dumps({"op": op, **arguments}).encode() + b"\n")
                pipe.flush()
                line = replies.readline()
            except BrokenPipeError:
                line = b""
            if not line:
                raise ControlPlaneError(
                    "the supervisor of the control plane is gone, and its processes with it"
                )
            reply: dict[str, Any] = json.loads(line)
            if "error" in reply:
                raise ControlPlaneError(reply["error"])
            return reply


def tail_of(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, or nothing where there is no log."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
