"""Requests about one Job, of the hub or of a member. All raise `ApiError` or one of `UNREACHABLE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.kube.client import STRATEGIC_MERGE_PATCH, ApiError
from headgate.kube.paths import job_path, jobs_path

if TYPE_CHECKING:
    from headgate.kube.client import Api, Json
    from headgate.members.records import Copy, Key, Proxy


async def get(api: Api, key: Key) -> Json | None:
    """Return a Job as it is now, None if there is none."""
    try:
        return await api.call("GET", job_path(*key))
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def create(api: Api, manifest: Json) -> Json:
    """Create a Job and return it as it is then."""
    return await api.call("POST", jobs_path(manifest["metadata"]["namespace"]), manifest)


async def delete(api: Api, copy: Copy) -> None:
    """Delete a copy, that very one; it stays until its pods are gone."""
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": copy.uid},
    }
    await api.call("DELETE", job_path(*copy.key), options)


async def patch_status(api: Api, job: Proxy | Copy, status: Json) -> None:
    """Change a Job's status, if it is still at the version at which it was seen."""
    metadata = {"uid": job.uid, "resourceVersion": str(job.resource_version)}
    await api.patch(
        f"{job_path(*job.key)}/status",
        {"metadata": metadata, "status": status},
        content_type=STRATEGIC_MERGE_PATCH,
    )
