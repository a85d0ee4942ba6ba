"""The CRDs in the tree are what the models say, and keep what the design promises of every kind."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from headgate.api import crds
from headgate.api.crds import KINDS, definition, files, main
from headgate.api.schema import Kind, Schema

VERSIONS = [pytest.param(definition(kind)["spec"]["versions"][0], id=kind.name) for kind in KINDS]

# Fields of the design that belong to later versions: a user must not be able to set what nothing reads.


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema below this one, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


def fields(version: Schema) -> list[tuple[str, Schema]]:
    schema = version["schema"]["openAPIV3Schema"]
    return [(path, node) for path, node in nodes(schema) if path.startswith((".spec", ".status"))]


@pytest.mark.parametrize("path", files(), ids=str)
def test_the_tree_has_what_the_models_say(path: Path) -> None:
    there = (crds.ROOT / path).read_text()
    assert there == files()[path], f"{path} is out of date: run `make crds`"


def test_check_is_silent_after_write_and_shows_what_changed_after_an_edit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--root", str(tmp_path)]
    assert main(["--check", *arguments]) == 1
    assert main(["--write", *arguments]) == 0
    capsys.readouterr()
    assert main(["--check", *arguments]) == 0
    assert capsys.readouterr().out == ""

    edited = tmp_path / "crds/jobqueues.yaml"
    edited.write_text(edited.read_text().replace("- jq\n", "- queue\n"))
    assert main(["--check", *arguments]) == 1
    difference = capsys.readouterr().out
    assert re.search(r"^- +- queue$", difference, re.MULTILINE)
    assert re.search(r"^\+ +- jq$", difference, re.MULTILINE)


@pytest.mark.parametrize("keep", [True, False])
def test_the_charts_copy_is_the_same_crd(keep: bool) -> None:
    """Stands in for Helm: takes the lines out that Helm would."""
    for path, text in files().items():
        if path.parts[0] != "charts":
            continue
        body = text.replace("{{- if .Values.crds.install }}\n", "", 1).removesuffix("{{- end }}\n")
        start, end = body.index("  {{- if .Values.crds.keep }}\n"), body.index("  {{- end }}\n")
        kept = body[start:end].split("\n", 1)[1] if keep else ""
        rendered = yaml.safe_load(body[:start] + kept + body[end:].split("\n", 1)[1])

        annotations = rendered["metadata"].pop("annotations", {})
        assert annotations == ({"helm.sh/resource-policy": "keep"} if keep else {})
        assert rendered == yaml.safe_load(files()[crds.PLAIN / path.name])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_is_cluster_scoped_and_in_the_category(kind: Kind) -> None:
    crd = definition(kind)
    assert crd["spec"]["scope"] == "Cluster"
    assert crd["spec"]["names"]["categories"] == ["headgate"]
    assert crd["spec"]["versions"][0]["subresources"] == {"status": {}}


def test_names_and_what_a_list_selects_by() -> None:
    kinds = {kind.name: definition(kind)["spec"] for kind in KINDS}
    assert {name: spec["names"]["shortNames"] for name, spec in kinds.items()} == {
        "JobQueue": ["jq"],
        "ClusterPool": ["cpool"],
        "ComputeEnvironment": ["ce"],
        "SchedulingPolicy": ["sp"],
    }
    selectable = {
        name: [field["jsonPath"] for field in spec["versions"][0].get("selectableFields", [])]
        for name, spec in kinds.items()
    }
    assert selectable == {
        "JobQueue": [".spec.pool", ".spec.state"],
        "ClusterPool": [],
        "ComputeEnvironment": [".spec.pool", ".spec.state"],
        "SchedulingPolicy": [],
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_conditions_are_keyed_by_type(version: Schema) -> None:
    conditions = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_description_is_a_sentence(version: Schema) -> None:
    for path, node in fields(version):
        if path.endswith("[]"):
            continue
        assert re.match(r"[A-Z]", node["description"]), path
        assert node["description"].endswith("."), path


@pytest.mark.parametrize("version", VERSIONS)
def test_a_default_is_described_and_a_required_field_says_so(version: Schema) -> None:
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for name, node in spec["properties"].items():
        if "default" in node and node.get("type") != "object":
            assert "Default:" in node["description"], name
        assert ("Required." in node["description"]) == (name in spec.get("required", [])), name


@pytest.mark.parametrize("version", VERSIONS)
def test_only_a_spec_has_defaults(version: Schema) -> None:
    with_default = [path for path, node in fields(version) if "default" in node]
    assert all(path.startswith(".spec") for path in with_default)


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_a_user_can_make_long_is_bounded(version: Schema) -> None:
    """CEL rules are estimated by the longest possible value; so is what etcd has to store."""
    bounds = {"string": "maxLength", "array": "maxItems"}
    for path, node in fields(version):
        bound = bounds.get(node.get("type", ""))
        if bound and not {"enum", "format"} & node.keys():
            assert bound in node, path
        if isinstance(node.get("additionalProperties"), dict):
            assert "maxProperties" in node, path


@pytest.mark.parametrize("version", VERSIONS)
def test_every_column_points_at_a_field(version: Schema) -> None:
    known = {path.replace("[]", "") for path, _ in fields(version)} | {".metadata.creationTimestamp"}
    for column in version["additionalPrinterColumns"]:
        path = re.sub(r"\[[^]]*\]", "", column["jsonPath"])
        assert path in known, column["name"]
