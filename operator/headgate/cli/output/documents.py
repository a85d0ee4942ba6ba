"""Objects for programs: as the API server has them, in JSON or YAML, or only their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import orjson
import yaml

from headgate.api.names import GROUP, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.api.meta import Resource

Json = dict[str, Any]
Document = Literal["json", "yaml", "name"]


class _Dumper(yaml.SafeDumper):
    """Text of many lines as it stands, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def to_yaml(document: object) -> str:
    """Return a document as YAML, keys sorted as kubectl does."""
    return yaml.dump(document, Dumper=_Dumper, allow_unicode=True, width=10_000)


def to_json(document: object) -> str:
    """Return a document as JSON, indented as kubectl does."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    indented = []
    for line in text.split("\n"):
        bare = line.lstrip(" ")
        indented.append("  " * (len(line) - len(bare)) + bare)
    return "\n".join(indented)


def resource_name(manifest: Json) -> str:
    """Return what names an object in kubectl's messages: ``jobqueue.headgate.dev/nightly``, ``job.batch/train``."""
    group, slash, _ = str(manifest.get("apiVersion", "")).rpartition("/")
    kind = str(manifest.get("kind", "")).lower()
    return (
        f"{kind}.{group}/{manifest['metadata']['name']}"
        if slash
        else f"{kind}/{manifest['metadata']['name']}"
    )


def manifest_of(resource: Resource) -> Json:
    """Return one of Headgate's resources as a manifest, without what is empty in its metadata and its status."""
    body = resource.to_dict()
    for part in ("metadata", "status"):
        body[part] = {key: value for key, value in body[part].items() if value not in ("", [], {})}
    if not body["status"]:
        del body["status"]
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": type(resource).__name__, **body}


def one(manifest: Json, form: Document) -> str:
    """Return one object."""
    match form:
        case "json":
            return to_json(manifest)
        case "yaml":
            return to_yaml(manifest)
        case "name":
            return f"{resource_name(manifest)}\n"


def many(manifests: Iterable[Json], form: Document) -> str:
    """Return a list of objects: the v1 List that kubectl makes of them."""
    if form == "name":
        return "".join(one(manifest, "name") for manifest in manifests)
    return one(
        {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(manifests)},
        form,
    )


def short_name(text: str, *kinds: str) -> str:
    """Return the name in ``jobqueue.headgate.dev/nightly``, ``jq/nightly`` or ``nightly``: names can be piped."""
    kind, slash, name = text.rpartition("/")
    return name if slash and kind.lower().removesuffix(f".{GROUP}") in kinds else text
