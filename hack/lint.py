"""Every check that needs no cluster, one after the other: `make lint`, and `tests/test_lint.py` in the tests.

Kubernetes' own kinds are not validated against schemas here, because there is no network to take these from: the
tests apply the chart and the examples to a real API server, which is stricter than any schema. Headgate's kinds are,
with what `crds/` says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from controlplane import tool

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[1]
CHART: Final = ROOT / "charts" / "headgate"
TYPED: Final = (
    "operator",
    "hack/controlplane/controlplane",
    "hack/demo",
    "hack/local",
    "hack/lint.py",
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


def helm() -> None:
    """Let Helm look at the chart."""
    run(tool("helm"), "lint", "--strict", "--quiet", CHART)


def manifests() -> None:
    """Look at everything that is applied: the chart as rendered, the CRDs, the examples."""
    chart = run(tool("helm"), "template", "headgate", CHART, "--namespace", "headgate-system")
    files = [*(ROOT / "crds").glob("*.yaml"), *(ROOT / "examples").rglob("*.yaml")]
    with tempfile.TemporaryDirectory() as folder:
        write_schemas(Path(folder))
        command: list[str | Path] = [
            tool("kubeconform"), "-strict", "-summary", "-ignore-missing-schemas",
            "-schema-location", f"{folder}/{{{{.ResourceKind}}}}-{{{{.ResourceAPIVersion}}}}.json",
        ]  # fmt: skip
        run(*command, "-", given=chart)
        run(*command, *files)


CHECKS: Final[dict[str, Callable[[], None]]] = {
    "ruff check": ruff,
    "ruff format": form,
    "mypy": types,
    "import contracts": imports,
    "CRDs as the models say": crds,
    "helm lint": helm,
    "kubeconform": manifests,
}


def write_schemas(folder: Path) -> None:
    """Write JSON schemas of Headgate's kinds, which refuse what they do not know."""
    for file in (ROOT / "crds").glob("*.yaml"):
        for definition in yaml.safe_load_all(file.read_text()):
            kind = definition["spec"]["names"]["kind"].lower()
            for version in definition["spec"]["versions"]:
                schema = version["schema"]["openAPIV3Schema"]
                schema["properties"]["metadata"] = {"type": "object"}
                (folder / f"{kind}-{version['name']}.json").write_text(json.dumps(closed(schema)))


def closed(schema: Any) -> Any:
    """Return a schema in which an object has no properties but those described."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        result.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
    return result


class FailedError(Exception):
    """A check found something; its message is what the tool said."""


def run(*command: str | Path, given: str | None = None) -> str:
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
        input=given,
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
