"""Owns the processes of a control plane, so that none of them can outlive whoever asked for it.

This file is run as a program of its own, one per control plane, and speaks JSON lines over its stdin and
stdout. It exists because the obvious alternative, starting the processes from the test itself, leaks: a
killed pytest leaves etcd and the API server behind, and ``PR_SET_PDEATHSIG`` set from there fires when the
*thread* that forked ends, not the process. Here there is one thread only, which settles both:

* the owner dies, however it dies: stdin reaches its end (or our parent changes), and we kill all children and
  leave;
* we die, however we die: ``PR_SET_PDEATHSIG`` makes the kernel kill all children.

It can also be the first process of a PID namespace: then whatever its children started ends with it too.

It must stay importable by a bare interpreter (``python -I -S``): standard library only, nothing of this
package.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 1.0
REMOVE_SECONDS = 10.0


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child runs before exec so that it dies with this process; nothing outside Linux."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return before_exec


class Children:
    """The processes, by name, in the order in which they were started."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._before_exec = die_with_parent()

    def start(self, name: str, argv: list[str], log: str) -> int:
        """Start one, appending its output to a log file; return its pid."""
        with open(log, "ab") as output:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=self._before_exec,
            )
        self._running[name] = child
        return child.pid

    def stop(self, name: str, seconds: float) -> int | None:
        """Ask one to stop, kill it after a while; return its exit code, or None for an unknown name."""
        child = self._running.pop(name, None)
        if child is None:
            return None
        child.terminate()
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def exits(self) -> dict[str, int | None]:
        """Return the exit code of each, None while it runs."""
        return {name: child.poll() for name, child in self._running.items()}

    def reap_others(self) -> None:
        """Let go of what has ended and was not started here: the first process inherits every orphan."""
        ours = {child.pid for child in self._running.values()}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in ours:
                    return  # it is waited for by name; the orphans behind it have time
                os.waitpid(ended.si_pid, 0)

    def kill_all(self) -> None:
        """Kill all at once: what they hold is thrown away, so there is nothing to save gracefully."""
        for child in self._running.values():
            child.kill()
        for child in self._running.values():
            child.wait()
        self._running.clear()


def answer(children: Children, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request."""
    match request["op"]:
        case "start":
            return {"pid": children.start(request["name"], request["argv"], request["log"])}
        case "stop":
            return {"code": children.stop(request["name"], request["seconds"])}
        case "exits":
            return {"exits": children.exits()}
        case unknown:
            return {"error": f"unknown operation {unknown!r}"}


def serve(children: Children) -> None:
    """Answer requests until nobody is left to send one."""
    owner = os.getppid()
    pending = b""
    while os.getppid() == owner:
        readable, _, _ = select.select([0], [], [], POLL_SECONDS)
        if os.getpid() == 1:
            children.reap_others()
        if not readable:
            continue
        received = os.read(0, 65536)
        if not received:
            return
        *lines, pending = (pending + received).split(b"\n")
        for line in lines:
            try:
                reply = answer(children, json.loads(line))
            except OSError as error:
                reply = {"error": str(error)}
            os.write(1, json.dumps(reply).encode() + b"\n")


def remove(folder: str) -> None:
    """Remove a folder that dying processes may still be writing to."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while os.path.exists(folder) and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


def main() -> None:
    """Serve; then kill what runs and remove the folders named on the command line."""
    children = Children()
    try:
        serve(children)
    except BrokenPipeError:
        pass  # the owner died while we answered
    finally:
        children.kill_all()
        for folder in sys.argv[1:]:
            remove(folder)


if __name__ == "__main__":
    main()
