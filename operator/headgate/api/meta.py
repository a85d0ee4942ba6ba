"""What every resource has in common: how it is parsed, its metadata, its conditions.

The operator parses objects that the API server has validated, possibly against the CRD of a *newer* Headgate.
So types are strict (a string is never taken for a number), unknown fields are ignored, and an object that
still does not fit is reported in words that a user understands, see `explain`.

Timestamps stay the strings that the API server sent: nothing in this ring needs a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from headgate.api.schema import Rule, crd

if TYPE_CHECKING:
    from collections.abc import Iterable

INT32_MAX: Final = 2_147_483_647

# A DNS label, in a syntax that Python and CEL share. Its length is bounded apart.
LABEL_PATTERN: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL_MAX: Final = 63
SUBDOMAIN_MAX: Final = 253
NAME_WORDS: Final = (
    f"a DNS label (1 to {LABEL_MAX} characters of a-z, 0-9 and '-', with a letter or digit at either end)"
)

# Where a printer column finds the condition that sums up the others.
READY: Final = '.status.conditions[?(@.type=="Ready")]'

RESOURCE_NAME_RULE: Final = Rule(
    f"self.metadata.name.size() <= {LABEL_MAX} && self.metadata.name.matches('^{LABEL_PATTERN}$')",
    f"a name is {NAME_WORDS}",
    field_path=".metadata.name",
)

ClusterState = Literal["Running", "Pending", "Terminated", "Unknown"]
Timestamp = Annotated[str, Field(json_schema_extra=crd(format="date-time"))]
Count = Annotated[int, Field(json_schema_extra=crd(format="int64"))]
Limit = Annotated[int, Field(ge=0, le=INT32_MAX)]


class Model(BaseModel):
    """A part of a resource: camelCase in JSON, snake_case here, and never changed once made."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
    )

    def to_dict(self) -> dict[str, Any]:
        """Return it as it stands in the API: camelCase, without what is not set."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Metadata(Model):
    """The part of an object's metadata that the operator reads."""

    name: str
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Resource(Model):
    """A whole object."""

    metadata: Metadata

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Return the object that the API server sent, or raise pydantic's ValidationError, see `explain`."""
        return cls.model_validate(raw)

    @property
    def name(self) -> str:
        """The object's name, which is unique: all kinds of Headgate are cluster-scoped."""
        return self.metadata.name


class Condition(Model):
    """One aspect of an object's state: since when and why. The same as in Kubernetes' own objects."""

    type: str = Field(max_length=316)
    """What the condition is about, in CamelCase: Ready, for example."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds: True, False or Unknown."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra=crd(format="int64"))] = 0
    """The metadata.generation that this condition was computed from. If it is lower than the object's, the
    condition is out of date."""

    last_transition_time: Timestamp
    """When status last changed from one value to another."""

    reason: str = Field(min_length=1, max_length=1024)
    """Why, in one CamelCase word for programs: PoolNotFound, for example."""

    message: str = Field(max_length=32768)
    """Why, in a sentence for people."""


def find_condition(conditions: Iterable[Condition], type: str) -> Condition | None:  # noqa: A002
    """Return the condition of that type."""
    return next((condition for condition in conditions if condition.type == type), None)


def set_condition(conditions: Iterable[Condition], new: Condition) -> list[Condition]:
    """Return the conditions with `new` in them.

    As long as the status stays the same, so does lastTransitionTime: a condition that says what it said
    before is not a change and must not cause a write.
    """
    kept = list(conditions)
    for index, old in enumerate(kept):
        if old.type == new.type:
            since = old.last_transition_time if old.status == new.status else new.last_transition_time
            kept[index] = new.model_copy(update={"last_transition_time": since})
            return kept
    return [*kept, new]


def explain(error: ValidationError) -> str:
    """Say what is wrong with an object, field by field, as a user would write the fields.

    For example ``spec.runConcurrency: Input should be a valid integer, not 'many'``.
    """
    return "; ".join(
        _problem(detail["loc"], detail["type"], detail["msg"], detail["input"], detail.get("ctx", {}))
        for detail in error.errors(include_url=False)
    )


def _problem(
    where: tuple[int | str, ...], kind: str, message: str, given: object, context: dict[str, Any]
) -> str:
    """Say one thing that is wrong."""
    field_path = path(where) or "the object"
    if kind == "missing":
        return f"{field_path}: is required"
    if kind == "value_error":
        message = str(context["error"])
    if isinstance(given, dict | list):
        return f"{field_path}: {message}"
    return f"{field_path}: {message}, not {shorten(given)}"


def shorten(value: object) -> str:
    """Return a wrong value for a message, which must not become as long as whatever a user wrote."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def path(where: Iterable[int | str]) -> str:
    """Return a field's path: ``spec.clusters[0]``, ``spec.tags['team.name']``."""
    text = ""
    for step in where:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f"[{step!r}]"
    return text
