"""A Job in Flux's words: its state, its times, and how it ended. What Kubernetes does not know is None."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

JobState = Literal["depend", "priority", "sched", "run", "cleanup", "inactive"]
JobResult = Literal["completed", "failed", "canceled", "timeout"]

SINGLE_STATES: Final[tuple[JobState, ...]] = ("depend", "priority", "sched", "run", "cleanup", "inactive")
STATES: Final[dict[str, frozenset[JobState]]] = {
    **{state: frozenset({state}) for state in SINGLE_STATES},
    "pending": frozenset({"depend", "priority", "sched"}),
    "running": frozenset({"run", "cleanup"}),
    "active": frozenset({"depend", "priority", "sched", "run", "cleanup"}),
}
"""The states by name, and the virtual ones with those that they stand for."""
RESULTS: Final[tuple[JobResult, ...]] = ("completed", "failed", "canceled", "timeout")
"""How a Job can have ended."""


@dataclass(frozen=True, slots=True)
class JobException:
    """Why a Job did not complete."""

    type: str
    """The reason in its condition: BackoffLimitExceeded, Canceled or DeadlineExceeded, for example."""
    note: str
    severity: int = 0
    """0: it ended the Job, as all of these do."""
    occurred: bool = True


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A Job as it was when it was read. Times are in seconds since the epoch."""

    id: str
    """Namespace and name, by which Kubernetes finds it: ``team-a/train``."""
    namespace: str
    name: str
    uid: str
    state: JobState
    """depend: Jobs that it depends on have not succeeded. priority: it has no place in line, because it is held or
    something on it is wrong (`error`). sched: it waits its turn. run: it is admitted. cleanup: it is decided, and its
    Pods are going. inactive: it is finished, see `result`."""
    t_submit: float
    result: JobResult | None = None
    username: str | None = None
    """Who submitted it, as the API server authenticated them."""
    queue: str | None = None
    pool: str | None = None
    project: str | None = None
    run: str | None = None
    share: str | None = None
    priority: int | None = None
    t_depend: float | None = None
    t_run: float | None = None
    """When it was admitted."""
    t_cleanup: float | None = None
    t_inactive: float | None = None
    duration: float | None = None
    """How many seconds it may run (activeDeadlineSeconds)."""
    expiration: float | None = None
    """When they are over."""
    ntasks: int | None = None
    """How many Pods have to succeed."""
    ncores: float | None = None
    """How many cores those that run at a time request together."""
    exception: JobException | None = None
    dependencies: tuple[str, ...] = ()
    retry_of: str | None = None
    cluster: str | None = None
    """Where it was admitted to."""
    environment: str | None = None
    held: bool = False
    """It carries ``headgate.dev/hold``."""
    error: str | None = None
    """What is wrong with its labels or annotations."""
    userid: int | None = None
    """Nothing: Kubernetes knows users by name."""
    urgency: int | None = None
    """Nothing: Kubernetes has none."""
    nnodes: int | None = None
    """Nothing: the nodes are the Pods'."""
    nodelist: str | None = None
    """Nothing: the nodes are the Pods'."""

    @property
    def runtime(self) -> float | None:
        """For how many seconds it has run, or ran; None if it never did."""
        if self.t_run is None:
            return None
        end = self.t_cleanup if self.t_cleanup is not None else self.t_inactive
        return max(0.0, (time.time() if end is None else end) - self.t_run)

    @property
    def t_remaining(self) -> float | None:
        """For how many more seconds it may run; None if that is not limited, or it does not run."""
        if self.expiration is None or self.state != "run":
            return None
        return max(0.0, self.expiration - time.time())

    @property
    def success(self) -> bool | None:
        """Whether it completed; None while it is not finished."""
        return None if self.result is None else self.result == "completed"

    @property
    def returncode(self) -> int | None:
        """0 where it completed; else None: exit codes are the Pods'."""
        return 0 if self.success else None

    @property
    def waitstatus(self) -> int | None:
        """The same as `returncode`."""
        return self.returncode

    @property
    def status(self) -> str:
        """The result in capitals, or else the state: COMPLETED, SCHED."""
        return (self.result or self.state).upper()

    def to_dict(self, attrs: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return all attributes, or those named."""
        values = {name: getattr(self, name) for name in attrs or ATTRIBUTES}
        error = values.get("exception")
        if isinstance(error, JobException):
            values["exception"] = {
                "occurred": error.occurred,
                "type": error.type,
                "severity": error.severity,
                "note": error.note,
            }
        if "dependencies" in values:
            values["dependencies"] = list(values["dependencies"])
        return values


_COMPUTED: Final = ("runtime", "t_remaining", "success", "returncode", "waitstatus", "status")
ATTRIBUTES: Final = (*(field.name for field in fields(JobInfo)), *_COMPUTED)
"""The attributes of a `JobInfo`."""


def settled(info: JobInfo) -> JobInfo:
    """Return a Job in the state depend as it is once those that it depends on have succeeded."""
    return replace(info, state=place(held=info.held, error=info.error))


def place(*, held: bool, error: str | None) -> JobState:
    """Return the state of a Job that waits for nothing but its turn."""
    return "priority" if held or error is not None else "sched"
