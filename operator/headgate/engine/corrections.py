"""Jobs that are to be put right: cancelled, or sent back to the gate or to their queue."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from headgate.engine.decisions import Cancel, Requeue, Suspend

if TYPE_CHECKING:
    from headgate.engine.decisions import Correction
    from headgate.engine.job import Job

UNADMITTED: Final = "it ran without admission"
NOT_LANDED: Final = "the API server answered its admission with a conflict, although it had not changed"


class Corrections:
    """The Jobs whose next write is a correction, in the order in which they came; each is due once."""

    def __init__(self) -> None:
        self._doomed: dict[str, Job] = {}
        self._unadmitted: dict[str, Job] = {}
        self._lost: dict[str, Job] = {}

    def cancel(self, job: Job) -> None:
        """Have a doomed Job cancelled; nothing else is done about it any more."""
        self.withdraw(job)
        self._doomed[job.uid] = job

    def suspend(self, job: Job) -> None:
        """Have a Job sent back to the gate that runs unadmitted, or of which nobody knows whether it does."""
        self._unadmitted[job.uid] = job

    def requeue(self, job: Job) -> None:
        """Have a Job whose cluster is lost sent back to its queue."""
        self._lost[job.uid] = job

    @property
    def lost(self) -> list[Job]:
        """The Jobs that are to be sent back to their queue."""
        return list(self._lost.values())

    def keep(self, job: Job) -> None:
        """Leave a Job in its cluster."""
        self._lost.pop(job.uid, None)

    def withdraw(self, job: Job) -> None:
        """Leave a Job as it is."""
        self._doomed.pop(job.uid, None)
        self._unadmitted.pop(job.uid, None)
        self._lost.pop(job.uid, None)

    def take(self, limit: int) -> list[Correction]:
        """Return the next corrections, `limit` at most, and open a write for each."""
        writes: list[Correction] = []
        writes.extend(
            Suspend(job, job.resource_version, NOT_LANDED if job.assumed else UNADMITTED)
            for job in islice(self._unadmitted.values(), max(limit, 0))
        )
        for job in islice(self._doomed.values(), max(limit - len(writes), 0)):
            assert job.doomed is not None
            writes.append(Cancel(job, job.resource_version, *job.doomed))
        for job in islice(self._lost.values(), max(limit - len(writes), 0)):
            assert job.cluster is not None
            writes.append(Requeue(job, job.resource_version, job.cluster))
        for write in writes:
            write.job.write = write.resource_version
            self.withdraw(write.job)
        return writes
