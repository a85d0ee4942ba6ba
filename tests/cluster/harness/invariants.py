"""The design's section 8, checked from a record.

A limit, a pause or a state is in force from when the status says that its generation was observed: until then, an
admission decided under the spec before it may still land. So an admission is right if one of the generations between
the observed and the current one allows it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.cluster.harness.recorder import Seen

Json = dict[str, Any]

QUEUE = "headgate.dev/queue"
ADMITTED_AT = "headgate.dev/admitted-at"
SETTLED = 2.5
"""Seconds after which a Job that was there counts as known to the operator when it decided."""


@dataclass
class Job:
    """What the record says of one Job so far."""

    uid: str
    body: Json
    admissions: int = 0
    run: str = ""
    changed_at: float = 0.0

    @property
    def queue(self) -> str | None:
        return _labels(self.body).get(QUEUE)

    @property
    def admitted_at(self) -> str | None:
        return (self.body["metadata"].get("annotations") or {}).get(ADMITTED_AT)

    @property
    def finished(self) -> str | None:
        return outcome(self.body)

    @property
    def suspended(self) -> bool:
        return bool(self.body["spec"].get("suspend"))

    @property
    def active(self) -> bool:
        return not self.finished and not self.suspended and self.admitted_at is not None

    @property
    def waiting(self) -> bool:
        return not self.finished and not self.active


@dataclass
class Queue:
    """What the record says of one queue so far."""

    specs: dict[int, Json] = field(default_factory=dict)
    generation: int = 0
    status: Json = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)

    def in_force(self) -> list[Json]:
        """Return the specs that an admission may still go by."""
        observed = int(self.status.get("observedGeneration") or 0)
        return [
            spec for generation, spec in self.specs.items() if generation >= min(observed, self.generation)
        ]

    @property
    def active(self) -> int:
        return sum(job.active for job in self.jobs.values())

    def active_runs(self) -> set[str]:
        live, begun = set(), set()
        for job in self.jobs.values():
            if not job.finished:
                live.add(job.run)
            if job.admissions and not job.finished:
                begun.add(job.run)
        return live & begun


def violations(record: Iterable[Seen]) -> list[str]:
    """Return what a record shows to be wrong, a sentence each."""
    return _Checker().check(record)


class _Checker:
    def __init__(self) -> None:
        self.queues: dict[str, Queue] = defaultdict(Queue)
        self.jobs: dict[str, Job] = {}
        self.pools: dict[str, set[str]] = {}
        self.wrong: list[str] = []

    def check(self, record: Iterable[Seen]) -> list[str]:
        for seen in record:
            if seen.kind == "ClusterPool":
                self.pools[seen.name] = {cluster["name"] for cluster in seen.body["spec"].get("clusters", ())}
            elif seen.kind == "JobQueue":
                self._queue(seen)
            else:
                self._job(seen)
        return self.wrong

    def _queue(self, seen: Seen) -> None:
        queue = self.queues[seen.name]
        if seen.deleted:
            queue.specs.clear()
            queue.status = {}
            return
        queue.generation = seen.body["metadata"]["generation"]
        queue.specs[queue.generation] = seen.body["spec"]
        queue.status = seen.body.get("status") or {}

    def _job(self, seen: Seen) -> None:
        known = self.jobs.get(seen.uid)
        if seen.deleted:
            if known is not None:
                del self.jobs[seen.uid]
                if known.queue is not None:
                    self.queues[known.queue].jobs.pop(seen.uid, None)
            return
        job = known or Job(seen.uid, seen.body)
        was_active, was_finished, was_queue = (
            known is not None and job.active,
            job.finished if known else None,
            job.queue,
        )
        job.body = seen.body
        self.jobs[seen.uid] = job
        if known is None:
            job.run = self._run(job)
        if was_queue != job.queue and was_queue is not None:
            self.queues[was_queue].jobs.pop(seen.uid, None)
        if job.queue is None:
            return
        queue = self.queues[job.queue]
        queue.jobs[seen.uid] = job
        if job.active and not was_active:
            job.admissions += 1
            if known is not None:
                self._admission(seen, queue, job, was_finished)

    def _run(self, job: Job) -> str:
        metadata = job.body["metadata"]
        label = _labels(job.body).get("headgate.dev/run")
        if label:
            return f"{metadata['namespace']}/{label}"
        for owner in metadata.get("ownerReferences") or ():
            if owner["kind"] == "Job" and owner["uid"] in self.jobs:
                return self.jobs[owner["uid"]].run
        return job.uid

    def _admission(self, seen: Seen, queue: Queue, job: Job, was_finished: str | None) -> None:
        where = f"revision {seen.revision}: Job {seen.name} of queue {job.queue}"
        if job.admissions > 1:
            self.wrong.append(f"{where} is admitted {job.admissions} times")
        if was_finished:
            self.wrong.append(f"{where} is admitted although it had {was_finished}")
        specs = queue.in_force()
        if not specs:
            self.wrong.append(f"{where} is admitted although there is no such queue")
            return
        reasons = [self._why_not(queue, spec) for spec in specs]
        if all(reasons):
            self.wrong.append(f"{where} is admitted although {'; '.join(r for r in reasons if r)}")
        cluster = job.body["metadata"]["annotations"].get("headgate.dev/cluster")
        if not any(cluster in self.pools.get(spec["pool"], ()) for spec in specs):
            self.wrong.append(f"{where} is sent to cluster {cluster}, which is not in its pool")

    def _why_not(self, queue: Queue, spec: Json) -> str | None:
        actions, runs = spec["actionConcurrency"], spec["runConcurrency"]
        if actions and queue.active > actions:
            return f"{queue.active} are active and actionConcurrency is {actions}"
        active_runs = len(queue.active_runs())
        if runs and active_runs > runs:
            return f"{active_runs} runs are active and runConcurrency is {runs}"
        if spec["dispatch"]["paused"]:
            return "the queue is paused"
        if spec["state"] == "Terminated":
            return "the queue is terminated"
        if queue.status.get("state") in ("Drained", "Sealed", "Terminated") and spec["state"] != "Active":
            return f"the queue is {queue.status['state']}"
        return None


def out_of_order(record: Iterable[Seen], queue: str) -> list[str]:
    """Return where a queue with one project did not keep the order of its execution mode."""
    first: dict[str, Seen] = {}
    last_spec: Json = {}
    admitted: dict[str, str] = {}
    touched: dict[str, float] = {}
    ended: dict[str, float] = {}
    for seen in record:
        if seen.kind == "JobQueue" and seen.name == queue:
            last_spec = seen.body["spec"]
        if seen.kind != "Job" or _labels(seen.body).get(QUEUE) != queue:
            continue
        first.setdefault(seen.uid, seen)
        stamp = (seen.body["metadata"].get("annotations") or {}).get(ADMITTED_AT)
        if stamp:
            admitted.setdefault(seen.uid, stamp)
        else:
            touched[seen.uid] = created(seen.body)
        if seen.deleted or outcome(seen.body):
            ended.setdefault(seen.uid, created(seen.body))
    keys = {"FIFO": _oldest, "LIFO": _newest, "PRIORITY": _highest}
    key = keys[last_spec["executionMode"]]
    decisions = sorted(admitted, key=lambda uid: admitted[uid])
    wrong = []
    for place, uid in enumerate(decisions):
        when = datetime.fromisoformat(admitted[uid]).timestamp()
        for later in decisions[place + 1 :]:
            waited = touched.get(later, when) <= when - SETTLED
            if waited and key(first[later].body) < key(first[uid].body):
                wrong.append(f"{first[uid].name} goes before {first[later].name}")
    return wrong


def recount(jobs: Iterable[Json], queue: str) -> dict[str, int]:
    """Count a queue's Jobs from a list, as its status should have them."""
    counts = dict.fromkeys(("total", "waiting", "active", "succeeded", "failed", "canceled", "timedOut"), 0)
    for body in jobs:
        if _labels(body).get(QUEUE) != queue:
            continue
        job = Job(body["metadata"]["uid"], body)
        counts["total"] += 1
        counts[job.finished or ("active" if job.active else "waiting")] += 1
    return counts


def outcome(body: Json) -> str | None:
    """Return how a Job ended, in the words of the status."""
    for condition in (body.get("status") or {}).get("conditions") or ():
        if condition["status"] == "True" and condition["type"] == "Complete":
            return "succeeded"
        if condition["status"] == "True" and condition["type"] == "Failed":
            reason = condition.get("reason")
            if reason in ("Canceled", "QueueFull"):
                return "canceled"
            return "timedOut" if reason in ("TimedOut", "DeadlineExceeded") else "failed"
    return None


def created(body: Json) -> float:
    """Return a Job's creation in seconds."""
    return datetime.fromisoformat(body["metadata"]["creationTimestamp"]).timestamp()


def _labels(body: Json) -> dict[str, str]:
    return dict(body["metadata"].get("labels") or {})


def _oldest(body: Json) -> tuple[float, str]:
    return created(body), body["metadata"]["uid"]


def _newest(body: Json) -> tuple[float, str]:
    return -created(body), body["metadata"]["uid"]


def _highest(body: Json) -> tuple[int, float, str]:
    annotations = body["metadata"].get("annotations") or {}
    return (-int(annotations.get("headgate.dev/priority", "0")), *_oldest(body))
