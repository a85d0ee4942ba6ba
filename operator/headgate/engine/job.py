"""What the engine knows of a Job.

A hundred thousand of these wait on a normal day, so the record is slim: what ordering and limits need, and
the handles by which its place in the line is found again without a search.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Final, get_args

from headgate.api.constraints import FREE
from headgate.api.job import Outcome
from headgate.api.requests import NOTHING
from headgate.api.times import seconds

if TYPE_CHECKING:
    from headgate.api.constraints import Constraints
    from headgate.api.requests import Request
    from headgate.engine.candidates import Candidate
    from headgate.engine.lanes import Lane
    from headgate.engine.line import Entry

RESULTS: Final[tuple[Outcome, ...]] = get_args(Outcome)


class JobState(IntEnum):
    """Where a Job stands, read from the Job alone."""

    WAITING = 0
    """Suspended and not finished."""
    ACTIVE = 1
    """Admitted (`headgate.dev/admitted-at`) and not finished."""
    UNADMITTED = 2
    """Runs although nobody admitted it: it came before the policies and is to be suspended again."""
    FINISHED = 3


@dataclass(slots=True, eq=False)
class Job:
    """One Job as last seen, and its place in the engine.

    The first block is read from the API server. The second belongs to the engine and nobody else writes it.
    """

    uid: str
    namespace: str
    name: str
    queue: str
    resource_version: int
    created: int
    """Creation time in whole seconds since the epoch: the API server keeps no finer one."""
    state: JobState
    project: str
    priority: int = 0
    pool: str | None = None
    """The pool that the API server wrote on the Job at creation; None if the policy was not there yet."""
    run_label: str | None = None
    owner_uid: str | None = None
    """UID of the Job that owns this one, if one does."""
    cluster: str | None = None
    environment: str | None = None
    """The ComputeEnvironment it was admitted to, if its queue names any."""
    share: str | None = None
    request: Request = NOTHING
    deadline: int | None = None
    """Longest runtime in seconds (activeDeadlineSeconds)."""
    constraints: Constraints = FREE
    depends_on: tuple[str, ...] = ()
    """Names of Jobs of its namespace that must succeed first."""
    retry_of: str | None = None
    """Name of the Job of its namespace that it repeats."""
    managed: bool = False
    """It is a proxy: nothing runs for it in the hub, its copy in a remote cluster does the work."""
    requeued: bool = False
    """It was sent back from a cluster that was lost."""
    stopping: bool = False
    """It was sent back, and what it was is still to be taken back: it is in line, and cannot go yet."""
    held: bool = False
    canceling: bool = False
    """It has the condition FailureTarget, or is being deleted: it is on its way out."""
    admitted_at: str | None = None
    started_at: int = 0
    """Its status' startTime in seconds since the epoch, 0 without one."""
    result: Outcome | None = None
    finished_at: int = 0
    error: str | None = None
    """What is wrong with the Job's own labels or annotations: such a Job is passed over."""

    run_key: str = ""
    arrival: int = 0
    """Order of arrival in its queue; decides which Jobs are the latest when a queue is over its depth."""
    assumed: bool = False
    """Admitted by a decision that the watch has not confirmed yet."""
    sent_back: bool = False
    """Sent back from a lost cluster by a write that the watch has not confirmed yet."""
    generation: int = 0
    """Generation of the queue's spec under which the open decision was taken."""
    write: int = 0
    """The resourceVersion that the open write for this Job demands, 0 if none is under way."""
    accepted: bool = False
    """It takes a place in the depth of its queue."""
    excess: bool = False
    """It came when the queue was full."""
    lost: bool = False
    """The cluster it was admitted to is lost, and it is to go back to its queue."""
    doomed: tuple[str, str] | None = None
    """Reason and message with which it is to be cancelled."""
    depending: bool = False
    """Some Job that it depends on has not succeeded yet."""
    decided_at: float = 0.0
    """When this operator decided to admit it, in seconds since the epoch; 0 if another one did."""
    ends_at: float = inf
    """When it ends at the latest, in seconds since the epoch, as it was counted in its room."""
    retry_at: float = 0.0
    """Not to be tried again before this time (seconds, the clock of the caller)."""
    attempts: int = 0
    noticed: str | None = None
    """The last notice given about this Job, so that none is given twice."""
    lane: Lane | None = field(default=None, repr=False)
    entry: Entry | None = field(default=None, repr=False)
    candidate: Candidate | None = field(default=None, repr=False)
    """Its place among the Jobs that may pass the head."""

    @property
    def is_seen_active(self) -> bool:
        """Whether it is active by what the watch has shown."""
        return self.state is JobState.ACTIVE and not self.assumed

    @property
    def is_owed(self) -> bool:
        """Whether a write for it is open, or to be tried (again) at its next version."""
        return bool(
            self.assumed
            or self.sent_back
            or self.write
            or self.retry_at
            or self.doomed is not None
            or self.lost
            or self.state is JobState.UNADMITTED
        )

    def same_standing(self, other: Job) -> bool:
        """Whether nothing the engine acts upon differs between two sights of the same Job."""
        return (
            self.state is other.state
            and self.queue == other.queue
            and self.canceling == other.canceling
            and self.held == other.held
            and self.requeued == other.requeued
            and self.stopping == other.stopping
            and self.priority == other.priority
            and self.project == other.project
            and self.run_label == other.run_label
            and self.owner_uid == other.owner_uid
            and self.pool == other.pool
            and self.cluster == other.cluster
            and self.environment == other.environment
            and self.share == other.share
            and self.request is other.request
            and self.deadline == other.deadline
            and self.constraints is other.constraints
            and self.depends_on == other.depends_on
            and self.retry_of == other.retry_of
            and self.error == other.error
            and (self.started_at == other.started_at or self.deadline is None)
        )


READ_FIELDS: Final = (
    "namespace",
    "name",
    "queue",
    "resource_version",
    "created",
    "state",
    "project",
    "priority",
    "pool",
    "run_label",
    "owner_uid",
    "cluster",
    "environment",
    "share",
    "request",
    "deadline",
    "constraints",
    "depends_on",
    "retry_of",
    "managed",
    "requeued",
    "stopping",
    "admitted_at",
    "held",
    "canceling",
    "started_at",
    "error",
)
"""What is read from the API server and may change while a Job lives."""


def admitted_time(job: Job) -> float:
    """Return when a Job was admitted, in seconds since the epoch; 0 if that is not known."""
    return job.decided_at or seconds(job.admitted_at or "") or 0.0


def end_of(job: Job) -> float:
    """Return when an active Job ends at the latest, in seconds since the epoch; infinite without a deadline.

    Kubernetes counts activeDeadlineSeconds from the startTime, which comes a moment after the admission.
    """
    if job.deadline is None:
        return inf
    return (job.started_at or admitted_time(job)) + job.deadline
