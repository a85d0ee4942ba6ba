"""From models to structural schemas: what is translated, and what is refused rather than dropped."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field

from headgate.api.meta import Model
from headgate.api.schema import Rule, SchemaError, crd, flow, structural


class Shape(Model):
    """A shape."""

    model_config = ConfigDict(json_schema_extra=crd(rules=[Rule("self.corners > 0", "of the type")]))

    corners: int = 3
    """How many."""


class Drawing(Model):
    """A drawing.

    In two
    paragraphs.
    """

    plain: str
    """A text."""

    filled_in: str = Field(default="red", json_schema_extra=crd(default=True))
    """A default that the API server fills in."""

    left_out: str = "red"
    """A default that only the operator knows."""

    maybe: int | None = None
    """An optional one."""

    above: Annotated[int, Field(gt=0, lt=10)] = 1
    """Exclusive bounds."""

    one_word: Literal["One"] = "One"
    """One word."""

    labels: Annotated[dict[str, Annotated[str, Field(max_length=5)]], Field(max_length=2)] = {}
    """A map."""

    names: list[str] = Field(default=[], max_length=3, json_schema_extra=crd(list_type="set"))
    """A set."""

    shapes: list[Shape] = Field(default=[], json_schema_extra=crd(list_map_keys=["corners"]))
    """A list with keys."""

    shape: Shape | None = Field(default=None, json_schema_extra=crd(rules=[Rule("true", "of the field")]))
    """A shape in here."""


CORNERS = {"description": "How many.", "type": "integer"}
RULE_OF_THE_TYPE = {"rule": "self.corners > 0", "message": "of the type"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", {"type": "string"}),
        ("filledIn", {"type": "string", "default": "red"}),
        ("leftOut", {"type": "string"}),
        ("maybe", {"type": "integer"}),
        (
            "above",
            {
                "type": "integer",
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 10,
                "exclusiveMaximum": True,
            },
        ),
        ("oneWord", {"type": "string", "enum": ["One"]}),
        (
            "labels",
            {
                "type": "object",
                "maxProperties": 2,
                "additionalProperties": {"type": "string", "maxLength": 5},
            },
        ),
        (
            "names",
            {
                "type": "array",
                "maxItems": 3,
                "x-kubernetes-list-type": "set",
                "items": {"type": "string"},
            },
        ),
        (
            "shapes",
            {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["corners"],
                "items": {
                    "description": "A shape.",
                    "type": "object",
                    "properties": {"corners": CORNERS},
                    "x-kubernetes-validations": [RULE_OF_THE_TYPE],
                },
            },
        ),
        (
            "shape",
            {
                "type": "object",
                "properties": {"corners": CORNERS},
                "x-kubernetes-validations": [RULE_OF_THE_TYPE, {"rule": "true", "message": "of the field"}],
            },
        ),
    ],
)
def test_a_field_becomes(name: str, expected: dict[str, Any]) -> None:
    field = structural(Drawing)["properties"][name]
    assert field.pop("description").endswith((".", "operator knows."))
    assert field == expected


def test_the_object_itself() -> None:
    schema = structural(Drawing)
    assert schema["description"] == "A drawing.\n\nIn two paragraphs."
    assert schema["required"] == ["plain"]


def test_a_field_of_the_whole_object_can_be_left_out() -> None:
    schema = structural(Drawing, without=["plain"])
    assert "plain" not in schema["properties"]
    assert "plain" not in schema.get("required", [])


class Undescribed(Model):
    shapes: list[Shape] = []


class Nested(Model):
    """Nested."""

    inner: Undescribed
    """Its fields say nothing."""


class Endless(Model):
    """Endless."""

    more: "list[Endless]" = []
    """And so on."""


class TwoTypes(Model):
    """Two types."""

    either: int | str = 1
    """A number or a text, without saying that it is an integer-or-string."""


class KeyPattern(Model):
    """Key pattern."""

    labels: dict[Annotated[str, Field(max_length=5)], str] = {}
    """JSON Schema can limit keys, a CRD cannot."""


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Undescribed, "Undescribed.shapes: a field needs a description"),
        (Nested, "Nested.inner.shapes: a field needs a description"),
        (Endless, "Endless contains itself"),
        (TwoTypes, "TwoTypes.either: a field has one type"),
        (KeyPattern, "KeyPattern.labels: no translation for propertyNames"),
    ],
)
def test_what_a_crd_cannot_say_is_refused(model: type[Model], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        structural(model)


def test_paragraphs_flow_and_examples_stay() -> None:
    text = """One
        paragraph.

          an: example
          of: two lines
        """
    assert flow(text) == "One paragraph.\n\n  an: example\n  of: two lines"
