"""Jobs that will wait for ever unless a person does something: each is told why, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.api.names import DEPENDS_ON_ANNOTATION, MANAGED_BY, QUEUE_LABEL, REASON_WRONG_MANAGER
from headgate.engine.decisions import Notice
from headgate.engine.messages import enumerated, shortened

if TYPE_CHECKING:
    from headgate.engine.job import Job
    from headgate.engine.queue import Queue

QUEUE_NOT_FOUND_SECONDS: Final = 5.0
"""How long a Job may be there before the queue it names, as in GitOps it may, before a person is told."""
MOST_QUEUE_NOT_FOUND: Final = 10
"""How many Jobs of one missing queue are told: the rest would only repeat it."""


_WRONG_MANAGER: Final = {
    False: "its queue's pool has remote clusters, and spec.managedBy of the Job, which cannot change any more, is not "
    f"{MANAGED_BY}: delete the Job and create it anew with the label {QUEUE_LABEL}",
    True: f"spec.managedBy of the Job, which cannot change any more, is {MANAGED_BY}, and its queue's pool has the "
    "cluster that Headgate runs in, where nothing would run it: delete the Job and create it anew",
}


class StuckJobs:
    """Collects what to tell about single Jobs."""

    def __init__(self) -> None:
        self._notices: list[Notice] = []

    def take(self) -> list[Notice]:
        """Return what is new to tell."""
        notices, self._notices = self._notices, []
        return notices

    def tell(self, job: Job, reason: str, message: str) -> None:
        """Tell something about a Job, unless it was the last thing told about it."""
        message = shortened(message)
        if job.noticed != message:
            job.noticed = message
            self._notices.append(Notice("Job", job.namespace, job.name, job.uid, "Warning", reason, message))

    def look(self, queue: Queue, job: Job) -> bool:
        """Tell what is wrong with a Job; return whether its queue is missing, which may be right in a moment."""
        if job.error is not None:
            self.tell(job, "InvalidJob", job.error)
        elif (elsewhere := misplaced(queue, job)) is not None:
            self.tell(job, *elsewhere)
        elif (left := _left_behind(queue, job)) is not None:
            self.tell(job, *left)
        return queue.resource is None and len(queue.jobs) <= MOST_QUEUE_NOT_FOUND

    def dependencies_missing(self, job: Job, names: list[str]) -> None:
        """Tell that Jobs which a Job depends on have not come."""
        self.tell(
            job,
            "DependencyNotFound",
            f"{DEPENDS_ON_ANNOTATION}: {enumerated(names)} not found among the Jobs of namespace "
            f'"{job.namespace}" that name a queue: create them and the Job goes on by itself, or remove the names',
        )

    def queue_missing(self, job: Job) -> None:
        """Tell that the queue a Job names has not come."""
        self.tell(
            job,
            "QueueNotFound",
            f'JobQueue "{job.queue}" does not exist: create it and the Job goes on by itself, '
            f"or name another queue in the label {QUEUE_LABEL}",
        )


def _left_behind(queue: Queue, job: Job) -> tuple[str, str] | None:
    """Return reason and message where a Job runs in a cluster that its pool does not have any more."""
    known = queue.pool_clusters
    if known is None or not job.managed or not job.is_seen_active or job.cluster in known:
        return None
    assert queue.resource is not None
    message = (
        f'admitted to cluster "{job.cluster}", which is not in ClusterPool "{queue.resource.spec.pool}" any more: '
        "put it back there and the Job goes on; or cancel the Job, or have the pool send it to another cluster "
        "(spec.onClusterLost: Requeue), by which nothing is stopped that still runs there"
    )
    return "ClusterNotInPool", message


def misplaced(queue: Queue, job: Job) -> tuple[str, str] | None:
    """Return reason and message where a Job was made for another pool than its queue's, or for another kind of pool."""
    if queue.is_foreign(job):
        assert queue.resource is not None
        message = (
            f'accepted into pool "{job.pool}", but JobQueue "{queue.name}" is in pool '
            f'"{queue.resource.spec.pool}": a Job never changes pool; submit it anew'
        )
        return "WrongPool", message
    return (REASON_WRONG_MANAGER, _WRONG_MANAGER[job.managed]) if queue.is_stranded(job) else None
