"""The status of a proxy: what its copy says, in steps that the API server accepts.

The hub's API server checks every change of a Job's status, because a Job with `spec.managedBy` is not its own
controller's (kubernetes 1.37: getStatusValidationOptions in pkg/registry/batch/job/strategy.go, validateJobStatus and
ValidateJobStatusUpdate in pkg/apis/batch/validation/validation.go). What matters here:

- `failed` never decreases, nor does `succeeded` (but for Indexed Jobs with completions equal to parallelism).
- Complete, Failed, FailureTarget and SuccessCriteriaMet are never taken back. Complete comes with SuccessCriteriaMet,
  Failed with FailureTarget; the two pairs exclude each other.
- A finished Job has a startTime, and no active and no terminating pods. There are never more ready than active pods.
- `startTime`, once set, changes only while the Job is suspended, or in the step that turns Suspended from True to
  False.
- `completionTime` comes with Complete and only with it, not before `startTime`, and stays.
- `completedIndexes` and `failedIndexes` lie below the hub's own `completions`.

A copy is another Job, with another life: it may be the second one of its proxy, of a cluster whose clock is behind, of
an older Kubernetes that knows neither FailureTarget nor SuccessCriteriaMet, or complete while the proxy is cancelled.

Its FailureTarget and SuccessCriteriaMet are shown once it has ended, not before: what was shown could not be taken back
if the cluster were lost in between and the Job ran again elsewhere. So FailureTarget on a proxy that has not ended says
that the hub wants its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headgate.api.names import REASON_REQUEUED

if TYPE_CHECKING:
    from headgate.kube.client import Json

COMPLETE: Final = "Complete"
FAILED: Final = "Failed"
FAILURE_TARGET: Final = "FailureTarget"
SUCCESS_CRITERIA_MET: Final = "SuccessCriteriaMet"
SUSPENDED: Final = "Suspended"

_DECIDING: Final = frozenset({COMPLETE, FAILED, FAILURE_TARGET, SUCCESS_CRITERIA_MET})
_COUNTED: Final = ("succeeded", "failed")


def true_condition(status: Json, *types: str) -> Json | None:
    """Return the first condition of one of these types that holds."""
    for condition in status.get("conditions") or ():
        if condition["type"] in types and condition["status"] == "True":
            found: Json = condition
            return found
    return None


def mirrored(hub: Json, copy: Json, *, completions: int | None = None) -> Json | None:
    """Return the strategic merge patch that makes a proxy's status say what its copy's says, None if it does.

    `completions` is the proxy's own: an Indexed Job may have been scaled since its copy was made.
    """
    if true_condition(hub, COMPLETE, FAILED):
        return None
    known = {condition["type"]: condition for condition in hub.get("conditions") or ()}
    end = true_condition(copy, COMPLETE, FAILED)
    news = _other_conditions(known, copy)
    patch: Json = {}
    if end is not None:
        patch |= _ending(hub, copy, end, news)
    else:
        active = copy.get("active") or 0
        ready = copy.get("ready")
        _set(patch, hub, "active", active or None)
        _set(patch, hub, "ready", None if ready is None else min(ready, active))
        _set(patch, hub, "terminating", copy.get("terminating"))
    if copy.get("startTime") and (not hub.get("startTime") or _resumes(hub, news)):
        _set(patch, hub, "startTime", copy["startTime"])
    for field in _COUNTED:
        # Of an earlier run, or of pods that were not counted yet: they stand.
        if (copy.get(field) or 0) > (hub.get(field) or 0):
            patch[field] = copy[field]
    if _fit(copy, completions):
        _set(patch, hub, "completedIndexes", copy.get("completedIndexes") or None)
        _set(patch, hub, "failedIndexes", copy.get("failedIndexes"))
    changed = [condition for condition in news if not _same(known.get(condition["type"]), condition)]
    if changed:
        patch["conditions"] = changed
    return patch or None


def ended(hub: Json, reason: str, message: str, when: str) -> Json:
    """Return the strategic merge patch that ends a proxy which no copy can end, at an RFC 3339 time.

    It failed for that reason, unless it had been decided before that it fails for another, or that it succeeds.
    """
    patch: Json = {}
    met = true_condition(hub, SUCCESS_CRITERIA_MET)
    if met is not None:
        patch["conditions"] = [{**_like(met, COMPLETE), "lastTransitionTime": when}]
        patch["completionTime"] = max(when, hub.get("startTime") or when)
    else:
        target = true_condition(hub, FAILURE_TARGET) or new_condition(FAILURE_TARGET, reason, message, when)
        patch["conditions"] = [target, {**_like(target, FAILED), "lastTransitionTime": when}]
    patch |= _no_pods(hub)
    if not hub.get("startTime"):
        patch["startTime"] = when
    return patch


def remains(hub: Json) -> bool:
    """Whether the status of a proxy that waits still speaks of a copy."""
    return bool(
        hub.get("startTime")
        or hub.get("active")
        or hub.get("ready")
        or hub.get("terminating")
        or hub.get("completedIndexes")
        or hub.get("failedIndexes") is not None
    )


def reset(hub: Json, message: str, when: str) -> Json:
    """Return the strategic merge patch that makes a proxy's status that of one that waits, at an RFC 3339 time."""
    fields = ("startTime", "active", "ready", "terminating", "completedIndexes", "failedIndexes")
    patch: Json = {field: None for field in fields if field in hub}
    patch["conditions"] = [new_condition(SUSPENDED, REASON_REQUEUED, message, when)]
    return patch


def new_condition(type_: str, reason: str, message: str, when: str, *, status: str = "True") -> Json:
    """Return a condition of a Job that came to hold at an RFC 3339 time."""
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastProbeTime": when,
        "lastTransitionTime": when,
    }


def _ending(hub: Json, copy: Json, end: Json, news: list[Json]) -> Json:
    """Return the fields that end a proxy whose copy has ended, and add the conditions to `news`."""
    patch = _no_pods(hub)
    when = end.get("lastTransitionTime") or copy.get("completionTime") or copy["startTime"]
    start = hub.get("startTime") or copy.get("startTime") or when
    target, met = true_condition(hub, FAILURE_TARGET), true_condition(hub, SUCCESS_CRITERIA_MET)
    succeeded = met is not None or (end["type"] == COMPLETE and target is None)
    if succeeded:
        if met is None:
            news.append(true_condition(copy, SUCCESS_CRITERIA_MET) or _like(end, SUCCESS_CRITERIA_MET))
        news.append(_like(end, COMPLETE))
        # They may be of two clocks.
        patch["completionTime"] = max(copy.get("completionTime") or when, start)
    elif target is not None:
        news.append({**_like(target, FAILED), "lastTransitionTime": when})
    else:
        news += [true_condition(copy, FAILURE_TARGET) or _like(end, FAILURE_TARGET), end]
    if not hub.get("startTime"):
        patch["startTime"] = start
    return patch


def _other_conditions(known: dict[str, Json], copy: Json) -> list[Json]:
    """Return the conditions of a copy that decide nothing, and whether it is suspended in any case."""
    conditions = copy.get("conditions") or ()
    others = [condition for condition in conditions if condition["type"] not in _DECIDING]
    if (
        known.get(SUSPENDED, {}).get("status") == "True"
        and copy.get("startTime")
        and not any(condition["type"] == SUSPENDED for condition in others)
    ):
        # As the Job controller says it.
        others.append(
            new_condition(SUSPENDED, "JobResumed", "Job resumed", copy["startTime"], status="False")
        )
    return others


def _resumes(hub: Json, news: list[Json]) -> bool:
    return true_condition(hub, SUSPENDED) is not None and any(
        condition["type"] == SUSPENDED and condition["status"] == "False" for condition in news
    )


def _no_pods(hub: Json) -> Json:
    return {field: 0 for field in ("active", "ready", "terminating") if hub.get(field)}


def _fit(copy: Json, completions: int | None) -> bool:
    if completions is None:
        return False
    indexes = f"{copy.get('completedIndexes') or ''},{copy.get('failedIndexes') or ''}"
    return all(int(part) < completions for part in indexes.replace("-", ",").split(",") if part)


def _set(patch: Json, hub: Json, field: str, value: Any) -> None:
    if hub.get(field) != value:
        patch[field] = value


def _same(known: Json | None, condition: Json) -> bool:
    return known is not None and all(
        (known.get(field) or "") == (condition.get(field) or "") for field in ("status", "reason", "message")
    )


def _like(condition: Json, type_: str) -> Json:
    return {**condition, "type": type_}
