"""Sixty Jobs of real containers over three queues, and what each of them has to come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness.client import User

Json = dict[str, Any]

WIDE, NARROW, RUNS = "wide", "narrow", "runs"
QUEUES: dict[str, Json] = {
    WIDE: {"actionConcurrency": 6},
    NARROW: {"actionConcurrency": 2},
    RUNS: {"runConcurrency": 3},
}
OWNER = "owner"
STUBBORN = 42
"""An exit code that a Job does not try again after."""
NOT_STARTED = 128
"""What kubelet gives a container that it was about to start when it was stopped: Jobs here do not count that."""


@dataclass(frozen=True)
class Work:
    """A Job, and what has to be known of it when it is finished."""

    queue: str
    name: str
    script: str
    outcome: str = "succeeded"
    output: list[str] = field(default_factory=list)
    """The lines of all its Pods that are left, sorted."""
    codes: list[int] = field(default_factory=lambda: [0])
    """The exit codes of its Pods that are left, sorted."""
    owned: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    spec: Json = field(default_factory=dict)
    rules: list[Json] = field(default_factory=list)
    """What it does after which exit code."""
    pod: Json = field(default_factory=dict)

    def body(self, given: User, owner: Json | None) -> Json:
        """Return the Job."""
        container: Json = {"name": "main", "image": "busybox", "command": ["sh", "-c", self.script]}
        if "volumes" in self.pod:
            container["volumeMounts"] = [{"name": "memory", "mountPath": "/memory"}]
        pod = {"terminationGracePeriodSeconds": 1, **self.pod, "containers": [container]}
        spec = dict(self.spec)
        if pod.get("restartPolicy") != "OnFailure":
            rules = [
                *self.rules,
                {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [NOT_STARTED]}},
            ]
            spec["podFailurePolicy"] = {"rules": rules}
        owner = owner if self.owned else None
        return given.job_body(self.name, self.queue, labels=self.labels, owner=owner, pod=pod, **spec)


def says(queue: str, name: str, seconds: float, **more: Any) -> Work:
    """Return a Job that says its name, a second later that it is done, and succeeds."""
    script = f"echo {name}; sleep {seconds}; echo done"
    return Work(queue, name, script, output=sorted(["done", name]), **more)


def work() -> Iterator[Work]:
    """Return sixty Jobs. The one that others are owned by comes first."""
    yield says(RUNS, OWNER, 5)
    for number in range(3):
        yield says(RUNS, f"child-{number}", 1, owned=True)
    for run in range(4):
        for number in range(3):
            yield says(RUNS, f"run-{run}-{number}", 1, labels={"headgate.dev/run": f"run-{run}"})
    for number in range(16):
        yield says(NARROW, f"narrow-{number:02}", 1)
    for number in range(20):
        yield says(WIDE, f"wide-{number:02}", 1)
    for code in (1, 2):
        yield Work(WIDE, f"exit-{code}", f"echo no; exit {code}", "failed", ["no"], [code])
    yield Work(
        WIDE,
        "stubborn",
        f"echo never again; exit {STUBBORN}",
        "failed",
        ["never again"],
        [STUBBORN],
        spec={"backoffLimit": 5},
        rules=[{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [STUBBORN]}}],
    )
    yield Work(WIDE, "retried", "echo no; exit 1", "failed", ["no", "no"], [1, 1], spec={"backoffLimit": 1})
    yield Work(
        WIDE,
        "recovers",
        "if [ -e /memory/tried ]; then echo yes; else touch /memory/tried; exit 1; fi",
        output=["yes"],
        spec={"backoffLimit": 3},
        pod={"restartPolicy": "OnFailure", "volumes": [{"name": "memory", "emptyDir": {}}]},
    )
    # Kubernetes removes what runs too long, and with it what it said.
    yield Work(WIDE, "late", "sleep 3600", "timedOut", [], [], spec={"activeDeadlineSeconds": 5})
    yield Work(
        WIDE,
        "parallel",
        "echo one of three; sleep 1",
        output=["one of three"] * 3,
        codes=[0] * 3,
        spec={"parallelism": 3, "completions": 3},
    )
    yield Work(
        WIDE,
        "indexed",
        "echo $JOB_COMPLETION_INDEX",
        output=["0", "1", "2"],
        codes=[0] * 3,
        spec={"parallelism": 2, "completions": 3, "completionMode": "Indexed"},
    )
