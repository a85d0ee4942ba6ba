"""What Headgate reads on a Job, where a user can write anything.

These are plain functions on the JSON of a Job, without models: they run for every event of every Job, and
100,000 waiting Jobs are a normal day. The API server refuses wrong values when a Job is created; a Job from
before the policies, or from a time when they were gone, can still carry one. So nothing here may crash on
one: it is a `ContractError`, which says where and what would be right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

from headgate.api.meta import LABEL_PATTERN, shorten
from headgate.api.names import (
    DEPENDENCIES_MAX,
    DEPENDS_ON_ANNOTATION,
    HOLD_ANNOTATION,
    JOB_PRIORITY_MAX,
    PRIORITY_ANNOTATION,
    REASON_CANCELED,
    REASON_DEADLINE_EXCEEDED,
    REASON_DEPENDENCY_CYCLE,
    REASON_DEPENDENCY_FAILED,
    REASON_QUEUE_FULL,
    REASON_TIMED_OUT,
    REASON_WRONG_MANAGER,
    RETRY_OF_ANNOTATION,
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

# The name of a Job: a DNS subdomain, of which the length is bounded apart.
JOB_NAME_PATTERN: Final = rf"{LABEL_PATTERN}(\.{LABEL_PATTERN})*"
JOB_NAME_MAX: Final = 253
DEPENDS_ON_MESSAGE: Final = (
    f"must be the names of 1 to {DEPENDENCIES_MAX} Jobs of the namespace, separated by commas"
)
RETRY_OF_MESSAGE: Final = "must be the name of a Job of the namespace"

_PRIORITY = re.compile(PRIORITY_PATTERN)
_JOB_NAME = re.compile(JOB_NAME_PATTERN)

_OUTCOMES: Final[Mapping[object, Outcome]] = {
    REASON_CANCELED: "canceled",
    REASON_QUEUE_FULL: "canceled",
    REASON_DEPENDENCY_FAILED: "canceled",
    REASON_DEPENDENCY_CYCLE: "canceled",
    REASON_WRONG_MANAGER: "canceled",
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


def parse_depends_on(annotation: str | None) -> tuple[str, ...]:
    """Return the names of the Jobs that must succeed first, each once, in the order written."""
    if annotation is None:
        return ()
    if not isinstance(annotation, str):
        raise _wrong(DEPENDS_ON_ANNOTATION, DEPENDS_ON_MESSAGE, annotation)
    names = [name.strip(" ") for name in annotation.split(",")]
    if len(names) > DEPENDENCIES_MAX or not all(map(_is_job_name, names)):
        raise _wrong(DEPENDS_ON_ANNOTATION, DEPENDS_ON_MESSAGE, annotation)
    return tuple(dict.fromkeys(names))


def parse_retry_of(annotation: str | None) -> str | None:
    """Return the name of the Job that a Job repeats."""
    if annotation is None:
        return None
    if not isinstance(annotation, str) or not _is_job_name(annotation):
        raise _wrong(RETRY_OF_ANNOTATION, RETRY_OF_MESSAGE, annotation)
    return annotation


def _is_job_name(name: str) -> bool:
    return len(name) <= JOB_NAME_MAX and _JOB_NAME.fullmatch(name) is not None


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
    return ContractError(f"metadata.annotations['{annotation}']", f"{message}, not {shorten(value)}")
