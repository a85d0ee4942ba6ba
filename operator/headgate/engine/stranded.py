"""Jobs that were not made for the clusters of their queue's pool. They can never go, and are ended after a while.

`spec.managedBy` says who runs a Job, and cannot change any more once it is created. A policy sets it where it is known
then what clusters the pool has. A Job that comes before its queue, or before the pool has any cluster, does not wait
for them as others do: it waits for ever. Another Job of its name would run; but who would create one (a person, a
GitOps tool, a CronJob) does so when this one has failed, not when it waits.

They are given a while, so that what comes in the wrong order has come, and a pool may be put right that is not what
was meant. Before one is ended, its queue and the pool are read anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.api.names import REASON_WRONG_MANAGER
from headgate.engine.job import JobState
from headgate.engine.stuck import misplaced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headgate.engine.confirmations import Confirmations
    from headgate.engine.job import Job
    from headgate.engine.pool import Pool
    from headgate.engine.queue import Queue
    from headgate.engine.timers import Timers

STRANDED_SECONDS: Final = 60.0


class Stranded:
    """Has Jobs that wait in vain looked at when they have done so for too long."""

    def __init__(
        self,
        jobs: Mapping[str, Job],
        queues: Mapping[str, Queue],
        pools: Mapping[str, Pool],
        timers: Timers,
        confirmations: Confirmations,
        spare: Callable[[Job], None],
    ) -> None:
        self._jobs = jobs
        self._queues = queues
        self._pools = pools
        self._timers = timers
        self._confirmations = confirmations
        self._spare = spare
        self._since: dict[str, float] = {}
        """Since when each waits in vain, in seconds, by UID."""

    def look(self, queue: Queue, job: Job, now: float) -> None:
        """Take note whether a Job waits in vain; one that does not any more is not ended for that."""
        if not _waits_in_vain(queue, job):
            self.forget(job)
            if job.doomed is not None and job.doomed[0] == REASON_WRONG_MANAGER:
                job.doomed = None
                self._spare(job)
                self._confirmations.want(queue.name)
        elif job.uid not in self._since:
            self._since[job.uid] = now
            self._look_again(job.uid)
        elif job.uid not in queue.stranded and (due := self._due(job.uid)) is not None and due <= now:
            # It has moved to another queue since.
            self._suspect(job.uid, now)

    def forget(self, job: Job) -> None:
        """Let go of a Job that is gone, is right now, or whose queue is gone."""
        self._since.pop(job.uid, None)

    def verdict(self, queue: Queue, job: Job, now: float) -> str | None:
        """Return why a Job is to be ended, None if by all that is known now it is not to be."""
        elsewhere = misplaced(queue, job)
        if elsewhere is None or not _waits_in_vain(queue, job):
            self.forget(job)
            return None
        due = self._due(job.uid)
        if due is None or due > now:
            self._look_again(job.uid)
            return None
        return elsewhere[1]

    def _due(self, uid: str) -> float | None:
        """Return when a Job will have waited for too long, also for a pool that has become what it is now."""
        job, since = self._jobs.get(uid), self._since.get(uid)
        queue = self._queues.get(job.queue) if job is not None else None
        if queue is None or queue.resource is None or since is None:
            return None
        return max(since, self._pools[queue.resource.spec.pool].turned_at) + STRANDED_SECONDS

    def _look_again(self, uid: str) -> None:
        due = self._due(uid)
        if due is not None:
            self._timers.at(due, lambda now: self._suspect(uid, now))

    def _suspect(self, uid: str, now: float) -> None:
        due = self._due(uid)
        if due is None:
            self._since.pop(uid, None)
        elif due > now:
            self._look_again(uid)
        else:
            queue = self._queues[self._jobs[uid].queue]
            queue.stranded[uid] = None
            self._confirmations.want(queue.name)


def _waits_in_vain(queue: Queue, job: Job) -> bool:
    return (
        job.state is JobState.WAITING
        and not job.canceling
        and bool(queue.pool_clusters)
        and queue.is_stranded(job)
        and not queue.is_foreign(job)
    )
