"""The programs a control plane needs: which there are, where they are, and building them once.

They come from the Go module beside this package, whose go.mod pins every one of them as a ``tool``. They are
kept outside the clone, in a folder named after everything that decides what they are, so a changed pin is
another folder and nothing is ever out of date. A program appears under its name only when it is whole, so
whatever interrupts a build, the next one goes on with what is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controlplane import golang
from controlplane.errors import BuildError
from controlplane.progress import Progress, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MODULE = Path(__file__).parents[1]
CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")

# the Go package's last element, where that is not the program's name
NAMES = {"go.etcd.io/etcd/server/v3": "etcd"}
# where a program keeps its own version: module → variable, or variables
VERSION_VARIABLES = {
    "k8s.io/kubernetes": "k8s.io/component-base/version.gitVersion",
    "sigs.k8s.io/kwok": "sigs.k8s.io/kwok/pkg/consts.Version",
    "helm.sh/helm/v4": "helm.sh/helm/v4/internal/version.version",
    "github.com/yannh/kubeconform": "main.version",
}


@dataclass(frozen=True)
class Tool:
    """A program that go.mod pins."""

    name: str
    package: str
    flags: tuple[str, ...]


def tools(module: Path = MODULE) -> dict[str, Tool]:
    """Return the programs that go.mod pins, by name."""
    go_mod = (module / "go.mod").read_text()
    block = re.search(r"^tool \((.*?)^\)", go_mod, re.MULTILINE | re.DOTALL)
    packages = block[1].split() if block else []
    found = [
        Tool(NAMES.get(p, p.rsplit("/", 1)[-1]), p, ("-ldflags", link_flags(go_mod, p))) for p in packages
    ]
    return {tool.name: tool for tool in found}


def link_flags(go_mod: str, package: str) -> str:
    """Return what the linker is told: no debug tables, and the version, which a plain build does not know."""
    flags = ["-s", "-w"]
    for module, variable in VERSION_VARIABLES.items():
        version = re.search(rf"^\t{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
        if not package.startswith(module + "/") or not version:
            continue
        flags.append(f"-X {variable}={version[1]}")
        if module == "k8s.io/kubernetes":
            major, minor = version[1].lstrip("v").split(".")[:2]
            flags.append(f"-X k8s.io/component-base/version.gitMajor={major}")
            flags.append(f"-X k8s.io/component-base/version.gitMinor={minor}")
    return " ".join(flags)


def key(module: Path = MODULE) -> str:
    """Return a name for everything that decides what the programs are."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((module / name).read_bytes() + b"\0")
    flags = [golang.BUILD_FLAGS, *(" ".join(tool.flags) for tool in tools(module).values())]
    digest.update("\0".join([*flags, platform.system(), platform.machine()]).encode())
    return digest.hexdigest()[:16]


def cache() -> Path:
    """Return the folder outside the clone for what is built once: ``HEADGATE_CACHE``, else the user's."""
    if chosen := os.environ.get("HEADGATE_CACHE"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headgate"


def folder(module: Path = MODULE) -> Path:
    """Return where the built programs of this module are kept."""
    return cache() / "controlplane" / key(module)


def path_of(name: str, module: Path = MODULE) -> Path:
    """Return where a program is or will be: in ``KUBEBUILDER_ASSETS``, else where we build it."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        given = Path(assets).absolute() / name
        if os.access(given, os.X_OK):
            return given
    return folder(module) / name


def tool(name: str) -> Path:
    """Return the path of a program that go.mod pins, building it first if need be."""
    ensure([name])
    return path_of(name)


def ensure(names: Sequence[str], module: Path = MODULE) -> None:
    """Build those of these programs that are missing."""
    known = tools(module)
    if unknown := [name for name in names if name not in known]:
        raise BuildError(f"no tool {', '.join(unknown)}; there are {', '.join(known)}")
    if not missing(names, module):
        return
    where = folder(module)
    where.mkdir(parents=True, exist_ok=True)
    with locked(where / "lock") as lock:
        for leftover in where.glob("*.partial"):
            leftover.unlink()
        todo = missing(names, module)  # somebody may have built them while we waited
        if not todo:
            return
        go = golang.find(golang.required((module / "go.mod").read_text()), say)
        say(f"building {', '.join(todo)} into {where}; this is needed once")
        for name in todo:
            build(go, known[name], where, module, lock)


def missing(names: Sequence[str], module: Path) -> list[str]:
    """Return those that are not there yet."""
    return [name for name in names if not path_of(name, module).exists()]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold a lock that the kernel releases when its holders die."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def build(go: Path, tool: Tool, where: Path, module: Path, lock: int) -> None:
    """Build one program; it appears under its name only when it is whole.

    Go inherits the lock: should we be killed, the next build waits for it instead of competing with it.
    """
    partial = where / f"{tool.name}.partial"
    log = where / f"{tool.name}.log"
    progress = Progress(tool.name)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [go, "build", *tool.flags, "-o", partial, tool.package],
            cwd=module,
            env=golang.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                progress.tick()
                time.sleep(0.1)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            progress.end("interrupted")
            partial.unlink(missing_ok=True)
            raise
    if process.returncode != 0:
        progress.end("failed")
        partial.unlink(missing_ok=True)
        raise BuildError(f"go build {tool.package} failed:\n{log.read_text(errors='replace')[-4000:]}")
    os.replace(partial, where / tool.name)
    log.unlink()
    progress.end("built")
