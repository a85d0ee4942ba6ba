"""From a pydantic model to the schema that a CustomResourceDefinition demands, and the words to enrich it.

Pydantic writes JSON Schema; the API server accepts only a *structural* schema: no ``$ref``, no ``null``
types, no titles, exclusive bounds as booleans, and its own extensions for lists, integers-or-strings and CEL
rules. Everything that differs is translated here. What cannot be translated is an error and never dropped in
silence: a rule that stands in a model but not in the CRD would be a rule that nobody enforces.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from pydantic.config import JsonDict

Schema = dict[str, Any]

DEFAULT_MARK: Final = "x-headgate-default"
RULES: Final = "x-kubernetes-validations"

# The keywords that may stand in a schema, in the order in which a person likes to read them.
KEYWORDS: Final = (
    "description",
    "type",
    "format",
    "x-kubernetes-int-or-string",
    "enum",
    "default",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "required",
    "properties",
    "items",
    "additionalProperties",
    RULES,
)
RULE_KEYWORDS: Final = ("rule", "message", "messageExpression", "fieldPath", "reason")


class SchemaError(Exception):
    """A model says something that a CRD cannot."""


@dataclass(frozen=True)
class Rule:
    """A CEL rule that the API server checks, and what it tells whoever breaks it."""

    rule: str
    message: str
    message_expression: str | None = None
    field_path: str | None = None
    reason: str | None = None

    def to_dict(self) -> JsonDict:
        """Return the rule as it stands in a CRD."""
        keys = {
            "rule": self.rule,
            "message": self.message,
            "messageExpression": self.message_expression,
            "fieldPath": self.field_path,
            "reason": self.reason,
        }
        return {key: value for key, value in keys.items() if value is not None}


@dataclass(frozen=True)
class Column:
    """A column of ``kubectl get``. With a priority above 0 it is shown only by ``-o wide``."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str | None = None

    def to_dict(self) -> Schema:
        """Return the column as it stands in a CRD."""
        column: Schema = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            column["description"] = self.description
        if self.priority:
            column["priority"] = self.priority
        return column


@dataclass(frozen=True)
class Kind:
    """What a CRD says about a kind beside the schema: its names, its columns, what a list may select by."""

    model: type[BaseModel]
    plural: str
    singular: str
    short_names: tuple[str, ...]
    columns: tuple[Column, ...] = field(default=())
    selectable_fields: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The kind, as in a manifest."""
        return self.model.__name__


def crd(
    *,
    rules: Sequence[Rule] = (),
    default: bool = False,
    list_type: str | None = None,
    list_map_keys: Sequence[str] = (),
    format: str | None = None,  # noqa: A002 - the keyword's own name
) -> JsonDict:
    """Return what a field or a model adds to its schema, for ``json_schema_extra``.

    Parameters
    ----------
    rules
        What the API server checks.
    default
        Whether the API server fills in the model's default. Without it, an absent field stays absent.
    list_type
        ``set``; a list with keys needs only `list_map_keys`.
    list_map_keys
        What tells the entries of a list apart, so that two owners can each apply theirs.
    format
        ``int32``, ``int64`` or ``date-time``.
    """
    extra: JsonDict = {}
    if rules:
        extra[RULES] = [rule.to_dict() for rule in rules]
    if default:
        extra[DEFAULT_MARK] = True
    if list_map_keys:
        extra["x-kubernetes-list-type"] = "map"
        extra["x-kubernetes-list-map-keys"] = list(list_map_keys)
    elif list_type:
        extra["x-kubernetes-list-type"] = list_type
    if format:
        extra["format"] = format
    return extra


def structural(model: type[BaseModel], without: Sequence[str] = ()) -> Schema:
    """Return the structural schema of a model, `without` some of its fields."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    definitions = raw.pop("$defs", {})
    raw, inside = _resolve(raw, definitions, model.__name__, ())
    raw["properties"] = {name: prop for name, prop in raw["properties"].items() if name not in without}
    if required := [name for name in raw.pop("required", []) if name not in without]:
        raw["required"] = required
    return _node(raw, definitions, model.__name__, inside)


def _node(raw: Schema, definitions: Schema, path: str, inside: tuple[str, ...]) -> Schema:
    """Translate one schema and everything below it; `inside` are the models it is nested in."""
    node, inside = _resolve(raw, definitions, path, inside)

    if not node.pop(DEFAULT_MARK, False):
        node.pop("default", None)
    elif isinstance(node["default"], dict):
        # What is not set is left out: no schema here takes a null.
        node["default"] = {name: value for name, value in node["default"].items() if value is not None}
    node.pop("title", None)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    _bounds(node)
    if "description" in node:
        node["description"] = flow(node["description"])

    if "properties" in node:
        node["properties"] = {
            name: _property(prop, definitions, f"{path}.{name}", inside)
            for name, prop in node["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            node[key] = _node(node[key], definitions, f"{path}[]", inside)

    if RULES in node:
        node[RULES] = [{key: rule[key] for key in RULE_KEYWORDS if key in rule} for rule in node[RULES]]

    if unknown := node.keys() - set(KEYWORDS):
        raise SchemaError(f"{path}: no translation for {', '.join(sorted(unknown))}")
    if "type" not in node and "x-kubernetes-int-or-string" not in node:
        raise SchemaError(f"{path}: a structural schema needs a type")
    return {key: node[key] for key in KEYWORDS if key in node}


def _property(raw: Schema, definitions: Schema, path: str, inside: tuple[str, ...]) -> Schema:
    """Translate a field, which must say what it is for."""
    node = _node(raw, definitions, path, inside)
    if not node.get("description"):
        raise SchemaError(f"{path}: a field needs a description")
    return node


def _resolve(
    raw: Schema, definitions: Schema, path: str, inside: tuple[str, ...]
) -> tuple[Schema, tuple[str, ...]]:
    """Replace references and ``X or null`` by what they stand for; what the field says wins over its type."""
    node = dict(raw)
    while True:
        if "$ref" in node:
            name = node.pop("$ref").rsplit("/", 1)[-1]
            if name in inside:
                raise SchemaError(f"{path}: {name} contains itself, which a CRD cannot say")
            inside = (*inside, name)
            node = _merge(definitions[name], node)
        elif "anyOf" in node:
            choices = [choice for choice in node.pop("anyOf") if choice.get("type") != "null"]
            if len(choices) != 1:
                raise SchemaError(f"{path}: a field has one type, or is an integer-or-string")
            node = _merge(choices[0], node)
        else:
            return node, inside


def _merge(base: Schema, over: Schema) -> Schema:
    """Lay a field's own words over those of its type; the rules of both hold."""
    merged = {**base, **over}
    if RULES in base and RULES in over:
        merged[RULES] = [*base[RULES], *over[RULES]]
    return merged


def _bounds(node: Schema) -> None:
    """Say exclusive bounds as OpenAPI 3.0 does: the bound, and that it is excluded."""
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in node and not isinstance(node[exclusive], bool):
            if inclusive in node:
                raise SchemaError(f"both {inclusive} and {exclusive}: choose one")
            node[inclusive] = node[exclusive]
            node[exclusive] = True


def flow(text: str) -> str:
    """Join the lines of each paragraph; indented lines (examples) stay as they are."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(p if re.search(r"^ ", p, re.MULTILINE) else " ".join(p.split()) for p in paragraphs)
