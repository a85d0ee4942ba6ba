"""Objects for programs: as the API server has them, in JSON or YAML, or only their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
import yaml

from headgate.api.names import GROUP, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headgate.api.meta import Resource

Json = dict[str, Any]
Document = Literal["json", "yaml", "name"]

_OTHER_LINE_ENDS: Final = frozenset("\x85\u2028\u2029")
_ITEM: Final = " " * 8
_JSON_HEAD: Final = '{\n    "apiVersion": "v1",\n    "items": ['
_JSON_TAIL: Final = ',\n    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n    }\n}\n'
_YAML_HEAD: Final = "apiVersion: v1\nitems:"
_YAML_TAIL: Final = "kind: List\nmetadata:\n  resourceVersion: ''\n"


class _Dumper(yaml.SafeDumper):
    """Text of many lines as it stands, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if not _OTHER_LINE_ENDS.isdisjoint(text):
        # Only escaped they are read back as what they are.
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


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


class Listed:
    """The v1 List that kubectl makes of objects, piece by piece: nobody has to hold it."""

    def __init__(self, form: Document) -> None:
        self._form = form
        self._is_empty = True

    def add(self, manifest: Json) -> str:
        """Return what an object adds to the list."""
        first, self._is_empty = self._is_empty, False
        match self._form:
            case "json":
                # A line break within a text is written as two other characters.
                body = to_json(manifest).rstrip("\n").replace("\n", "\n" + _ITEM)
                return f"{_JSON_HEAD if first else ','}\n{_ITEM}{body}"
            case "yaml":
                return (f"{_YAML_HEAD}\n" if first else "") + to_yaml([manifest])
            case "name":
                return one(manifest, "name")

    def end(self) -> str:
        """Return what comes after the last object."""
        match self._form:
            case "json":
                return (f"{_JSON_HEAD}]" if self._is_empty else "\n    ]") + _JSON_TAIL
            case "yaml":
                return (f"{_YAML_HEAD} []\n" if self._is_empty else "") + _YAML_TAIL
            case "name":
                return ""


def some(manifests: Sequence[Json], form: Document, *, several: bool) -> str:
    """Return objects that were asked for by name: as a list where there were several names, whatever was found."""
    if several and form != "name":
        return many(manifests, form) if manifests else ""
    return "".join(one(manifest, form) for manifest in manifests)


def many(manifests: Iterable[Json], form: Document) -> str:
    """Return a list of objects."""
    listed = Listed(form)
    return "".join([*map(listed.add, manifests), listed.end()])


def short_name(text: str, *kinds: str) -> str:
    """Return the name in ``jobqueue.headgate.dev/nightly``, ``jq/nightly`` or ``nightly``: names can be piped."""
    kind, slash, name = text.partition("/")
    bare = kind.lower().removesuffix(f".{GROUP}").removesuffix(f".{VERSION}")
    return name if slash and bare in kinds else text
