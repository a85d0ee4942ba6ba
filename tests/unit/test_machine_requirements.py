"""`.ci/run` asks which Debian packages are missing before anything is installed: with a Python that has no packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hack.image.requirements import PROGRAMS

ROOT = Path(__file__).parents[2]


def packages(path: Path) -> list[str]:
    """Return what a machine lacks whose programs are in this folder."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "hack.node", "packages"],
        cwd=ROOT,
        env={"PATH": str(path), "PYTHONPATH": os.pathsep.join(["hack/controlplane", "."])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_bare_python_tells_what_is_missing(tmp_path: Path) -> None:
    assert set(PROGRAMS) <= set(packages(tmp_path))


def test_what_is_there_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "buildah").touch(mode=0o755)

    assert "buildah" not in packages(tmp_path)
