"""One build of the Dockerfile with Buildah, which needs neither a daemon nor a registry.

Everything a build makes is below one temporary directory, Buildah's storage too: nothing of the machine's own
containers is touched, and what an interrupted build leaves is that directory. Only Buildah's notes of which layers it
has seen are where they always are, below /var/lib/containers/cache.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from hack.image import requirements, wheels
from hack.image.errors import ImageError

from controlplane.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
CHART: Final = Path("charts/headgate/Chart.yaml")
TEMPORARY: Final = "build-"


def reference(root: Path = ROOT) -> str:
    """Return the image's name and tag, as the chart asks for it when only its registry is left out."""
    import yaml  # .ci/run asks this package what is missing here when there is nothing but Python yet

    chart = yaml.safe_load((root / CHART).read_text())
    return f"{chart['name']}:{chart['appVersion']}"


def inputs(root: Path = ROOT) -> list[Path]:
    """Return the files that a build reads, relative to the tree: what .dockerignore lets through, and three more."""
    rules = (root / ".dockerignore").read_text().splitlines()
    found = [root / "Dockerfile", root / ".dockerignore", root / CHART]
    for rule in rules:
        if rule.startswith("!"):
            path = root / rule[1:]
            found += [path] if path.is_file() else path.rglob("*")
    return sorted(
        path.relative_to(root) for path in found if path.is_file() and path.parent.name != "__pycache__"
    )


def build(out: Path, cache: Path, root: Path = ROOT) -> str:
    """Write the image of the tree at `root` to the file `out`; return its identity, the digest of its configuration.

    `cache` is a folder that keeps what the next build needs again.

    Raises
    ------
    ImageError
        If this machine cannot build it, or a step failed.
    """
    if lacking := requirements.missing():
        raise ImageError(" ".join(lacking))
    cache.mkdir(parents=True, exist_ok=True)
    with shown("operator image"), TemporaryDirectory(prefix=TEMPORARY, dir=cache) as work:
        return Build(root, cache, Path(work)).run(out)


@contextmanager
def shown(what: str) -> Iterator[None]:
    """Show how long something takes while it goes on, and how it ended."""
    progress, over = Progress(what), Event()

    def tick() -> None:
        while not over.wait(0.5):
            progress.tick()

    clock = Thread(target=tick, daemon=True)
    clock.start()
    outcome = "failed"
    try:
        yield
        outcome = "built"
    finally:
        over.set()
        clock.join()
        progress.end(outcome)


class Build:
    """The steps of one build, in a directory of its own."""

    def __init__(self, root: Path, cache: Path, work: Path) -> None:
        self._root = root
        self._cache = cache
        self._work = work

    def run(self, out: Path) -> str:
        """Build, write the archive, and return the image's identity."""
        base = self._base()
        found = wheels.download(self._root / "requirements.lock", self._cache)
        only_these = self._work / "pip.conf"
        only_these.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        noted = self._work / "identity"
        self._buildah(
            "build", "--isolation=chroot", "--pull-never", "--layers=false", "--timestamp=0",
            f"--build-arg=DEBIAN={base}", f"--volume={found}:/wheels:ro", f"--volume={only_these}:/etc/pip.conf:ro",
            f"--iidfile={noted}", self._root,
        )  # fmt: skip
        identity = noted.read_text().strip()
        with replaced(out) as archive:
            self._buildah("push", identity, f"docker-archive:{archive}:{reference(self._root)}")
        return identity

    def _base(self) -> str:
        """Return the name of Debian's base image, made from Debian's packages."""
        suite = re.search(
            r"^ARG DEBIAN=debian:(\w+)-slim$", (self._root / "Dockerfile").read_text(), re.MULTILINE
        )
        if not suite:
            raise ImageError(
                "Dockerfile: no line ARG DEBIAN=debian:<suite>-slim, which says which Debian to take"
            )
        packages = self._cache / f"debian-{suite[1]}.tar"
        if not packages.exists():
            with replaced(packages) as archive:
                self._run(
                    "mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--format=tar", suite[1], archive
                )
        container = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", container, packages, "/")
        name = f"localhost/debian:{suite[1]}-slim"
        self._buildah("commit", "--quiet", "--rm", container, name)
        return name

    def _buildah(self, *arguments: str | Path) -> str:
        storage = [
            f"--root={self._work / 'storage'}",
            f"--runroot={self._work / 'run'}",
            "--storage-driver=vfs",
        ]
        return self._run("buildah", *storage, *arguments)

    def _run(self, *command: str | Path) -> str:
        """Run a program and return what it prints; the files it makes do not depend on the user's umask."""
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            umask=0o022,
            env={**os.environ, "TMPDIR": str(self._work)},
        )
        if done.returncode:
            raise ImageError(f"{command[0]} failed:\n{(done.stdout + done.stderr).strip()[-4000:]}")
        return done.stdout.strip()


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield the name of a file to write, which gets its own name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def clear(cache: Path) -> None:
    """Remove what interrupted builds left; nobody else may be building."""
    for leftover in cache.glob(f"{TEMPORARY}*"):
        shutil.rmtree(leftover)
