"""What the engine decides. The edge carries it out and reports back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from headgate.api.computeenvironment import ScaleTargetRef
    from headgate.engine.job import Job

ResourceKind = Literal["JobQueue", "ClusterPool", "ComputeEnvironment", "SchedulingPolicy"]


@dataclass(slots=True, frozen=True)
class Admit:
    """Let a Job through, onto a cluster, with the resourceVersion it was seen at."""

    job: Job
    resource_version: int
    cluster: str
    environment: str | None = None
    """The ComputeEnvironment it goes to, if its queue names any."""
    node_selector: dict[str, str] | None = None
    """What its pods' node selector becomes; None leaves it as it is."""
    tolerations: list[dict[str, Any]] | None = None
    """What its pods' tolerations become; None leaves them as they are."""


@dataclass(slots=True, frozen=True)
class Cancel:
    """End a Job with a reason; it stays, finished."""

    job: Job
    resource_version: int
    reason: str
    message: str


@dataclass(slots=True, frozen=True)
class Suspend:
    """Send back to the gate a Job that runs although nobody admitted it, or of which nobody knows whether it does.

    A Job that waits at this resourceVersion stays as it is: that this is accepted says that it does.
    """

    job: Job
    resource_version: int
    why: str
    """What was wrong with it, in words, for a person."""


@dataclass(slots=True, frozen=True)
class Requeue:
    """Send back to the head of its queue a Job whose cluster is lost."""

    job: Job
    resource_version: int
    cluster: str


@dataclass(slots=True, frozen=True)
class Confirm:
    """Read a queue anew before acting on it.

    Jobs and queues come through separate watches: a Job may be seen before the queue's spec that allowed it.
    Nothing that cannot be undone is done before the queue was read after the Job.
    """

    queue: str
    pool: str | None = None
    """The ClusterPool that is to be read before it, if one is."""


@dataclass(slots=True, frozen=True)
class Scale:
    """Have an environment's target scaled."""

    environment: str
    target: ScaleTargetRef
    replicas: int
    why: str = field(default="", compare=False)
    """In words, for a person."""


@dataclass(slots=True, frozen=True)
class Notice:
    """Something a person would ask about: becomes an event on the object."""

    kind: ResourceKind | Literal["Job"]
    namespace: str | None
    name: str
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


Correction = Cancel | Suspend | Requeue
Write = Admit | Correction
Decision = Write | Confirm | Notice
