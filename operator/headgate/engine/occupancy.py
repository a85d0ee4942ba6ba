"""Which active Jobs are in which cluster, whatever their queues: a cluster is in one pool only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.engine.job import Job


class Occupancy:
    """The active Jobs of all queues, by cluster."""

    def __init__(self) -> None:
        self._jobs: dict[str, dict[str, Job]] = {}

    def count(self, job: Job, sign: int) -> None:
        """Count an active Job in where it was admitted to, or out."""
        cluster = job.cluster or ""
        if sign > 0:
            self._jobs.setdefault(cluster, {})[job.uid] = job
            return
        jobs = self._jobs[cluster]
        del jobs[job.uid]
        if not jobs:
            del self._jobs[cluster]

    def on(self, cluster: str) -> int:
        """Return how many active Jobs are in a cluster."""
        jobs = self._jobs.get(cluster)
        return len(jobs) if jobs else 0

    def jobs(self, cluster: str) -> list[Job]:
        """Return the active Jobs in a cluster."""
        return list(self._jobs.get(cluster, {}).values())
