"""The namespaces that everything of a node lives in, and what the kernel does not take away with them.

Two supervisors, both of which end when we do, however we end (see `controlplane.supervisor`):

* the inner one is the first process of the PID namespace, so its end is the end of every container and shim, and with
  the last process go the mounts and the network;
* the outer one runs what has to be outside, and removes what namespaces do not hold: files and cgroups.

Were both killed at once, files and cgroups would stay: the next box removes them.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controlplane import ControlPlaneError
from controlplane.process import Processes
from controlplane.supervisor import remove

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCRIPT: Final = Path(__file__).with_name("box.sh")
HIDDEN: Final = tuple(map(Path, ("/run", "/var/run", "/var/lib", "/var/log")))
"""What the box has its own of."""
NAMESPACES: Final = ("--mount", "--net", "--pid", "--ipc")
CGROUP: Final = re.compile(r"headgate-(\d+)-.+")


class Box:
    """A box that runs; `processes` are those inside, `outside` those beside it."""

    def __init__(self, directory: Path, name: str) -> None:
        """Open a box whose files are in that folder; raise where it cannot be there."""
        if any(directory.resolve().is_relative_to(hidden) for hidden in HIDDEN):
            raise ControlPlaneError(
                f"a node cannot keep its files in {directory}: it has its own of that folder"
            )
        self.cgroup = f"headgate-{os.getpid()}-{name}"
        """The parent of the Pods' cgroups, in every hierarchy."""
        self.files = directory / "box"
        remove_leftovers(self.files)
        cgroups = [hierarchy / self.cgroup for hierarchy in hierarchies()]
        for folder in (self.files, *cgroups):
            folder.mkdir(parents=True, exist_ok=True)
        within = [
            "unshare",
            *NAMESPACES,
            "--mount-proc",
            "--fork",
            "--kill-child",
            "sh",
            str(SCRIPT),
            str(self.files),
        ]
        with ExitStack() as begun:
            self.outside = Processes(directory / "logs", remove=[*cgroups, self.files])
            begun.callback(self.outside.end)
            self.processes = Processes(directory / "logs", within=within)
            begun.callback(self.processes.end)
            # It answers from inside: only then is there a first process.
            self.processes.check()
            begun.pop_all()

    @property
    def pid(self) -> int:
        """The first process of the box, as it is called outside."""
        parent = self.processes.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if not children:
            raise ControlPlaneError("the box of the node is gone")
        return int(children[0])

    def run(self, *command: str | Path, given: bytes | None = None) -> str:
        """Run a command in the box and return what it prints; raise with what it complains about."""
        return inside(self.pid, command, given)

    def end(self) -> None:
        """End everything in it and remove its files. May be called twice."""
        self.processes.end()
        self.outside.end()


def hierarchies() -> list[Path]:
    """Return where cgroups are mounted: one place, or one a controller."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [Path(where) for _, where, kind, *_ in mounts if kind in ("cgroup", "cgroup2")]


def remove_leftovers(files: Path) -> None:
    """Remove the files of a box that was here, and the cgroups of all boxes whose owner is gone."""
    if files.exists():
        remove(str(files))
    for hierarchy in hierarchies():
        for cgroup in hierarchy.glob("headgate-*"):
            found = CGROUP.fullmatch(cgroup.name)
            if found and not runs(int(found[1])):
                remove(str(cgroup))


def runs(pid: int) -> bool:
    """Tell whether a process is there, and not one that has ended and that nobody has asked after."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def inside(pid: int, command: Iterable[str | Path], given: bytes | None = None) -> str:
    """Run a command in the box with that first process; return and raise as `run`."""
    return run(["nsenter", f"--target={pid}", *NAMESPACES, *map(str, command)], given)


def run(command: Sequence[str], given: bytes | None = None) -> str:
    """Run a command and return what it prints; raise with what it complains about."""
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        raise ControlPlaneError(f"{' '.join(command)} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()
