"""JobQueue: a named lane in one pool, with limits, an order and a life of its own.

The descriptions here are what ``kubectl explain`` shows and what the reference in docs/ is made from; the
rules are what the API server enforces, also while the operator is down. Rules that need a second object (is
that cluster in the pool?) are admission policies and stand in `headgate.admission`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema

from headgate.api.clusterpool import EVERY_CLUSTER, SelectedClusters
from headgate.api.jobqueue_status import JobQueueStatus
from headgate.api.meta import (
    INT32_MAX,
    LABEL_MAX,
    LABEL_PATTERN,
    NAME_WORDS,
    READY,
    RESOURCE_NAME_RULE,
    Limit,
    Model,
    Resource,
)
from headgate.api.names import DEFAULT_NAME
from headgate.api.schema import RULES, Column, Kind, Rule, crd

DesiredState = Literal["Active", "Drained", "Sealed", "Terminated"]
ExecutionMode = Literal["FIFO", "LIFO", "PRIORITY"]
Fairness = Literal["RoundRobin", "ShuffleInterleave"]
HeadOfLine = Literal["Block", "Backfill"]
RetryAffinity = Literal["PreferWarmest", "PreferDifferent"]
TimeLimitReason = Literal["InsufficientCapacity", "ExceedsEnvironmentMaximum", "NoMatchingEnvironment"]

PRIORITY_MAX: Final = 1_000_000
PRIORITIES: Final = {"min": 1, "medium": 50, "max": 100}

_PRIORITY_MESSAGE: Final = (
    f"a priority is an integer from 0 to {PRIORITY_MAX}, without quotes, or min, medium or max"
)


def _priority(value: object) -> int | str:
    if isinstance(value, str) and value in PRIORITIES:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= PRIORITY_MAX:
        return value
    raise ValueError(_PRIORITY_MESSAGE)


_PRIORITY_RULE: Final = Rule(
    f"type(self) == int ? self >= 0 && self <= {PRIORITY_MAX} : self in {list(PRIORITIES)}", _PRIORITY_MESSAGE
)

Priority = Annotated[
    int | str,
    PlainValidator(_priority),
    WithJsonSchema({"x-kubernetes-int-or-string": True, RULES: [_PRIORITY_RULE.to_dict()]}),
]

PoolName = Annotated[
    str,
    Field(
        max_length=LABEL_MAX,
        json_schema_extra=crd(
            default=True,
            rules=[
                Rule(
                    f"self.matches('^{LABEL_PATTERN}$')",
                    f"a pool's name is {NAME_WORDS}",
                ),
                Rule(
                    "self == oldSelf",
                    "a queue never changes its pool: create a queue in the other pool and drain this one",
                    message_expression="'a queue never changes its pool, and this one is in ' + oldSelf + "
                    "': create another queue in ' + self + ' and drain this one'",
                ),
            ],
        ),
    ),
]

EnvironmentName = Annotated[
    str,
    Field(
        max_length=LABEL_MAX,
        json_schema_extra=crd(
            rules=[
                Rule(f"self.matches('^{LABEL_PATTERN}$')", f"a compute environment's name is {NAME_WORDS}")
            ]
        ),
    ),
]

PolicyName = Annotated[
    str,
    Field(
        max_length=LABEL_MAX,
        json_schema_extra=crd(
            rules=[Rule(f"self.matches('^{LABEL_PATTERN}$')", f"a scheduling policy's name is {NAME_WORDS}")]
        ),
    ),
]

TagValue = Annotated[str, Field(max_length=256)]


class QueueEnvironment(Model):
    """A compute environment that the queue uses."""

    name: EnvironmentName
    """The ComputeEnvironment, which must be in the queue's pool. One that does not exist yet is no error: the
    queue waits for it."""

    order: Annotated[int, Field(ge=0, le=INT32_MAX)]
    """Its place in the order in which they are tried: lower first. No two have the same."""


class TimeLimitAction(Model):
    """What becomes of a Job that stands at the head of the queue for too long."""

    reason: TimeLimitReason
    """Why the Job at the head cannot go. InsufficientCapacity: what it asks for is not free now.
    ExceedsEnvironmentMaximum: it asks for more than any environment that is right for it ever has.
    NoMatchingEnvironment: its own node selector or affinity rules out every environment that is enabled."""

    state: Literal["Waiting"] = Field(default="Waiting", json_schema_extra=crd(default=True))
    """The state of the Job that is measured: Waiting, the only one. Default: Waiting."""

    max_time_seconds: Annotated[int, Field(ge=600, le=86400)]
    """How long the Job may stand at the head for this reason, in seconds: 600 (10 minutes) to 86400 (a
    day)."""

    action: Literal["Cancel", "Terminate"]
    """What happens then. Of a Job that waits the two are the same: it is canceled with the reason
    TimedOut."""


class Dispatch(Model):
    """Whether the queue lets Jobs through."""

    paused: bool = Field(default=False, json_schema_extra=crd(default=True))
    """While true, the queue accepts Jobs and admits none; what runs goes on running. Unlike a state it can be
    changed back at any time, and it is independent of it: a paused queue that drains makes no progress. Who
    paused it, and when, stands in status.dispatch. Default: false."""

    note: str = Field(default="", max_length=1024, json_schema_extra=crd(default=True))
    """Why it is paused, for whoever wonders: "database upgrade until 14:00 UTC, ask #platform". At most 1024
    characters. Default: empty."""


_GAINED: Final = "a queue created without a scheduling policy never gets one: create another queue with it"
_LOST: Final = "a queue keeps a scheduling policy: name another one instead of removing it"


class JobQueueSpec(Model):
    """What the queue should be."""

    model_config = ConfigDict(
        json_schema_extra=crd(
            rules=[
                Rule(
                    "has(oldSelf.schedulingPolicy) || !has(self.schedulingPolicy)",
                    _GAINED,
                    field_path=".schedulingPolicy",
                ),
                Rule(
                    "has(self.schedulingPolicy) || !has(oldSelf.schedulingPolicy)",
                    _LOST,
                    field_path=".schedulingPolicy",
                ),
            ]
        )
    )

    description: str = Field(default="", max_length=1024)
    """What the queue is for, and whom to ask about it. At most 1024 characters."""

    pool: PoolName = DEFAULT_NAME
    """The ClusterPool whose clusters run the queue's Jobs. A pool is a wall: no Job of the queue ever reaches
    a cluster of another one. It cannot be changed; to move work, create a queue in the other pool and drain
    this one. A pool that does not exist yet is no error: the queue waits for it. Default: default."""

    clusters: SelectedClusters = [EVERY_CLUSTER]
    """Which clusters of the pool the queue may use: 1 to 64 names, or only "*" for every one that is enabled
    and healthy. For example ["gpu-east", "gpu-west"]. A change takes effect at once for the Jobs that still
    wait; admitted Jobs stay where they are. Default: ["*"]."""

    run_concurrency: Limit
    """How many runs may be active at the same time. A run is the Jobs of a namespace that share the label
    headgate.dev/run; a Job without it is a run of its own. Further Jobs of a run that is active already are
    not counted: with 1, a nightly pipeline never overlaps with the one of the night before, and can still fan
    out. 0 means no limit. Lowering it stops nothing that runs. Required."""

    action_concurrency: Limit
    """How many Jobs may be active (admitted and not finished) at the same time, whatever runs they belong to.
    1 runs one Job after the other. 0 means no limit. Lowering it stops nothing that runs. Required."""

    depth: Limit = Field(default=10000, json_schema_extra=crd(default=True))
    """How many live Jobs (waiting and active) the queue holds. When it is full, a new Job is refused as it is
    created, so that whoever submits notices. 0 means no limit. Default: 10000."""

    priority: Priority = Field(default="medium", json_schema_extra=crd(default=True))
    """Which queue goes first where several contend for the same pool: the one with the higher number. An
    integer from 0 to 1000000, or min (1), medium (50), max (100). Queues of equal priority take turns. It
    only orders: nothing that runs is ever stopped for it. The order of Jobs inside a queue is
    executionMode's. Default: medium."""

    execution_mode: ExecutionMode = Field(default="FIFO", json_schema_extra=crd(default=True))
    """In what order the Jobs of one project go. FIFO: the oldest first. LIFO: the newest first. PRIORITY: by
    the Job's annotation headgate.dev/priority (0 to 9999, 0 where it is missing), higher first, and the
    oldest first among equals. Default: FIFO."""

    fairness: Fairness = Field(default="RoundRobin", json_schema_extra=crd(default=True))
    """How the projects that share the queue alternate. A project is a Job's label headgate.dev/project, or
    else its namespace. RoundRobin: one Job each in turn, so that nobody waits behind somebody else's thousand
    Jobs. ShuffleInterleave: mixed in proportion to what each has waiting. Default: RoundRobin."""

    compute_environments: list[QueueEnvironment] = Field(
        default=[],
        max_length=3,
        json_schema_extra=crd(
            default=True,
            list_map_keys=["name"],
            rules=[
                Rule(
                    "self.all(a, self.exists_one(b, b.order == a.order))",
                    "each compute environment has an order of its own: give them different numbers",
                )
            ],
        ),
    )
    """The compute environments that the queue uses, at most 3: a Job goes to the first, in ascending order,
    that has room for it. For example [{order: 1, name: reserved}, {order: 2, name: spot}]. All are in the
    queue's pool, of one class (OnDemand and Spot, or Serverless and ServerlessSpot) and one architecture.
    Without any, Headgate leaves room to the clusters' own scheduling. Default: none."""

    head_of_line: HeadOfLine = Field(default="Block", json_schema_extra=crd(default=True))
    """What happens behind a Job that does not fit into any compute environment now. Block: whoever stands
    behind it waits until it has gone. Backfill: those behind it may go as far as they do not delay it; a
    Job's spec.activeDeadlineSeconds says how long it can last. Default: Block."""

    scheduling_policy: PolicyName | None = None
    """The SchedulingPolicy that shares the queue between share identifiers (label headgate.dev/share of a
    Job, or else its project). It can be replaced by another one but not removed, and a queue created without
    one never gets one."""

    time_limit_actions: list[TimeLimitAction] = Field(
        default=[], max_length=10, json_schema_extra=crd(default=True, list_map_keys=["reason"])
    )
    """What becomes of a Job that stands at the head of the queue for too long, by the reason why it cannot
    go. While the queue is paused the time stands still. At most 10. For example
    [{reason: InsufficientCapacity, maxTimeSeconds: 3600, action: Cancel}]. Default: none, it stands there
    until it fits."""

    idle_timeout_seconds: Limit = Field(default=0, json_schema_extra=crd(default=True))
    """After how many seconds without live Jobs the compute environments that only this queue uses are scaled
    to their minimum. 0 never. Default: 0."""

    retry_affinity: RetryAffinity = Field(default="PreferWarmest", json_schema_extra=crd(default=True))
    """Where a Job goes that repeats another one (annotation headgate.dev/retry-of). PreferWarmest: where that
    one ran, if there is room. PreferDifferent: elsewhere, if there is room. Default: PreferWarmest."""

    state: DesiredState = Field(
        default="Active",
        json_schema_extra=crd(
            default=True,
            rules=[
                Rule(
                    "oldSelf != 'Terminated' || self == 'Terminated'",
                    "a terminated queue stays Terminated: create a new queue",
                ),
                Rule(
                    "oldSelf != 'Sealed' || self in ['Sealed', 'Terminated']",
                    "a sealed queue can only become Terminated: create a new queue",
                ),
            ],
        ),
    )
    """What should become of the queue. Active: it accepts and admits Jobs. Drained: it refuses new Jobs,
    finishes those it has, and can be made Active again. Sealed: the same for good, an archive; lists leave it
    out. Terminated: its live Jobs are canceled, for good. status.state shows how far it has come. The queue
    "default" is always Active. Default: Active."""

    dispatch: Dispatch = Field(default=Dispatch(), json_schema_extra=crd(default=True))
    """Whether the queue lets Jobs through. To hold it for a while, set paused and say why in note."""

    tags: dict[str, TagValue] = Field(
        default_factory=dict,
        max_length=50,
        json_schema_extra=crd(
            rules=[
                Rule(
                    "self.all(k, k.size() >= 1 && k.size() <= 128)",
                    "the key of a tag has 1 to 128 characters",
                )
            ]
        ),
    )
    """Your own words about the queue, to select lists and split cost reports by, such as team: search. At
    most 50; a key has 1 to 128 characters, a value at most 256. They change nothing about how it works."""

    @property
    def priority_value(self) -> int:
        """The priority as a number, whichever way it is written."""
        return PRIORITIES[self.priority] if isinstance(self.priority, str) else self.priority


class JobQueue(Resource):
    """A JobQueue is a named lane for Jobs in one pool of clusters. A Job that carries the label
    headgate.dev/queue with the queue's name waits, suspended, until the queue admits it: in order, and never
    more at a time than the limits allow. Of this queue, one nightly run at a time is active, with 20 Jobs at
    most:

      apiVersion: headgate.dev/v1alpha1
      kind: JobQueue
      metadata: {name: nightly}
      spec: {pool: default, runConcurrency: 1, actionConcurrency: 20}
      # and on the Job: metadata: {labels: {headgate.dev/queue: nightly}}
    """  # noqa: D205, D400 - it is shown by kubectl explain, which has no summary line

    model_config = ConfigDict(
        json_schema_extra=crd(
            rules=[
                RESOURCE_NAME_RULE,
                Rule(
                    f"self.metadata.name != '{DEFAULT_NAME}' || self.spec.state == 'Active'",
                    f"the queue '{DEFAULT_NAME}' is always Active; to hold it, set spec.dispatch.paused",
                    field_path=".spec.state",
                ),
            ]
        )
    )

    spec: JobQueueSpec
    """What the queue should be. Only you write it, the operator never does."""

    status: JobQueueStatus = JobQueueStatus()
    """What the queue is, as the operator last saw it. Only the operator writes it."""


KIND: Final = Kind(
    model=JobQueue,
    plural="jobqueues",
    singular="jobqueue",
    short_names=("jq",),
    selectable_fields=(".spec.pool", ".spec.state"),
    columns=(
        Column("State", ".status.state", description="Where the queue is in its life"),
        Column("Pool", ".spec.pool", description="The pool whose clusters run its Jobs"),
        Column("Priority", ".spec.priority", description="Among the queues of the pool, higher first"),
        Column("Waiting", ".status.jobs.waiting", "integer", description="Jobs that wait to be admitted"),
        Column("Active", ".status.jobs.active", "integer", description="Jobs admitted and not finished"),
        Column("Succeeded", ".status.jobs.succeeded", "integer", description="Jobs completed so far"),
        Column("Paused", ".spec.dispatch.paused", "boolean", description="Whether it admits no Jobs for now"),
        Column("Ready", f"{READY}.status", description="Whether it is as its spec wants it"),
        Column("Reason", f"{READY}.reason", description="Why it is ready, or why not"),
        Column("Runs", ".status.runs.active", "integer", 1, "Active runs"),
        Column("Run-Limit", ".spec.runConcurrency", "integer", 1, "Runs that may be active, 0: no limit"),
        Column(
            "Action-Limit", ".spec.actionConcurrency", "integer", 1, "Jobs that may be active, 0: no limit"
        ),
        Column("Depth-Limit", ".spec.depth", "integer", 1, "Live Jobs that it holds, 0: no limit"),
        Column("Failed", ".status.jobs.failed", "integer", 1, "Jobs failed so far"),
        Column("Mode", ".spec.executionMode", "string", 1, "The order of Jobs in one project"),
        Column("Clusters", ".spec.clusters", "string", 1, "The clusters it may use"),
        Column("Created-By", ".status.createdBy", "string", 1, "Who created it"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
