"""From the JSON of a Job to what the engine knows of it, and the status that cancels one.

Runs for every event of every Job. A Job may carry anything a user could write: what is wrong becomes the Job's own
error and stops nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import Any

from headgate.api import names
from headgate.api.constraints import constraints_of
from headgate.api.job import (
    ContractError,
    finished,
    parse_depends_on,
    parse_hold,
    parse_priority,
    parse_retry_of,
)
from headgate.api.requests import request_of
from headgate.engine.job import Job, JobState

_GOING = frozenset({"FailureTarget", "SuccessCriteriaMet"})


def job_from(raw: dict[str, Any]) -> Job:
    """Return the engine's record of a Job from the API server's JSON."""
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    namespace = intern(metadata["namespace"])
    job = Job(
        uid=metadata["uid"],
        namespace=namespace,
        name=metadata["name"],
        queue=intern(labels.get(names.QUEUE_LABEL, "")),
        resource_version=int(metadata["resourceVersion"]),
        created=seconds(metadata["creationTimestamp"]),
        state=JobState.WAITING,
        project=intern(labels.get(names.PROJECT_LABEL) or namespace),
        pool=intern(pool) if (pool := labels.get(names.POOL_LABEL)) else None,
        run_label=labels.get(names.RUN_LABEL) or None,
        owner_uid=_owner(metadata),
        cluster=annotations.get(names.CLUSTER_ANNOTATION),
        environment=annotations.get(names.COMPUTE_ENVIRONMENT_ANNOTATION),
        share=labels.get(names.SHARE_LABEL) or None,
        managed=spec.get("managedBy") == names.MANAGED_BY,
        requeued=names.REQUEUED_FROM_ANNOTATION in annotations,
        deadline=spec.get("activeDeadlineSeconds"),
        constraints=constraints_of(raw),
        admitted_at=annotations.get(names.ADMITTED_AT_ANNOTATION),
        started_at=seconds(started) if (started := status.get("startTime")) else 0,
    )
    job.result = finished(raw)
    if job.result is not None:
        job.state = JobState.FINISHED
        job.finished_at = _finished_at(status)
        return job
    if not spec.get("suspend"):
        job.state = JobState.ACTIVE if job.admitted_at else JobState.UNADMITTED
    job.canceling = "deletionTimestamp" in metadata or any(
        condition["type"] in _GOING and condition["status"] == "True"
        for condition in status.get("conditions") or ()
    )
    try:
        job.priority = parse_priority(annotations.get(names.PRIORITY_ANNOTATION))
        job.held = parse_hold(annotations.get(names.HOLD_ANNOTATION))
        if _is_stopping(spec, status):
            # A proxy came back from a lost cluster: those behind it wait for the moment that this takes.
            job.stopping, job.held = job.managed, job.held or not job.managed
        job.depends_on = parse_depends_on(annotations.get(names.DEPENDS_ON_ANNOTATION))
        job.retry_of = parse_retry_of(annotations.get(names.RETRY_OF_ANNOTATION))
        job.request = request_of(raw)
    except ContractError as error:
        job.error = str(error)
    return job


def canceled_status(job: Job, reason: str, message: str, *, now: str) -> dict[str, Any]:
    """Return the change of status that makes the Job controller end a Job, see the Job API's FailureTarget.

    No Job controller looks after a proxy: one that was never sent anywhere is ended by this itself. `now` is an RFC
    3339 time of whole seconds.
    """
    types = ("FailureTarget", "Failed") if job.managed and job.cluster is None else ("FailureTarget",)
    status: dict[str, Any] = {
        "conditions": [
            {
                "type": type_,
                "status": "True",
                "reason": reason,
                "message": message,
                "lastProbeTime": now,
                "lastTransitionTime": now,
            }
            for type_ in types
        ]
    }
    if not job.started_at:
        # The API demands it of a finished Job, and one that waited never had it.
        status["startTime"] = now
    return status


@lru_cache(maxsize=4096)
def seconds(timestamp: str) -> int:
    """Return a time of the API server (RFC 3339, whole seconds, UTC) as seconds since the epoch."""
    return int(datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def _owner(metadata: dict[str, Any]) -> str | None:
    for reference in metadata.get("ownerReferences") or ():
        if reference["kind"] == "Job" and reference["apiVersion"].startswith("batch/"):
            uid: str = reference["uid"]
            return uid
    return None


def _is_stopping(spec: dict[str, Any], status: dict[str, Any]) -> bool:
    """Whether a Job was suspended, and what ran of it has not been seen to yet.

    By the Job controller, before which its template is fixed; of a proxy by Headgate, which takes back the startTime:
    one that has it counts as a Job whose copy was there.
    """
    if not spec.get("suspend") or not status.get("startTime"):
        return False
    return (
        spec.get("managedBy") == names.MANAGED_BY or bool(status.get("active")) or not _is_suspended(status)
    )


def _is_suspended(status: dict[str, Any]) -> bool:
    return any(
        condition["type"] == "Suspended" and condition["status"] == "True"
        for condition in status.get("conditions") or ()
    )


def _finished_at(status: dict[str, Any]) -> int:
    for condition in status["conditions"]:
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            when = condition.get("lastTransitionTime")
            return seconds(when) if when else 0
    return 0
