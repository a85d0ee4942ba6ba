"""What the operator says about a queue: where it is in its life, what it holds, and why.

Only the operator writes a status and every field of it can be computed again from the Jobs and the resources,
but for the counters of finished Jobs, which outlive them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headgate.api.meta import LABEL_MAX, ClusterState, Condition, Count, Model, Timestamp
from headgate.api.names import SHARES_MAX
from headgate.api.schema import crd

State = Literal["Active", "Draining", "Drained", "Sealing", "Sealed", "Terminating", "Terminated"]


class JobCounts(Model):
    """How many Jobs the queue has, and has had."""

    total: Count = 0
    """All Jobs of the queue: those that are live and those that ever finished in it. Deleting finished Jobs
    does not lower it; deleting one that waits or runs does."""

    waiting: Count = 0
    """Jobs that wait to be admitted."""

    active: Count = 0
    """Jobs that are admitted and not finished."""

    succeeded: Count = 0
    """Jobs that completed. Deleting them does not lower it."""

    failed: Count = 0
    """Jobs that failed by themselves. Deleting them does not lower it."""

    canceled: Count = 0
    """Jobs that were canceled: by a user, because the queue was terminated, or because it was full. Deleting
    them does not lower it."""

    timed_out: Count = 0
    """Jobs that ran out of time: their own activeDeadlineSeconds, or a time limit of the queue. Deleting them
    does not lower it."""


class Usage(Model):
    """How much of a concurrency limit is used."""

    active: Count = 0
    """How many are active now."""

    limit: Count = 0
    """How many may be, when this was written. 0 means no limit."""


class DepthUsage(Model):
    """How full the queue is."""

    current: Count = 0
    """How many live Jobs (waiting and active) the queue holds now."""

    limit: Count = 0
    """How many it may hold, when this was written. 0 means no limit."""


class QueueCluster(Model):
    """A cluster that the queue may use now."""

    name: str = Field(max_length=LABEL_MAX)
    """The cluster's name in the pool."""

    state: ClusterState = "Unknown"
    """Running: Jobs can go there. Pending: it is being connected. Terminated: it is disabled or gone.
    Unknown: it does not answer."""

    active: Count = 0
    """How many active Jobs of this queue are there."""


class QueueEnvironmentStatus(Model):
    """A compute environment that the queue uses."""

    name: str = Field(max_length=LABEL_MAX)
    """The ComputeEnvironment's name."""

    order: Count = 0
    """Its place in the order in which they are tried."""

    active: Count = 0
    """How many active Jobs of this queue are there."""


class ShareStatus(Model):
    """A share identifier that has, or lately had, Jobs in the queue."""

    identifier: str = Field(max_length=LABEL_MAX)
    """The share identifier: the label headgate.dev/share of its Jobs, or else their project."""

    waiting: Count = 0
    """How many of its Jobs wait."""

    active: Count = 0
    """How many of its Jobs are active."""

    usage: str = Field(default="0", max_length=64)
    """What it uses and has lately used, in weighted cores: a core is 1, 8 GiB of memory are 1, a device is 8.
    The past fades by the policy's shareDecaySeconds. The share with the least usage times weightFactor goes
    next."""

    average: str = Field(default="0", max_length=64)
    """The part of usage that is past: the decayed average of what its Jobs held. Lets a restarted operator
    go on from here."""

    usage_at: Timestamp | None = None
    """When usage was as written here: when something of the share last changed."""


class HeadStatus(Model):
    """The Job at the head of the queue, which cannot go."""

    namespace: str = Field(max_length=LABEL_MAX)
    """The Job's namespace."""

    name: str = Field(max_length=253)
    """The Job's name."""

    uid: str = Field(max_length=64)
    """The Job's uid, which tells it from an earlier one of the same name."""

    reason: str = Field(max_length=64)
    """Why it cannot go, in one word: InsufficientCapacity, ExceedsEnvironmentMaximum or
    NoMatchingEnvironment."""

    message: str = Field(default="", max_length=1024)
    """Why it cannot go, in a sentence."""

    since: Timestamp | None = None
    """Since when it stands there for this reason. A time limit of the queue is measured from here. As much
    later as the queue has let nothing through meanwhile: paused, stalled, or at its own limits."""


class DispatchStatus(Model):
    """Whether the queue lets Jobs through, and who decided that."""

    paused: bool = False
    """Whether the queue is paused, as the operator has last seen it."""

    paused_by: str | None = Field(default=None, max_length=1024)
    """Who paused it: the user as authenticated by the API server, not as claimed."""

    paused_at: Timestamp | None = None
    """Since when it is paused."""

    note: str | None = Field(default=None, max_length=1024)
    """The reason that was given."""


class Accounting(Model):
    """The operator's bookmark in the stream of Jobs."""

    resource_version: str = Field(default="", max_length=64)
    """The Jobs' resourceVersion up to which finished Jobs are counted in status.jobs; lets a restarted
    operator count each exactly once."""

    depth_floor: Count = 0
    """Live Jobs that were accepted before spec.depth was lowered below their number. They stay accepted."""


class JobQueueStatus(Model):
    """What the queue is, as the operator last saw it."""

    state: State | None = None
    """Where the queue is in its life: Active, Draining, Drained, Sealing, Sealed, Terminating or Terminated.
    Draining, Sealing and Terminating last until no Job is live."""

    jobs: JobCounts | None = None
    """How many Jobs the queue has, and has had, by what became of them."""

    runs: Usage | None = None
    """How much of spec.runConcurrency is used."""

    actions: Usage | None = None
    """How much of spec.actionConcurrency is used."""

    depth: DepthUsage | None = None
    """How much of spec.depth is used."""

    clusters: list[QueueCluster] = Field(
        default_factory=list, max_length=64, json_schema_extra=crd(list_map_keys=["name"])
    )
    """The clusters that spec.clusters stands for now, with how they are and how much of this queue is on
    each."""

    compute_environments: list[QueueEnvironmentStatus] = Field(
        default_factory=list, max_length=3, json_schema_extra=crd(list_map_keys=["name"])
    )
    """The compute environments of the queue, and how much of it is in each."""

    shares: list[ShareStatus] = Field(
        default_factory=list, max_length=SHARES_MAX, json_schema_extra=crd(list_map_keys=["identifier"])
    )
    """The share identifiers of the queue, where it has a scheduling policy: at most 500. While 500 have live
    Jobs, a Job with another one is refused."""

    head: HeadStatus | None = None
    """The Job at the head of the queue, if it does not fit into any compute environment now."""

    dispatch: DispatchStatus | None = None
    """Whether the queue is paused, since when, by whom and why."""

    created_by: str | None = Field(default=None, max_length=1024)
    """Who created the queue: the user as authenticated by the API server."""

    drained_at: Timestamp | None = None
    """When the queue's last live Job ended after it was drained. Empty once it is active again."""

    last_admitted_at: Timestamp | None = None
    """When the queue last let a Job through."""

    accounting: Accounting | None = None
    """The operator's bookmark: what the counters in status.jobs already contain. Nothing for people."""

    observed_generation: Annotated[int, Field(json_schema_extra=crd(format="int64"))] | None = None
    """The metadata.generation that this status was computed from. If it is lower than the object's, the
    operator has not yet seen the last change."""

    conditions: list[Condition] = Field(
        default_factory=list, max_length=32, json_schema_extra=crd(list_map_keys=["type"])
    )
    """The short answers. Ready: the queue is as its spec wants it; paused, drained and sealed queues are
    ready too. Accepting: new Jobs are accepted. Dispatching: waiting Jobs are let through, and if not, why.
    Reconciling and Stalled: as kstatus and GitOps tools read them; Stalled has a reason, and heals by itself
    when what it names changes: PoolNotFound, ClusterNotInPool, NoHealthyCluster, ComputeEnvironmentNotFound,
    ComputeEnvironmentInvalid, ComputeEnvironmentInOtherPool, MixedComputeTypes, MixedArchitectures,
    NoEnabledEnvironment or SchedulingPolicyNotFound."""
