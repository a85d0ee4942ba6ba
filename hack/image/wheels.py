"""The packages of requirements.lock as wheels for the image's Python, which is another than the one that runs this."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from hack.image.errors import ImageError
from hack.image.rootfs import PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEWEST_GLIBC: Final = 41
"""The minor version of the image's C library: wheels for it and for older ones fit."""


def download(lock: Path, cache: Path) -> Path:
    """Return a directory with the wheels that `lock` names, downloaded once into `cache` and checked by their hashes.

    Raises
    ------
    ImageError
        If one is not to be had for the image's Python.
    """
    key = hashlib.sha256(lock.read_bytes() + PYTHON.encode()).hexdigest()[:16]
    where = cache / f"wheels-{key}"
    if where.exists():
        return where
    partial = cache / f"wheels-{key}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += [
        "--require-hashes",
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={PYTHON}",
    ]
    command += [f"--platform={name}" for name in platforms()]
    done = subprocess.run(
        [*command, "--requirement", lock, "--dest", partial], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ImageError(f"the wheels of {lock.name} could not be downloaded:\n{done.stderr.strip()[-2000:]}")
    os.replace(partial, where)
    return where


def platforms() -> Iterator[str]:
    """Yield the names under which wheels for this machine and the image's C library are published."""
    for minor in range(NEWEST_GLIBC, 4, -1):
        yield f"manylinux_2_{minor}_{platform.machine()}"
    yield f"manylinux2014_{platform.machine()}"
