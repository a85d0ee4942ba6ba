"""From the JSON of a Job to a `JobInfo`, by the same reading that the operator does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from headgate.api import names
from headgate.api.job import ContractError, parse_depends_on, parse_priority, parse_retry_of
from headgate.api.quantity import UNIT
from headgate.api.requests import request_of
from headgate.api.times import seconds
from headgate.client._job_info import JobException, JobInfo, place
from headgate.engine.job import Job, admitted_time
from headgate.engine.job import JobState as Standing
from headgate.kube.jobs import job_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.api.job import Outcome
    from headgate.client._job_info import JobResult, JobState

Json = dict[str, Any]
A = TypeVar("A")
T = TypeVar("T")

_RESULTS: Final[dict[Outcome, JobResult]] = {
    "succeeded": "completed",
    "failed": "failed",
    "canceled": "canceled",
    "timedOut": "timeout",
}
_DECIDED: Final = ("FailureTarget", "SuccessCriteriaMet")


def info_of(raw: Json) -> JobInfo:
    """Return a Job; one that waits and depends on others is in the state depend until it is known how those ended."""
    job = job_from(raw)
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    annotations = metadata.get("annotations") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or () if one["status"] == "True"}
    dependencies = _tolerant(parse_depends_on, annotations.get(names.DEPENDS_ON_ANNOTATION)) or ()
    t_inactive = float(job.finished_at) if job.result is not None else None
    t_run = _ran_at(job)
    return JobInfo(
        id=f"{job.namespace}/{job.name}",
        namespace=job.namespace,
        name=job.name,
        uid=job.uid,
        state=_state(job),
        result=_RESULTS[job.result] if job.result is not None else None,
        username=annotations.get(names.SUBMITTED_BY_ANNOTATION),
        queue=job.queue or None,
        pool=job.pool,
        project=job.project,
        run=job.run_label,
        share=job.share,
        priority=_tolerant(parse_priority, annotations.get(names.PRIORITY_ANNOTATION)),
        t_submit=float(job.created),
        t_depend=float(job.created),
        t_run=t_run,
        t_cleanup=_decided_at(conditions, t_inactive),
        t_inactive=t_inactive,
        duration=float(job.deadline) if job.deadline is not None else None,
        expiration=_expiration(job, t_run),
        ntasks=_tasks(spec),
        ncores=_cores(raw),
        exception=_exception(job, conditions),
        dependencies=dependencies,
        retry_of=_tolerant(parse_retry_of, annotations.get(names.RETRY_OF_ANNOTATION)),
        cluster=job.cluster,
        environment=job.environment,
        held=annotations.get(names.HOLD_ANNOTATION) == "true",
        error=job.error,
    )


def _state(job: Job) -> JobState:
    if job.state is Standing.FINISHED:
        return "inactive"
    if job.canceling:
        return "cleanup"
    if job.state is not Standing.WAITING:
        return "run"
    if job.depends_on and not job.requeued:
        return "depend"
    return place(held=job.held, error=job.error)


def _ran_at(job: Job) -> float | None:
    """Return when a Job was let through; without a queue, when it was started."""
    if job.queue:
        return admitted_time(job) or None
    return float(job.started_at) if job.started_at else None


def _expiration(job: Job, t_run: float | None) -> float | None:
    if job.deadline is None or t_run is None:
        return None
    return (job.started_at or t_run) + job.deadline


def _decided_at(conditions: dict[str, Json], t_inactive: float | None) -> float | None:
    for type_ in _DECIDED:
        if type_ in conditions:
            return seconds(conditions[type_].get("lastTransitionTime") or "") or t_inactive
    return t_inactive


def _exception(job: Job, conditions: dict[str, Json]) -> JobException | None:
    if job.result == "succeeded":
        return None
    condition = conditions.get("Failed") or conditions.get("FailureTarget")
    if condition is None:
        return None
    return JobException(type=condition.get("reason") or "", note=condition.get("message") or "")


def _tasks(spec: Json) -> int:
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    if completions is not None:
        return int(completions)
    return 1 if parallelism is None else int(parallelism)


def _cores(raw: Json) -> float | None:
    """Return the cores of all Pods that run at a time, None where they ask for none. It is the same when finished."""
    whole = _tolerant(request_of, {"spec": raw["spec"]})
    cores = dict(whole.total).get("cpu") if whole is not None else None
    return None if cores is None else cores / UNIT


def _tolerant(parse: Callable[[A], T], value: A) -> T | None:
    """Return what is parsed, None for what is wrong: that stands in `error`."""
    try:
        return parse(value)
    except ContractError:
        return None
