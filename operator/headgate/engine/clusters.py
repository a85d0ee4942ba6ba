"""Facts about clusters: which of them answer, and what becomes of the Jobs of one that is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.engine.job import JobState

if TYPE_CHECKING:
    from headgate.engine.hub import Hub
    from headgate.engine.job import Job
    from headgate.engine.placement import Cluster
    from headgate.engine.pool import Pool


class Clusters:
    """Takes in how the clusters are, and has Jobs sent back to their queues."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def answered(self, pool_name: str, name: str, version: str, now: float) -> None:
        """Take note that a cluster is well, and that no stale copy of a Job is left there."""
        self._hub.moment.reach(now)
        pool, cluster = self._find(pool_name, name)
        if pool is None or cluster is None or (cluster.state, cluster.version) == ("Running", version):
            return
        was_lost = cluster.lost
        cluster.answered(version)
        pool.resolve_all()
        self._hub.pool_touched(pool)
        for job in self._hub.occupancy.jobs(pool_name, name) if was_lost else ():
            self.requeue(job)

    def silent(self, pool_name: str, name: str, message: str, now: float) -> None:
        """Take note that a cluster does not answer, or cannot be asked; `message` says why, to a person.

        To be told again and again while it lasts: a remote cluster is lost once that has gone on for longer than
        `spec.lostAfterSeconds` of its pool.
        """
        self._hub.moment.reach(now)
        pool, cluster = self._find(pool_name, name)
        if pool is None or cluster is None or pool.resource is None:
            return
        before = (cluster.state, cluster.message)
        cluster.silent(message, now, pool.resource.spec.lost_after_seconds)
        if (cluster.state, cluster.message) == before:
            return
        if cluster.state != before[0]:
            pool.resolve_all()
            self.give_up(pool)
        self._hub.pool_touched(pool)

    def held(self, pool_name: str, name: str, message: str, now: float) -> None:
        """Take note why a cluster takes no Jobs although it may be well; `message` says why, to a person.

        However long that goes on, its Jobs stay there.
        """
        self._hub.moment.reach(now)
        pool, cluster = self._find(pool_name, name)
        if pool is None or cluster is None:
            return
        before = (cluster.state, cluster.message)
        cluster.held(message)
        if (cluster.state, cluster.message) == before:
            return
        if cluster.state != before[0]:
            pool.resolve_all()
        self._hub.pool_touched(pool)

    def is_given_up(self, pool_name: str, name: str) -> bool:
        """Whether a pool has lost a cluster, or has it no more, and its Jobs go back to their queues."""
        pool = self._hub.pools.get(pool_name)
        return pool is not None and pool.gives_up and pool.lacks(name)

    def is_abandoned(self, pool_name: str, name: str) -> bool:
        """Whether nobody waits for what a cluster will say of the Jobs of a pool that were admitted to it.

        It is given up, or its pool has it no more, so that nobody asks it.
        """
        pool = self._hub.pools.get(pool_name)
        if pool is None or pool.clusters is None:
            # One that cannot be read may well have it.
            return pool is None or pool.broken is None
        return name not in pool.clusters or self.is_given_up(pool_name, name)

    def give_up(self, pool: Pool) -> None:
        """Have the Jobs of lost clusters sent back where the pool wants that, or left where it does not any more."""
        for job in self._hub.corrections.lost:
            self.requeue(job)
        for name in self._hub.occupancy.clusters(pool.name):
            for job in self._hub.occupancy.jobs(pool.name, name) if pool.lacks(name) else ():
                self.requeue(job)
                self._hub.stuck.look(self._hub.queues[job.queue], job)

    def requeue(self, job: Job) -> None:
        """Have a Job whose cluster is lost sent back to its queue as soon as nothing else is under way for it."""
        job.lost = (
            job.managed
            and job.state is JobState.ACTIVE
            and not job.canceling
            and job.doomed is None
            and self.is_given_up(self._hub.queues[job.queue].pool_of(job), job.cluster or "")
        )
        if not job.lost or job.write or job.retry_at or job.assumed or job.sent_back:
            self._hub.corrections.keep(job)
        else:
            self._hub.corrections.requeue(job)

    def _find(self, pool_name: str, name: str) -> tuple[Pool | None, Cluster | None]:
        pool = self._hub.pools.get(pool_name)
        return pool, (pool.clusters or {}).get(name) if pool else None
