"""The four writes on a Job: admit, suspend, requeue, cancel.

Each is one PATCH that demands the resourceVersion at which the Job was seen. That makes it safe to send again when
an answer is lost: it is applied once, or refused with a conflict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from headgate.api import names
from headgate.engine.decisions import Admit, Cancel, Requeue, Suspend
from headgate.kube.client import MERGE_PATCH, STRATEGIC_MERGE_PATCH, ApiError
from headgate.kube.jobs import canceled_status
from headgate.kube.paths import job_path

if TYPE_CHECKING:
    from headgate.engine.decisions import Write
    from headgate.engine.job import Job
    from headgate.kube.client import Api, Json


async def send(api: Api, write: Write, *, term: str, now: str) -> None:
    """Send a write; what became of the Job, the watch will tell.

    `term` is the leader's, which the API server checks on an admission; `now` is an RFC 3339 time in microseconds.
    Raises `ApiError`, or one of `UNREACHABLE`.
    """
    job = write.job
    path = job_path(job.namespace, job.name)
    # The UID guards against a Job that was deleted and created anew under the same name.
    metadata: Json = {"resourceVersion": str(write.resource_version), "uid": job.uid}
    match write:
        case Admit():
            metadata["annotations"] = {
                names.ADMITTED_AT_ANNOTATION: now,
                names.TERM_ANNOTATION: term,
                names.CLUSTER_ANNOTATION: write.cluster,
            }
            spec: Json = {"suspend": False}
            if write.environment is not None:
                metadata["annotations"][names.COMPUTE_ENVIRONMENT_ANNOTATION] = write.environment
                placement = {"nodeSelector": write.node_selector, "tolerations": write.tolerations}
                pod = {key: value for key, value in placement.items() if value}
                if job.managed:
                    # It may come back and go to another environment: its own template stays what the user wrote.
                    metadata["annotations"][names.PLACEMENT_ANNOTATION] = orjson.dumps(pod).decode()
                else:
                    spec["template"] = {"spec": pod}
            body: Json = {"metadata": metadata, "spec": spec}
            await api.patch(path, body, content_type=MERGE_PATCH)
        case Suspend():
            body = {"metadata": metadata, "spec": {"suspend": True}}
            await api.patch(path, body, content_type=MERGE_PATCH)
        case Requeue():
            metadata["annotations"] = {
                names.ADMITTED_AT_ANNOTATION: None,
                names.CLUSTER_ANNOTATION: None,
                names.COMPUTE_ENVIRONMENT_ANNOTATION: None,
                names.PLACEMENT_ANNOTATION: None,
                names.TERM_ANNOTATION: term,
                names.REQUEUED_FROM_ANNOTATION: write.cluster,
            }
            await api.patch(path, {"metadata": metadata, "spec": {"suspend": True}}, content_type=MERGE_PATCH)
        case Cancel():
            status = canceled_status(job, write.reason, write.message, now=f"{now[:19]}Z")
            body = {"metadata": metadata, "status": status}
            await api.patch(f"{path}/status", body, content_type=STRATEGIC_MERGE_PATCH)


async def read_version(api: Api, job: Job) -> int | None:
    """Return the resourceVersion at which a Job is now, None if it is no more; raises as `send` does."""
    try:
        metadata = await api.metadata(job_path(job.namespace, job.name))
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return int(metadata["resourceVersion"]) if metadata["uid"] == job.uid else None
