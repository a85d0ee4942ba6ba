"""Which active Jobs are in which cluster, whatever their queues.

A cluster is in one pool only, by policy; but two pools that are made at the same moment may name the same one. So
Jobs are kept by pool and cluster: what becomes of one pool's cluster is nothing to the Jobs of another pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.engine.job import Job


class Occupancy:
    """The active Jobs of all queues, by pool and cluster."""

    def __init__(self) -> None:
        self._pools: dict[str, dict[str, dict[str, Job]]] = {}

    def count(self, pool: str, job: Job, sign: int) -> None:
        """Count an active Job of a pool in where it was admitted to, or out."""
        cluster = job.cluster or ""
        clusters = self._pools.setdefault(pool, {})
        if sign > 0:
            clusters.setdefault(cluster, {})[job.uid] = job
            return
        jobs = clusters[cluster]
        del jobs[job.uid]
        if not jobs:
            del clusters[cluster]
            if not clusters:
                del self._pools[pool]

    def on(self, pool: str, cluster: str) -> int:
        """Return how many active Jobs of a pool are in a cluster."""
        return len(self._pools.get(pool, {}).get(cluster, ()))

    def jobs(self, pool: str, cluster: str) -> list[Job]:
        """Return the active Jobs of a pool in a cluster."""
        return list(self._pools.get(pool, {}).get(cluster, {}).values())

    def clusters(self, pool: str) -> list[str]:
        """Return the clusters in which a pool has active Jobs, whether they are in it now or not."""
        return list(self._pools.get(pool, ()))
