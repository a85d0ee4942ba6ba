"""Every check that needs no cluster, one after the other: `make lint`, and `tests/test_lint.py` in the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controlplane import tool

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[1]
CHART: Final = ROOT / "charts" / "headgate"
TYPED: Final = (
    "operator",
    "hack/controlplane/controlplane",
    "hack/captures",
    "hack/demo",
    "hack/facade.py",
    "hack/client_reference.py",
    "hack/generated.py",
    "hack/image",
    "hack/local",
    "hack/kubeconform.py",
    "hack/lint.py",
    "hack/node",
    "tests",
    "bench",
)


def ruff() -> None:
    """Lint."""
    run("ruff", "check", "--quiet", ".")


def form() -> None:
    """Look at the formatting."""
    run("ruff", "format", "--check", "--quiet", ".")


def types() -> None:
    """Check the types."""
    run("mypy", *(name for name in TYPED if (ROOT / name).is_file() or any((ROOT / name).rglob("*.py"))))


def imports() -> None:
    """Check that imports point inward only."""
    run("lint-imports")


def crds() -> None:
    """Compare the CRDs in the tree with the models."""
    run("python", "-m", "headgate.api.crds", "--check")


def facade() -> None:
    """Compare the synchronous client with the asynchronous one, and the reference with both."""
    run("python", "-m", "hack.facade", "--check")
    run("python", "-m", "hack.client_reference", "--check")


def helm() -> None:
    """Let Helm look at the chart."""
    run(tool("helm"), "lint", "--strict", "--quiet", CHART)


def manifests() -> None:
    """Look at everything that is applied: the chart as rendered, the CRDs, the examples."""
    run("python", "hack/kubeconform.py")


CHECKS: Final[dict[str, Callable[[], None]]] = {
    "ruff check": ruff,
    "ruff format": form,
    "mypy": types,
    "import contracts": imports,
    "CRDs as the models say": crds,
    "synchronous client as the asynchronous one says": facade,
    "helm lint": helm,
    "kubeconform": manifests,
}


class FailedError(Exception):
    """A check found something; its message is what the tool said."""


def run(*command: str | Path) -> str:
    """Run a program, of the virtual environment unless it is a path; return what it prints."""
    name, *arguments = command
    program = str(name) if isinstance(name, Path) else str(Path(sys.executable).parent / name)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "hack" / "controlplane"), str(ROOT)]),
    }
    done = subprocess.run(
        [program, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FailedError((done.stdout + done.stderr).strip())
    return done.stdout


def main() -> int:
    """Run all checks; return 1 if one found something."""
    wrong = 0
    for name, check in CHECKS.items():
        try:
            check()
        except FailedError as error:
            wrong += 1
            print(f"✘ {name}\n{error}\n", flush=True)
        else:
            print(f"✔ {name}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
