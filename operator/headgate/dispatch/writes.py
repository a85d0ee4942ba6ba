"""The three writes on a Job: admit, suspend, cancel.

Each is one PATCH that demands the resourceVersion at which the Job was seen. That makes it safe to send again when
an answer is lost: it is applied once, or refused with a conflict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.api import names
from headgate.engine.decisions import Admit, Cancel, Suspend
from headgate.kube.client import MERGE_PATCH, STRATEGIC_MERGE_PATCH

if TYPE_CHECKING:
    from headgate.engine.decisions import Write
    from headgate.kube.client import Api, Json


async def send(api: Api, write: Write, *, term: str, now: str) -> None:
    """Send a write; what became of the Job, the watch will tell.

    `term` is the leader's, which the API server checks on an admission; `now` is an RFC 3339 time in microseconds.
    Raises `ApiError`, or one of `UNREACHABLE`.
    """
    job = write.job
    path = f"/apis/batch/v1/namespaces/{job.namespace}/jobs/{job.name}"
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
                pod = {"nodeSelector": write.node_selector, "tolerations": write.tolerations}
                spec["template"] = {"spec": {key: value for key, value in pod.items() if value}}
            body: Json = {"metadata": metadata, "spec": spec}
            await api.patch(path, body, content_type=MERGE_PATCH)
        case Suspend():
            body = {"metadata": metadata, "spec": {"suspend": True}}
            await api.patch(path, body, content_type=MERGE_PATCH)
        case Cancel():
            body = {"metadata": metadata, "status": _cancelled(write, started=job.started_at > 0, now=now)}
            await api.patch(f"{path}/status", body, content_type=STRATEGIC_MERGE_PATCH)


def _cancelled(cancel: Cancel, *, started: bool, now: str) -> Json:
    """Return the change of status that makes the Job controller end a Job, see the Job API's FailureTarget."""
    second = f"{now[:19]}Z"
    status: Json = {
        "conditions": [
            {
                "type": "FailureTarget",
                "status": "True",
                "reason": cancel.reason,
                "message": cancel.message,
                "lastProbeTime": second,
                "lastTransitionTime": second,
            }
        ]
    }
    if not started:
        # The API demands it of a finished Job, and one that waited never had it.
        status["startTime"] = second
    return status
