"""Write the CustomResourceDefinitions, or check that those in the tree are what the models say.

``python -m headgate.api.crds --write`` writes `crds/` (for kubectl) and the chart's copies (for Helm);
``--check`` compares, shows the difference and fails if there is one. Nobody edits those files: the models are
the only source, so that what the operator parses and what the API server accepts cannot drift apart.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from headgate.api import clusterpool, computeenvironment, jobqueue, schedulingpolicy
from headgate.api.meta import LABEL_MAX
from headgate.api.names import GROUP, VERSION
from headgate.api.schema import Kind, Schema, structural

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS: Final[tuple[Kind, ...]] = (
    jobqueue.KIND,
    clusterpool.KIND,
    computeenvironment.KIND,
    schedulingpolicy.KIND,
)
CATEGORY: Final = GROUP.split(".", maxsplit=1)[0]
ROOT: Final = Path(__file__).parents[3]
PLAIN: Final = Path("crds")
CHART: Final = Path("charts/headgate/templates/crds")
HEADER: Final = "# Generated from operator/headgate/api by `make crds`. Do not edit.\n"
WIDTH: Final = 110

# The properties that every object has. Their descriptions are those that Kubernetes' own objects have.
OBJECT: Final[Schema] = {
    "apiVersion": {
        "description": "APIVersion defines the versioned schema of this representation of an object.",
        "type": "string",
    },
    "kind": {
        "description": "Kind is a string value representing the REST resource this object represents.",
        "type": "string",
    },
    # Only the name may be described here; a rule can point to it then, and knows how long it can be.
    "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": LABEL_MAX}}},
}


def definition(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    schema = structural(kind.model, without=["metadata"])
    schema["properties"] = {**OBJECT, **schema["properties"]}
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.to_dict() for column in kind.columns],
        "schema": {"openAPIV3Schema": schema},
    }
    if kind.selectable_fields:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable_fields]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def files(kinds: Sequence[Kind] = KINDS) -> dict[Path, str]:
    """Return what is generated: each file's path in the repository, and its text."""
    generated = {}
    for kind in kinds:
        text = to_yaml(definition(kind))
        generated[PLAIN / f"{kind.plural}.yaml"] = HEADER + text
        generated[CHART / f"{kind.plural}.yaml"] = HEADER + chart_template(text)
    return generated


def chart_template(text: str) -> str:
    """Wrap a CRD so that the chart's values decide whether it is installed, and outlives the chart."""
    if "{{" in text:
        raise ValueError("Helm would take {{ in a description for a template")
    head, name, rest = re.split(r"^(  name: .*\n)", text, maxsplit=1, flags=re.MULTILINE)
    return (
        "{{- if .Values.crds.install }}\n"
        f"{head}{name}"
        "  {{- if .Values.crds.keep }}\n"
        "  annotations:\n"
        "    helm.sh/resource-policy: keep\n"
        "  {{- end }}\n"
        f"{rest}"
        "{{- end }}\n"
    )


def to_yaml(document: dict[str, Any]) -> str:
    """Return a document as YAML that is a pleasure to read and to diff."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Text with line breaks as it is, long text folded, lists indented, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else ">" if len(text) > WIDTH - 30 and " " in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def differences(root: Path) -> list[str]:
    """Return the lines of a diff from the files in the tree to what the models say; none if they agree."""
    lines: list[str] = []
    for path, text in files().items():
        there = (root / path).read_text() if (root / path).exists() else ""
        old, new = there.splitlines(keepends=True), text.splitlines(keepends=True)
        lines += difflib.unified_diff(old, new, f"{path} (in the tree)", f"{path} (from the models)")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m headgate.api.crds", description="Generate the CRDs.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write the files")
    what.add_argument("--check", action="store_true", help="fail, with a diff, if the files are out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    options = parser.parse_args(arguments)

    if options.write:
        for path, text in files().items():
            (options.root / path).parent.mkdir(parents=True, exist_ok=True)
            (options.root / path).write_text(text)
        return 0
    if diff := differences(options.root):
        sys.stdout.writelines(diff)
        print("the CRDs are out of date: run `make crds`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
