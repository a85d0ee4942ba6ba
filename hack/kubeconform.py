"""Check the rendered chart, the CRDs and the examples with kubeconform, offline.

Kubernetes' own schemas come from the API description in the Go module that the control plane is built from, so they are
of the version that is tested against; Headgate's own come from ``crds/``. Both are written in the layout that
kubeconform looks for, into a folder outside the clone. Nothing but the standard library and PyYAML is needed.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "hack" / "controlplane"))

from controlplane import ControlPlaneError, binaries, golang, tool  # noqa: E402
from controlplane.progress import say  # noqa: E402

CHART: Final = ROOT / "charts" / "headgate"
CRDS: Final = ROOT / "crds"
EXAMPLES: Final = ROOT / "examples"
KUBERNETES: Final = "k8s.io/kubernetes"
SWAGGER: Final = "api/openapi-spec/swagger.json"
PREFIX: Final = "#/definitions/"
LOCATION: Final = "{{ .ResourceKind }}{{ .KindSuffix }}.json"
ANY_NUMBER_OR_STRING: Final = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
QUANTITY: Final = {"oneOf": [{"type": "string"}, {"type": "number"}]}
EVERYTHING: Final = (
    "replicas=3",
    "metrics.serviceMonitor.enabled=true",
    "commonLabels.team=batch",
    "podLabels.team=queues",
    "podAnnotations.note=x",
    "serviceAccount.annotations.note=x",
    "metrics.service.annotations.note=x",
    "priorityClassName=system-cluster-critical",
    "imagePullSecrets[0].name=pull",
    "nodeSelector.disk=ssd",
    "tolerations[0].operator=Exists",
    "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=metrics",
    "networkPolicy.egress[0].ports[0].port=6443",
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
    ".matchExpressions[0].key=disk",
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
    ".matchExpressions[0].operator=Exists",
    "topologySpreadConstraints[0].maxSkew=1",
    "topologySpreadConstraints[0].topologyKey=zone",
    "topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule",
)
SKIPPED: Final = ("ServiceMonitor",)
"""Kinds whose schema nobody here has."""

Json = dict[str, Any]


def main() -> int:
    """Write the schemas where they are missing, run kubeconform, and return its exit code."""
    try:
        schemas = kubernetes_schemas()
        with tempfile.TemporaryDirectory(prefix="headgate-kubeconform-") as folder:
            own, rendered = Path(folder, "own"), Path(folder, "rendered")
            own.mkdir()
            rendered.mkdir()
            for path in sorted(CRDS.glob("*.yaml")):
                write_own(path, own)
            (rendered / "default.yaml").write_text(render())
            (rendered / "everything.yaml").write_text(render(*EVERYTHING))
            checked = [rendered, CRDS, *([EXAMPLES] if holds_yaml(EXAMPLES) else [])]
            return kubeconform(schemas, own, checked)
    except ControlPlaneError as error:
        print(f"kubeconform: {error}", file=sys.stderr)
        return 2


def kubeconform(schemas: Path, own: Path, checked: list[Path]) -> int:
    """Run it over files and folders."""
    locations = [f"-schema-location={folder}/{LOCATION}" for folder in (own, schemas)]
    options = ["-strict", "-summary", f"-skip={','.join(SKIPPED)}"]
    command = [str(tool("kubeconform")), *options, *locations, *map(str, checked)]
    return subprocess.run(command, check=False).returncode


def holds_yaml(folder: Path) -> bool:
    """Whether there is a manifest in a folder or below it."""
    return any(folder.rglob("*.yaml"))


def render(*values: str) -> str:
    """Return the chart as Helm would send it, with these values."""
    settings = [part for value in values for part in ("--set", value)]
    command = [str(tool("helm")), "template", "headgate", str(CHART), "--namespace", "headgate-system"]
    return run([*command, *settings])


def kubernetes_schemas() -> Path:
    """Return the folder with a schema for each kind of Kubernetes, writing it first if need be."""
    digest = hashlib.sha256((binaries.MODULE / "go.mod").read_bytes() + Path(__file__).read_bytes())
    folder = binaries.folder().parent / f"schemas-{digest.hexdigest()[:16]}"
    if not folder.exists():
        description: Json = json.loads((module() / SWAGGER).read_text())
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix="schemas-", suffix=".partial", dir=folder.parent))
        write_kubernetes(description["definitions"], partial)
        try:
            partial.rename(folder)  # Whole or not at all, also where two are at it.
        except OSError:
            if not folder.exists():
                raise
    return folder


def module() -> Path:
    """Return where the Go module of Kubernetes is, of the version that go.mod pins; fetched if it is not there."""
    go_mod = (binaries.MODULE / "go.mod").read_text()
    go = str(golang.find(golang.required(go_mod), say))
    listing = [go, "list", "-m", "-f", "{{.Dir}}", KUBERNETES]
    found = run(listing, go=True).strip()
    if not found:
        say(f"fetching {KUBERNETES} for its API description; this is needed once")
        run([go, "mod", "download", KUBERNETES], go=True)
        found = run(listing, go=True).strip()
    return Path(found)


def write_kubernetes(definitions: Json, folder: Path) -> None:
    """Write a schema for each definition that is a kind, under the name that kubeconform asks for."""
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            # The likes of DeleteOptions are of every group; nobody keeps them in a file.
            if len(definition["x-kubernetes-group-version-kind"]) > 1:
                continue
            schema = {
                **closed(definition, definitions),
                "definitions": {
                    found: closed(definitions[found], definitions)
                    for found in sorted(reachable(name, definitions) - {name})
                },
            }
            says_what_it_is(schema, kind["group"], kind["version"], kind["kind"])
            write(folder, kind["group"], kind["version"], kind["kind"], schema)


def reachable(name: str, definitions: Json) -> set[str]:
    """Return a definition and all that it refers to."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo += re.findall(rf'"{PREFIX}([^"]+)"', json.dumps(definitions[current]))
    return seen


def closed(node: Any, definitions: Json) -> Any:
    """Return a schema as ``-strict`` wants it: nothing but what is named."""
    if isinstance(node, list):
        return [closed(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if (reference := node.get("$ref")) is not None:
        special = definitions[reference.removeprefix(PREFIX)] if reference.startswith(PREFIX) else {}
        if special.get("format") == "int-or-string":
            return ANY_NUMBER_OR_STRING
        if reference.endswith("api.resource.Quantity"):
            return QUANTITY
        return {"$ref": reference}
    if node.get("format") == "int-or-string" or node.get("x-kubernetes-int-or-string") is True:
        return {
            key: value for key, value in node.items() if key not in ("type", "format")
        } | ANY_NUMBER_OR_STRING
    result: Json = {key: closed(value, definitions) for key, value in node.items() if key != "properties"}
    if isinstance(node.get("properties"), dict):
        result["properties"] = {
            name: closed(value, definitions) for name, value in node["properties"].items()
        }
        if "additionalProperties" not in node and not node.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    return result


def write_own(path: Path, folder: Path) -> None:
    """Write the schemas of a CRD."""
    crd = yaml.safe_load(path.read_text())["spec"]
    for version in crd["versions"]:
        schema = closed(version["schema"]["openAPIV3Schema"], {})
        # The API server knows these of every object.
        schema["properties"] |= {name: {"type": "string"} for name in ("apiVersion", "kind")}
        schema["properties"]["metadata"] = {"type": "object"}
        says_what_it_is(schema, crd["group"], version["name"], crd["names"]["kind"])
        write(folder, crd["group"], version["name"], crd["names"]["kind"], schema)


def says_what_it_is(schema: Json, group: str, version: str, kind: str) -> None:
    """Ask an object for its own kind and version."""
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    schema["properties"]["apiVersion"] = {
        "type": "string",
        "enum": ["/".join(filter(None, (group, version)))],
    }
    schema["properties"]["kind"] = {"type": "string", "enum": [kind]}
    schema["required"] = sorted({*schema.get("required", ()), "apiVersion", "kind"})


def write(folder: Path, group: str, version: str, kind: str, schema: Json) -> None:
    """Write one schema, named as kubeconform names it: the kind, the group's first word, the version."""
    name = "-".join(filter(None, (kind, group.split(".")[0], version))).lower()
    (folder / f"{name}.json").write_text(json.dumps(schema))


def run(command: list[str], *, go: bool = False) -> str:
    """Return what a command prints, or raise with what it says went wrong."""
    where, environment = (binaries.MODULE, golang.environment()) if go else (None, None)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=where, env=environment)
    if done.returncode != 0:
        raise ControlPlaneError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
