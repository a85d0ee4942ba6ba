"""Lives of a copy as a member's Job controller leads it, and of the proxy whose status follows.

`Life` is driven by somebody who chooses: Hypothesis, or a seeded random generator on a real API server. A clock may be
wrong, Kubernetes may be old, people may interfere; what must hold is that the hub's API server takes every change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.unit.members.job_api import holds, is_finished, merged, numbers

from headgate.members.mirror import ended, mirrored, remains, reset

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

KINDS: tuple[Json, ...] = (
    {"completions": 3, "parallelism": 2},
    {"parallelism": 2},
    {"completions": 3, "parallelism": 3, "completionMode": "Indexed"},
    {"completions": 4, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1},
    {
        "completions": 4,
        "parallelism": 2,
        "completionMode": "Indexed",
        "successPolicy": {"rules": [{"succeededCount": 1}]},
    },
)
STEPS = ("start", "pods", "succeed", "fail", "decide", "end", "suspend", "resume")


def stamp(second: int) -> str:
    return f"2026-11-23T{10 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def condition(type_: str, second: int, *, status: str = "True", reason: str = "", message: str = "") -> Json:
    when = stamp(second)
    return {
        "type": type_,
        "status": status,
        "reason": reason or f"Because{type_}",
        "message": message,
        "lastProbeTime": when,
        "lastTransitionTime": when,
    }


@dataclass
class Life:
    """A proxy and its copy; each change of the proxy's status goes through `write`, which may refuse it."""

    kind: Json
    write: Callable[[Json], Json]
    """Takes a strategic merge patch of the hub's status and returns the status after it."""
    suspend: Callable[[bool], None]
    """Changes spec.suspend of the hub's Job."""
    choose: Callable[[int], int]
    """Gives a number from 0 to below the one given."""
    hub: Json = field(default_factory=dict)
    copy: Json = field(default_factory=dict)
    second: int = 1000
    skew: int = 0
    """By how many seconds the member's clock is off."""
    old_kubernetes: bool = False
    cancelled: bool = False
    runs: int = 1

    def tick(self) -> None:
        self.second += 1 + self.choose(20)

    @property
    def here(self) -> int:
        return self.second + self.skew

    # ---- the member

    def step(self, name: str) -> None:
        """Let something happen to the copy, if it can."""
        self.tick()
        if is_finished(self.copy):
            return
        decided = holds(self.copy, "FailureTarget") or holds(self.copy, "SuccessCriteriaMet")
        running = bool(self.copy.get("startTime")) and not holds(self.copy, "Suspended")
        match name:
            case "start" if not self.copy.get("startTime"):
                self._change(startTime=stamp(self.here), active=1)
            case "pods" if running and not decided:
                self._count_pods()
            case "succeed" if running and not decided:
                self._more("succeeded")
            case "fail" if running and not decided:
                self._more("failed")
            case "decide" if running and not decided and not self.old_kubernetes:
                type_ = ("FailureTarget", "SuccessCriteriaMet")[self.choose(2)]
                self._change(conditions=[condition(type_, self.here)], terminating=1, active=0, ready=0)
            case "end" if running:
                self._end()
            case "suspend" if running and not decided:
                suspended = condition("Suspended", self.here)
                self._change(active=0, ready=0, startTime=None, conditions=[suspended])
            case "resume" if holds(self.copy, "Suspended"):
                resumed = condition("Suspended", self.here, status="False")
                self._change(active=1, startTime=stamp(self.here), conditions=[resumed])

    def _change(self, **fields: Any) -> None:
        self.copy = merged(self.copy, fields)

    def _count_pods(self) -> None:
        active = self.choose(3)
        fields: Json = {"active": active, "ready": self.choose(active + 1), "terminating": self.choose(3)}
        if self.old_kubernetes:
            # It counts ready pods apart, and knows nothing of those that terminate.
            fields |= {"terminating": None, "ready": self.choose(3)}
        self._change(**fields)

    def _more(self, counter: str) -> None:
        if self.kind.get("completionMode") != "Indexed":
            self._change(**{counter: self.copy.get(counter, 0) + 1})
            return
        taken = numbers(self.copy.get("completedIndexes")) | numbers(self.copy.get("failedIndexes"))
        left = sorted(set(range(self.kind["completions"])) - taken)
        if not left:
            return
        if counter == "failed":
            self._change(failed=self.copy.get("failed", 0) + 1)
            if "backoffLimitPerIndex" not in self.kind:
                return
        indexes = "completedIndexes" if counter == "succeeded" else "failedIndexes"
        now = numbers(self.copy.get(indexes)) | {left[self.choose(len(left))]}
        self._change(**{indexes: ",".join(map(str, sorted(now)))})
        if counter == "succeeded":
            self._change(succeeded=len(now))

    def _end(self) -> None:
        fails = holds(self.copy, "FailureTarget") or (
            not holds(self.copy, "SuccessCriteriaMet") and self.choose(2) == 0
        )
        if not self.old_kubernetes:
            before = "FailureTarget" if fails else "SuccessCriteriaMet"
            if not holds(self.copy, before):
                self._change(conditions=[condition(before, self.here)])
            self._change(terminating=0)
        self._change(active=0, ready=0, conditions=[condition("Failed" if fails else "Complete", self.here)])
        if not fails:
            self._change(completionTime=stamp(self.here))

    # ---- the hub

    def mirror(self) -> None:
        """Let the proxy's status follow."""
        patch = self.patch()
        if patch is not None:
            self.hub = self.write(patch)

    def patch(self) -> Json | None:
        completions = self.kind["completions"] if self.kind.get("completionMode") == "Indexed" else None
        return mirrored(self.hub, self.copy, completions=completions)

    def cancel(self) -> None:
        """Cancel as the dispatcher does; the member's Job controller may hear of it, or end first."""
        if is_finished(self.hub) or holds(self.hub, "FailureTarget"):
            return
        self.tick()
        patch: Json = {"conditions": [condition("FailureTarget", self.second, reason="Canceled")]}
        if not self.hub.get("startTime"):
            patch["startTime"] = stamp(self.second)
        self.hub = self.write(patch)
        self.cancelled = True

    def requeue(self) -> None:
        """Lose the cluster: the proxy waits again, and gets another copy."""
        if is_finished(self.hub) or holds(self.hub, "FailureTarget"):
            return
        self.tick()
        self.suspend(True)
        if remains(self.hub):
            self.hub = self.write(reset(self.hub, "its cluster is lost", stamp(self.second)))
        self.suspend(False)
        self.copy = {}
        self.runs += 1

    def end_without_copy(self) -> None:
        if not is_finished(self.hub):
            self.tick()
            self.hub = self.write(ended(self.hub, "CopyDeleted", "gone", stamp(self.second)))
