"""What the Job API demands of a status, as Kubernetes 1.37 does, told once more and on its own.

After getStatusValidationOptions (pkg/registry/batch/job/strategy.go), validateJobStatus and ValidateJobStatusUpdate
(pkg/apis/batch/validation/validation.go). That it says what the API server says is tested on one, in
tests/cluster/members/test_mirror.py.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

TERMINAL = ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")


def merged(status: Json, patch: Json) -> Json:
    """Return a status after a strategic merge patch: conditions merge by type, null removes."""
    after = dict(status)
    for field, value in patch.items():
        if field == "conditions":
            conditions = {condition["type"]: condition for condition in after.get("conditions") or ()}
            conditions |= {c["type"]: {**conditions.get(c["type"], {}), **c} for c in value}
            after["conditions"] = list(conditions.values())
        elif value is None or (field in ("active", "succeeded", "failed") and value == 0):
            after.pop(field, None)
        else:
            after[field] = value
    return after


def holds(status: Json, type_: str) -> bool:
    return any(c["type"] == type_ and c["status"] == "True" for c in status.get("conditions") or ())


def is_finished(status: Json) -> bool:
    return holds(status, "Complete") or holds(status, "Failed")


def complaints(spec: Json, old: Json, new: Json) -> list[str]:
    """Return why an API server would refuse this change of a Job's status."""
    wrong = _of_conditions(old, new) + _of_times(spec, old, new) + _of_indexes(spec, old, new)
    indexed = spec.get("completionMode") == "Indexed"
    for field in ("active", "succeeded", "failed", "ready", "terminating"):
        if (new.get(field) or 0) < 0:
            wrong.append(f"{field} is negative")
    if new.get("failed", 0) < old.get("failed", 0):
        wrong.append("cannot decrease the failed counter")
    elastic = indexed and spec.get("completions") == spec.get("parallelism")
    if new.get("succeeded", 0) < old.get("succeeded", 0) and not elastic:
        wrong.append("cannot decrease the succeeded counter")
    if is_finished(new) and new.get("active"):
        wrong.append("active>0 is invalid for finished job")
    if is_finished(new) and new.get("terminating"):
        wrong.append("terminating>0 is invalid for finished job")
    if (new.get("ready") or 0) > new.get("active", 0):
        wrong.append("cannot set more ready pods than active")
    return wrong


def _of_conditions(old: Json, new: Json) -> list[str]:
    wrong = [
        f"cannot disable the {type_}=True condition"
        for type_ in TERMINAL
        if holds(old, type_) and not holds(new, type_)
    ]
    wrong += [
        f"cannot set {by}=True condition without the {needed}=true condition"
        for needed, by in (("FailureTarget", "Failed"), ("SuccessCriteriaMet", "Complete"))
        if holds(new, by) and not holds(new, needed)
    ]
    wrong += [
        f"cannot set {one}=True and {other}=true conditions"
        for one in ("Complete", "SuccessCriteriaMet")
        for other in ("Failed", "FailureTarget")
        if holds(new, one) and holds(new, other)
    ]
    return wrong


def _of_times(spec: Json, old: Json, new: Json) -> list[str]:
    wrong = []
    start, end = new.get("startTime"), new.get("completionTime")
    resumes = holds(old, "Suspended") and any(
        c["type"] == "Suspended" and c["status"] == "False" for c in new.get("conditions") or ()
    )
    if old.get("startTime") not in (None, start) and not spec.get("suspend") and not resumes:
        wrong.append("startTime is immutable for unsuspended job once set")
    if is_finished(new) and start is None:
        wrong.append("startTime is required for finished job")
    if (end is None) is holds(new, "Complete"):
        wrong.append("completionTime goes with Complete=True")
    if start and end and end < start:
        wrong.append("completionTime must be equal to or after `startTime`")
    if old.get("completionTime") not in (None, end) and end is not None:
        wrong.append("completionTime is immutable")
    return wrong


def _of_indexes(spec: Json, old: Json, new: Json) -> list[str]:
    completed, failed = new.get("completedIndexes"), new.get("failedIndexes")
    if (completed, failed) == (old.get("completedIndexes"), old.get("failedIndexes")):
        return []
    wrong = []
    if completed and spec.get("completionMode") != "Indexed":
        wrong.append("cannot set non-empty completedIndexes when non-indexed completion mode")
    if failed is not None and spec.get("backoffLimitPerIndex") is None:
        wrong.append("cannot set non-null failedIndexes when backoffLimitPerIndex is null")
    if spec.get("completionMode") == "Indexed":
        if {i for i in numbers(completed) | numbers(failed) if i >= spec["completions"]}:
            wrong.append("too large index")
        if numbers(completed) & numbers(failed):
            wrong.append("failedIndexes and completedIndexes overlap")
    return wrong


def numbers(indexes: str | None) -> set[int]:
    """Return the indexes of "0-2,5"."""
    found: set[int] = set()
    for part in (indexes or "").split(","):
        if part:
            first, _, last = part.partition("-")
            found |= set(range(int(first), int(last or first) + 1))
    return found
