"""The fields of a queue's spec as arguments: names and types as in `JobQueueSpec`, which says what each means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from headgate.client._keywords import check_keywords

if TYPE_CHECKING:
    from headgate.api.jobqueue import (
        DesiredState,
        Dispatch,
        ExecutionMode,
        Fairness,
        HeadOfLine,
        QueueEnvironment,
        RetryAffinity,
        TimeLimitAction,
    )

Json = dict[str, Any]


class QueueFields(TypedDict, total=False):
    """What a queue may be given as it is created, besides its two limits; all are optional."""

    description: str
    pool: str
    """Fixed once the queue is created."""
    clusters: Sequence[str]
    depth: int
    priority: int | str
    execution_mode: ExecutionMode
    fairness: Fairness
    compute_environments: Sequence[str | QueueEnvironment | Mapping[str, Any]]
    """Names are tried in the order in which they stand here."""
    head_of_line: HeadOfLine
    scheduling_policy: str | None
    time_limit_actions: Sequence[TimeLimitAction | Mapping[str, Any]]
    idle_timeout_seconds: int
    retry_affinity: RetryAffinity
    state: DesiredState
    dispatch: Dispatch | Mapping[str, Any]
    tags: Mapping[str, str]


class QueueChanges(QueueFields, total=False):
    """What may be changed of a queue."""

    run_concurrency: int
    action_concurrency: int


def spec_of(fields: Mapping[str, Any]) -> Json:
    """Return fields as they stand in a spec; None for one that is to be removed. Raises TypeError for unknown ones."""
    from pydantic.alias_generators import to_camel

    check_keywords(fields, QueueChanges.__annotations__, "a queue has")
    return {to_camel(name): _value(name, value) for name, value in fields.items()}


def _value(name: str, value: Any) -> Any:
    if name == "compute_environments":
        return [
            {"order": order, "name": one} if isinstance(one, str) else _plain(one)
            for order, one in enumerate(value, 1)
        ]
    return _plain(value)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; models and their snake_case are Headgate's own."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value
