"""What Headgate reads on a Job, where a user can write anything.

These are plain functions on the JSON of a Job, without models: they run for every event of every Job, and
100,000 waiting Jobs are a normal day. The API server refuses wrong values when a Job is created; a Job from
before the policies, or from a time when they were gone, can still carry one. So nothing here may crash on
one: it is a `ContractError`, which says where and what would be right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

from headgate.api.names import (
    HOLD_ANNOTATION,
    JOB_PRIORITY_MAX,
    PRIORITY_ANNOTATION,
    REASON_CANCELED,
    REASON_DEADLINE_EXCEEDED,
    REASON_QUEUE_FULL,
    REASON_TIMED_OUT,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Outcome = Literal["succeeded", "failed", "canceled", "timedOut"]

# Without a priority, a Job has this one.
JOB_PRIORITY_DEFAULT: Final = 0

# The values of the annotation that are right, in a syntax that Python and CEL share: the policy uses it too.
PRIORITY_PATTERN: Final = f"[0-9]{{1,{len(str(JOB_PRIORITY_MAX))}}}"
PRIORITY_MESSAGE: Final = f"must be an integer from 0 to {JOB_PRIORITY_MAX}"
HOLD_MESSAGE: Final = 'must be "true" or "false"'

_PRIORITY = re.compile(PRIORITY_PATTERN)

_OUTCOMES: Final[Mapping[object, Outcome]] = {
    REASON_CANCELED: "canceled",
    REASON_QUEUE_FULL: "canceled",
    REASON_TIMED_OUT: "timedOut",
    REASON_DEADLINE_EXCEEDED: "timedOut",
}


class ContractError(ValueError):
    """Something on a Job is not as the contract wants it."""

    def __init__(self, field_path: str, message: str) -> None:
        super().__init__(f"{field_path}: {message}")
        self.field_path = field_path
        self.message = message


def parse_priority(annotation: str | None) -> int:
    """Return a Job's priority among those of its queue, where the queue's execution mode asks for it."""
    if annotation is None:
        return JOB_PRIORITY_DEFAULT
    if not isinstance(annotation, str) or not _PRIORITY.fullmatch(annotation):
        raise _wrong(PRIORITY_ANNOTATION, PRIORITY_MESSAGE, annotation)
    return int(annotation)


def parse_hold(annotation: str | None) -> bool:
    """Return whether a Job is to be passed over while it waits."""
    if annotation is None or annotation == "false":
        return False
    if annotation != "true":
        raise _wrong(HOLD_ANNOTATION, HOLD_MESSAGE, annotation)
    return True


def finished(job: Mapping[str, Any]) -> Outcome | None:
    """Return how a Job ended, or None for one that has not.

    Only the terminal conditions count. A Job with FailureTarget or SuccessCriteriaMet is decided, but still
    has pods to lose: it holds its place in the queue's limits until the Job controller says Failed or
    Complete.
    """
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("status") != "True":
            continue
        match condition.get("type"):
            case "Complete":
                return "succeeded"
            case "Failed":
                return _OUTCOMES.get(condition.get("reason"), "failed")
    return None


def _wrong(annotation: str, message: str, value: object) -> ContractError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return ContractError(f"metadata.annotations['{annotation}']", f"{message}, not {shown}")
