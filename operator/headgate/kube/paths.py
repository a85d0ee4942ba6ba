"""Where Jobs are in the API. Names are as the API server gave them: of others, quote what is to be quoted before."""

from __future__ import annotations

from typing import Final

BATCH: Final = "/apis/batch/v1"
JOBS: Final = f"{BATCH}/jobs"
"""The Jobs of all namespaces."""


def jobs_path(namespace: str) -> str:
    """Return the path of a namespace's Jobs."""
    return f"{BATCH}/namespaces/{namespace}/jobs"


def job_path(namespace: str, name: str) -> str:
    """Return the path of a Job."""
    return f"{BATCH}/namespaces/{namespace}/jobs/{name}"
