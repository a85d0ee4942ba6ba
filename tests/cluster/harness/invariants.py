"""The design's section 8, checked from a record.

A limit, a pause or a state is in force from when the status says that its generation was observed: until then, an
admission decided under the spec before it may still land. So an admission is right if one of the generations between
the observed and the current one allows it. What is no part of a queue's spec (the clusters of its pool, its compute
environments) is in force for what is decided after their own status was seen to say that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any

from tests.cluster.harness.requests import amounts, of_job, quantity, total

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable
    from fractions import Fraction

    from tests.cluster.harness.recorder import Seen

Json = dict[str, Any]

QUEUE = "headgate.dev/queue"
PROJECT = "headgate.dev/project"
RUN = "headgate.dev/run"
ADMITTED_AT = "headgate.dev/admitted-at"
CLUSTER = "headgate.dev/cluster"
ENVIRONMENT = "headgate.dev/compute-environment"
ARCHITECTURE = "kubernetes.io/arch"
PLACEMENT = "headgate.dev/placement"
REQUEUED_FROM = "headgate.dev/requeued-from"
HOLD = "headgate.dev/hold"
PRIORITY = "headgate.dev/priority"
SETTLED = 20.0
"""Seconds after which what was there counts as known to the operator when it decided, also on a slow machine."""
COUNTS = ("total", "waiting", "active", "succeeded", "failed", "canceled", "timedOut")
FINISHED = COUNTS[3:]


@dataclass
class Job:
    """What the record says of one Job so far."""

    uid: str
    body: Json
    stamps: set[str] = field(default_factory=set)
    """Every `admitted-at` it ever had."""
    requeued: int = 0
    """How often it was sent back, from a cluster that was lost."""

    @property
    def queue(self) -> str | None:
        return _labels(self.body).get(QUEUE)

    @property
    def admitted_at(self) -> str | None:
        return _annotations(self.body).get(ADMITTED_AT)

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
    def place(self) -> tuple[str | None, str | None]:
        """The compute environment and the cluster it was admitted to."""
        annotations = _annotations(self.body)
        return annotations.get(ENVIRONMENT), annotations.get(CLUSTER)

    @property
    def owner(self) -> str | None:
        for owner in self.body["metadata"].get("ownerReferences") or ():
            if owner["kind"] == "Job":
                uid: str = owner["uid"]
                return uid
        return None


@dataclass
class Queue:
    """What the record says of one queue so far."""

    uid: str = ""
    specs: dict[int, Json] = field(default_factory=dict)
    generation: int = 0
    status: Json = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    anchors: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Finished Jobs that keep their run active: they were admitted, and others of the run are live since."""

    def in_force(self) -> list[Json]:
        """Return the specs that an admission may still go by."""
        observed = int(self.status.get("observedGeneration") or 0)
        return [
            spec for generation, spec in self.specs.items() if generation >= min(observed, self.generation)
        ]

    @property
    def active(self) -> int:
        return sum(job.active for job in self.jobs.values())


@dataclass
class Specs:
    """The specs that an object has had, and since when the operator certainly knows each."""

    uid: str = ""
    by_generation: dict[int, Json] = field(default_factory=dict)
    known_since: dict[int, float] = field(default_factory=dict)
    """When its status was seen first to say that a generation was observed."""

    def take(self, seen: Seen) -> None:
        if seen.deleted or seen.uid != self.uid:
            self.uid = seen.uid
            self.by_generation.clear()
            self.known_since.clear()
        if not seen.deleted:
            self.by_generation[seen.body["metadata"]["generation"]] = seen.body["spec"]
            observed = (seen.body.get("status") or {}).get("observedGeneration") or 0
            self.known_since.setdefault(observed, seen.at)

    def in_force(self, when: float) -> list[Json]:
        """Return the specs that a decision of that time may have gone by."""
        known = max((number for number, at in self.known_since.items() if at <= when), default=0)
        return [spec for number, spec in self.by_generation.items() if number >= known]


@dataclass
class Environment:
    """What the record says of one compute environment so far."""

    specs: Specs = field(default_factory=Specs)
    changed_at: float = 0.0
    """When a Job came there or left last."""
    claims: list[tuple[float, str]] = field(default_factory=list)
    """What was wrong with statuses that were written while nothing changed, and when: unless a Job was on its way."""


def violations(record: Iterable[Seen], *, mangled: Container[str] = ()) -> list[str]:
    """Return what a record shows to be wrong, a sentence each.

    `mangled` names the queues whose status the test itself has spoilt.
    """
    return Checker(mangled).check(record)


def peaks(record: Iterable[Seen], queue: str) -> tuple[int, int]:
    """Return the most actions and the most runs that a queue ever had active at once."""
    checker = Checker()
    checker.check(record)
    return checker.peaks.get(queue, (0, 0))


class Checker:
    """Replays a record, revision by revision."""

    def __init__(self, mangled: Container[str] = ()) -> None:
        self.queues: dict[str, Queue] = defaultdict(Queue)
        self.jobs: dict[str, Job] = {}
        self.pools: dict[str, Specs] = defaultdict(Specs)
        self.environments: dict[str, Environment] = defaultdict(Environment)
        self.wrong: list[str] = []
        self.peaks: dict[str, tuple[int, int]] = {}
        """The most actions and the most runs that a queue ever had active."""
        self._mangled = mangled

    def check(self, record: Iterable[Seen]) -> list[str]:
        for seen in record:
            if seen.kind == "ClusterPool":
                self.pools[seen.name].take(seen)
            elif seen.kind == "JobQueue":
                self._queue(seen)
            elif seen.kind == "ComputeEnvironment":
                self._environment(seen)
            elif seen.kind == "Job":
                self._job(seen)
        for environment in self.environments.values():
            self.wrong += [claim for _, claim in environment.claims]
        return self.wrong

    def run_of(self, job: Job) -> str:
        """Return the run a Job belongs to now: a Job that an admitted Job owns counts with its owner."""
        label = _labels(job.body).get(RUN)
        if label:
            return f"{job.body['metadata']['namespace']}/{label}"
        owner = self.jobs.get(job.owner or "")
        if owner is not None and owner is not job and (owner.active or (owner.finished and owner.stamps)):
            return self.run_of(owner)
        return job.uid

    def active_runs(self, queue: Queue) -> set[str]:
        """Return the runs from whose first admission on some Job waits or runs."""
        live, begun = set(), set()
        for job in queue.jobs.values():
            if not job.finished:
                run = self.run_of(job)
                live.add(run)
                if job.active or queue.anchors.get(run):
                    begun.add(run)
        return live & begun

    def _environment(self, seen: Seen) -> None:
        environment = self.environments[seen.name]
        if not environment.specs.by_generation:
            # What happened before the record begins, it does not tell.
            environment.changed_at = seen.at
        environment.specs.take(seen)
        if seen.deleted:
            return
        status = seen.body.get("status") or {}
        if seen.name not in self._mangled and status.get("clusters"):
            where = f"revision {seen.revision}: the status of environment {seen.name}"
            self.wrong += [f"{where} {problem}" for problem in incoherent(status)]
            if seen.at > environment.changed_at + SETTLED:
                jobs = [job.body for job in self.jobs.values()]
                wrong = miscounted(status, jobs, seen.name)
                environment.claims += [(seen.at, f"{where} {problem}") for problem in wrong]

    def _queue(self, seen: Seen) -> None:
        queue = self.queues[seen.name]
        if seen.deleted or seen.uid != queue.uid:
            queue.uid = seen.uid
            queue.specs.clear()
            queue.status = {}
            if seen.deleted:
                return
        queue.generation = seen.body["metadata"]["generation"]
        queue.specs[queue.generation] = seen.body["spec"]
        status = seen.body.get("status") or {}
        if seen.name not in self._mangled:
            self._status(f"revision {seen.revision}: the status of queue {seen.name}", queue.status, status)
        queue.status = status

    def _status(self, where: str, before: Json, after: Json) -> None:
        old, new = before.get("jobs"), after.get("jobs")
        if new is None:
            if old is not None:
                self.wrong.append(f"{where} was emptied")
            return
        if new["total"] != sum(new[name] for name in COUNTS[1:]):
            self.wrong.append(f"{where} does not add up: {new}")
        if after["depth"]["current"] != new["waiting"] + new["active"]:
            self.wrong.append(f"{where} has depth {after['depth']} for {new}")
        if after["actions"]["active"] != new["active"] or after["runs"]["active"] > new["total"]:
            self.wrong.append(f"{where} has actions {after['actions']} and runs {after['runs']} for {new}")
        for name in FINISHED:
            if old is not None and new[name] < old[name]:
                self.wrong.append(f"{where}: {name} goes down from {old[name]} to {new[name]}")

    def _job(self, seen: Seen) -> None:
        known = self.jobs.get(seen.uid)
        self._note_place(seen, known)
        if seen.deleted:
            if known is not None:
                del self.jobs[seen.uid]
                self._leave(known, known.queue)
            return
        job = known or Job(seen.uid, seen.body)
        was_active = known is not None and job.active
        was_finished = job.finished if known else None
        was_queue, was_run, was_touched = job.queue, self.run_of(job), _is_touched(job.body)
        stamped = _annotations(seen.body).get(ADMITTED_AT)
        if was_active and job.admitted_at not in (None, stamped) and (stamped is None or seen.relisted):
            self._requeue(seen, job)
        job.body = seen.body
        self.jobs[seen.uid] = job
        if was_queue != job.queue:
            self._leave(job, was_queue)
            if was_active:
                self.wrong.append(
                    f"revision {seen.revision}: Job {seen.name} changes queue while it is active"
                )
        if job.queue is None:
            # What a user wrote at creation, or a test before this one, is not the operator's doing.
            if known is not None and not was_touched and _is_touched(seen.body):
                self.wrong.append(f"revision {seen.revision}: Job {seen.name} is in no queue and was touched")
            return
        queue = self.queues[job.queue]
        queue.jobs[seen.uid] = job
        stamp = job.admitted_at
        is_new_stamp = stamp is not None and stamp not in job.stamps
        if stamp is not None:
            job.stamps.add(stamp)
        if is_new_stamp or (job.active and not was_active):
            if known is not None and not seen.relisted:
                self._admission(seen, queue, job, was_finished)
            if len(job.stamps) > 1 + job.requeued or not is_new_stamp:
                self.wrong.append(f"revision {seen.revision}: Job {seen.name} is admitted more than once")
            actions, runs = self.peaks.get(job.queue, (0, 0))
            self.peaks[job.queue] = (
                max(actions, queue.active),
                max(runs, len(self.active_runs(queue))),
            )
        if was_finished and was_finished != job.finished:
            self.wrong.append(
                f"revision {seen.revision}: Job {seen.name} had {was_finished}, now it has {job.finished}"
            )
        if job.finished and not was_finished:
            if known is not None and job.stamps:
                queue.anchors[was_run].add(job.uid)
            self._end_run(queue, was_run)

    def _requeue(self, seen: Seen, job: Job) -> None:
        """An active Job of a cluster that is lost waits again, and says from where it came back."""
        before, after = _annotations(job.body), _annotations(seen.body)
        job.requeued += 1
        if not seen.body["spec"].get("suspend") or after.get(REQUEUED_FROM) != before.get(CLUSTER):
            self.wrong.append(f"revision {seen.revision}: Job {seen.name} loses its admission")

    def _note_place(self, seen: Seen, known: Job | None) -> None:
        """Take note that something changes in a compute environment, if it does."""
        after = Job(seen.uid, seen.body)
        before = known if known is not None and known.active else None
        now = None if seen.deleted or not after.active else after
        places = {job.place[0] for job in (before, now) if job is not None}
        if (
            before is not None
            and now is not None
            and (places == {None} or of_job(before.body) == of_job(now.body))
        ):
            return
        for place in places:
            if place is not None:
                environment = self.environments[place]
                environment.changed_at = seen.at
                # The operator counts a Job from when it decides on it, and one that leaves until it hears of it.
                environment.claims = [
                    (at, claim) for at, claim in environment.claims if at < seen.at - SETTLED
                ]

    def _leave(self, job: Job, name: str | None) -> None:
        if name is None:
            return
        queue = self.queues[name]
        queue.jobs.pop(job.uid, None)
        for run in list(queue.anchors):
            queue.anchors[run].discard(job.uid)
            self._end_run(queue, run)

    def _end_run(self, queue: Queue, run: str) -> None:
        if not any(self.run_of(job) == run for job in queue.jobs.values() if not job.finished):
            queue.anchors.pop(run, None)

    def _admission(self, seen: Seen, queue: Queue, job: Job, was_finished: str | None) -> None:
        where = f"revision {seen.revision}: Job {seen.name} of queue {job.queue}"
        if was_finished:
            self.wrong.append(f"{where} is admitted although it had {was_finished}")
        if _annotations(seen.body).get(HOLD) == "true":
            self.wrong.append(f"{where} is admitted although it is held")
        specs = queue.in_force()
        if not specs:
            self.wrong.append(f"{where} is admitted although there is no such queue")
            return
        reasons = [self._why_not(queue, spec) for spec in specs]
        if all(reasons):
            self.wrong.append(f"{where} is admitted although {'; '.join(r for r in reasons if r)}")
        self._placement(where, specs, job)
        self._room(where, specs, job)

    def _placement(self, where: str, specs: list[Json], job: Job) -> None:
        assert job.admitted_at is not None
        cluster = _annotations(job.body).get(CLUSTER)
        pools = self.pools[specs[-1]["pool"]].in_force(_instant(job.admitted_at))
        listed = [one for spec in pools for one in spec.get("clusters") or () if one["name"] == cluster]
        if not listed:
            self.wrong.append(f"{where} is sent to cluster {cluster}, which is not in its pool")
        elif all(one.get("state", "Enabled") != "Enabled" for one in listed):
            self.wrong.append(f"{where} is sent to cluster {cluster}, which is disabled")
        if not any("*" in spec["clusters"] or cluster in spec["clusters"] for spec in specs):
            self.wrong.append(f"{where} is sent to cluster {cluster}, which its queue does not select")

    def _room(self, where: str, specs: list[Json], job: Job) -> None:
        """Check the compute environment that a Job was sent to: its own words, its room, and what it brings along."""
        assert job.admitted_at is not None
        name, cluster = job.place
        named = [{one["name"] for one in spec.get("computeEnvironments") or ()} for spec in specs]
        if name is None:
            if all(named):
                self.wrong.append(f"{where} is sent to no environment, its queue names some")
            return
        if not any(name in names for names in named):
            self.wrong.append(f"{where} is sent to environment {name}, which its queue does not name")
        possible = self.environments[name].specs.in_force(_instant(job.admitted_at))
        active = [
            other.body for other in self.jobs.values() if other.active and other.place == (name, cluster)
        ]
        used, asked = total(of_job(body) for body in active), of_job(job.body)
        reasons = [_why_no_room(spec, job.body, used, asked) for spec in possible]
        if not possible:
            self.wrong.append(f"{where} is sent to environment {name}, which does not exist")
        elif all(reasons):
            self.wrong.append(f"{where} is sent to environment {name} although {reasons[-1]}")

    def _why_not(self, queue: Queue, spec: Json) -> str | None:
        actions, runs = spec["actionConcurrency"], spec["runConcurrency"]
        if actions and queue.active > actions:
            return f"{queue.active} are active and actionConcurrency is {actions}"
        active_runs = len(self.active_runs(queue))
        if runs and active_runs > runs:
            return f"{active_runs} runs are active and runConcurrency is {runs}"
        if spec["dispatch"]["paused"]:
            return "the queue is paused"
        if spec["state"] == "Terminated":
            return "the queue is terminated"
        if queue.status.get("state") in ("Drained", "Sealed", "Terminated") and spec["state"] != "Active":
            return f"the queue is {queue.status['state']}"
        return None


def _why_no_room(spec: Json, body: Json, used: dict[str, Fraction], asked: dict[str, Fraction]) -> str | None:
    if spec["state"] == "Disabled":
        return "it is disabled"
    shape, scaling = spec.get("instanceShape") or {}, spec.get("scaling")
    bounds = {name: quantity(text) for name, text in (spec.get("capacity") or {}).items()}
    for name in ("cpu", "memory"):
        if scaling and name in shape:
            most = quantity(shape[name]) * scaling["max"]
            bounds[name] = min(bounds.get(name, most), most)
    for name, bound in bounds.items():
        if asked.get(name) and used.get(name, 0) > bound:
            return f"{float(used[name])} {name} are requested there, and it has {float(bound)}"
    pod = {**body["spec"]["template"]["spec"], **placement_of(body)}
    selector = dict(spec.get("nodeSelector") or {})
    if "architecture" in shape:
        selector.setdefault(ARCHITECTURE, shape["architecture"])
    there = pod.get("nodeSelector") or {}
    for label, value in selector.items():
        if there.get(label) != value:
            return f"its node selector has {label}: {there.get(label)}, and the environment {value}"
    for toleration in spec.get("tolerations") or ():
        if _told(toleration) not in map(_told, pod.get("tolerations") or ()):
            return f"it does not get the toleration {toleration}"
    return None


def placement_of(body: Json) -> Json:
    """Return what the pods of a Job get in the cluster that it is sent to, of their spec."""
    found: Json = json.loads(_annotations(body).get(PLACEMENT, "{}"))
    return found


def _told(toleration: Json) -> Json:
    return {"operator": "Equal", **toleration}


def incoherent(status: Json) -> list[str]:
    """Return where the numbers of a compute environment's status do not go together."""
    clusters = status["clusters"]
    wrong = []
    if status.get("active", 0) != sum(cluster.get("active", 0) for cluster in clusters):
        wrong.append(f"does not add up: {status.get('active')} active Jobs, by cluster {clusters}")
    wrong += [
        f"does not add up: {name} {status.get(name)}, by cluster {clusters}"
        for name in ("requested", "free")
        if amounts(status.get(name)) != total(amounts(cluster.get(name)) for cluster in clusters)
    ]
    if len(clusters) == 1:
        used = amounts(status.get("requested"))
        free = {
            name: max(quantity(text) - used.get(name, 0), quantity(0))
            for name, text in (status.get("capacity") or {}).items()
        }
        if {name: quantity(text) for name, text in (status.get("free") or {}).items()} != free:
            wrong.append(f"has free {status.get('free')} of {status.get('capacity')}")
    return wrong


def miscounted(status: Json, jobs: Iterable[Json], environment: str) -> list[str]:
    """Return where a compute environment's status differs from a recount of the Jobs that are active there."""
    there = [job for job in (Job(body["metadata"]["uid"], body) for body in jobs) if job.active]
    bodies = [job.body for job in there if job.place[0] == environment]
    wrong = []
    if status.get("active", 0) != len(bodies):
        wrong.append(f"has {status.get('active')} active Jobs, a recount {len(bodies)}")
    counted = total(of_job(body) for body in bodies)
    if amounts(status.get("requested")) != counted:
        shown = {name: float(amount) for name, amount in counted.items()}
        wrong.append(f"has requested {status.get('requested')}, a recount {shown}")
    return wrong


@dataclass
class Line:
    """How the Jobs of one queue stood in line, as far as the record tells."""

    spec: Json
    bodies: dict[str, Json]
    """The newest version of each Job, by UID."""
    admitted: dict[str, float]
    """When each was admitted, by the operator's clock."""
    ready: dict[str, float]
    """Since when each stood where it stood when it was admitted; infinity while it is held."""
    gone: set[str]
    settled: float
    """How long a Job has to stand there until it is certain that it was known to."""

    @property
    def decisions(self) -> list[str]:
        """UIDs in the order of `admitted-at`."""
        return sorted(self.admitted, key=lambda uid: self.admitted[uid])

    def waited(self, uid: str, when: float) -> bool:
        """Whether a Job was certainly known to wait at that time."""
        admitted = self.admitted.get(uid, -inf if uid in self.gone else inf)
        return self.ready[uid] <= when - self.settled and when < admitted

    def project(self, uid: str) -> str:
        metadata = self.bodies[uid]["metadata"]
        return str(_labels(self.bodies[uid]).get(PROJECT) or metadata["namespace"])


def line_of(record: Iterable[Seen], queue: str, settled: float = SETTLED) -> Line:
    """Return how the Jobs of a queue stood in line."""
    line = Line({}, {}, {}, {}, set(), settled)
    places: dict[str, tuple[Any, ...]] = {}
    for seen in record:
        if seen.kind == "JobQueue" and seen.name == queue:
            line.spec = seen.body["spec"]
        if seen.kind != "Job" or _labels(seen.body).get(QUEUE) != queue:
            continue
        annotations = _annotations(seen.body)
        if stamp := annotations.get(ADMITTED_AT):
            line.admitted.setdefault(seen.uid, _instant(stamp))
        held = annotations.get(HOLD) == "true"
        place = (annotations.get(PRIORITY), held, _labels(seen.body).get(PROJECT))
        if places.get(seen.uid) != place:
            places[seen.uid] = place
            line.ready[seen.uid] = inf if held else seen.at
        line.bodies[seen.uid] = seen.body
        if seen.deleted or outcome(seen.body):
            line.gone.add(seen.uid)
    return line


def decided(record: Iterable[Seen], *queues: str) -> list[Json]:
    """Return the admitted Jobs of some queues in the order of decisions."""
    record = list(record)
    lines = [line_of(record, queue) for queue in queues]
    found = [(line.admitted[uid], line.bodies[uid]) for line in lines for uid in line.admitted]
    return [body for _, body in sorted(found, key=lambda pair: pair[0])]


def out_of_order(record: Iterable[Seen], queue: str, *, settled: float = SETTLED) -> list[str]:
    """Return where, within one project, a queue did not keep the order of its execution mode.

    A test that waits until the operator knows of all Jobs before any of them may go sets `settled` to 0.
    """
    line = line_of(record, queue, settled)
    key = KEYS[line.spec["executionMode"]]
    wrong = []
    for uid in line.decisions:
        when, project = line.admitted[uid], line.project(uid)
        wrong += [
            f"{line.bodies[uid]['metadata']['name']} goes before {body['metadata']['name']}"
            for other, body in line.bodies.items()
            if other != uid
            and line.project(other) == project
            and key(body) < key(line.bodies[uid])
            and line.waited(other, when)
        ]
    return wrong


def unfair(record: Iterable[Seen], queue: str, *, settled: float = SETTLED) -> list[str]:
    """Return where a project had two turns in a row while another one waited: RoundRobin forbids it."""
    line = line_of(record, queue, settled)
    last: dict[str, float] = {}
    wrong = []
    for uid in line.decisions:
        when, project = line.admitted[uid], line.project(uid)
        before = last.get(project)
        if before is not None:
            waiting = {line.project(other) for other in line.bodies if line.waited(other, before)}
            passed = {other for other in waiting if last.get(other, 0.0) < before}
            still = {other for other in passed if any(
                line.project(one) == other and line.waited(one, when) for one in line.bodies
            )}  # fmt: skip
            wrong += [f"project {project} goes twice while {other} waits" for other in sorted(still)]
        last[project] = when
    return wrong


def recount(jobs: Iterable[Json], queue: str) -> dict[str, int]:
    """Count a queue's Jobs from a list, as its status should have them."""
    counts = dict.fromkeys(COUNTS, 0)
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
            if reason in ("Canceled", "QueueFull", "DependencyFailed", "DependencyCycle", "WrongManager"):
                return "canceled"
            return "timedOut" if reason in ("TimedOut", "DeadlineExceeded") else "failed"
    return None


def why_failed(body: Json) -> str | None:
    """Return the reason of a Job's condition Failed."""
    for condition in (body.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Failed" and condition["status"] == "True":
            reason: str = condition["reason"]
            return reason
    return None


def created(body: Json) -> float:
    """Return a Job's creation in seconds."""
    return _instant(body["metadata"]["creationTimestamp"])


def _instant(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _labels(body: Json) -> dict[str, str]:
    return body["metadata"].get("labels") or {}


def _annotations(body: Json) -> dict[str, str]:
    return body["metadata"].get("annotations") or {}


def oldest(body: Json) -> tuple[Any, ...]:
    return created(body), body["metadata"]["uid"]


def newest(body: Json) -> tuple[Any, ...]:
    return -created(body), body["metadata"]["uid"]


def highest(body: Json) -> tuple[Any, ...]:
    return (-int(_annotations(body).get(PRIORITY, "0")), *oldest(body))


KEYS: dict[str, Callable[[Json], tuple[Any, ...]]] = {"FIFO": oldest, "LIFO": newest, "PRIORITY": highest}


def _is_touched(body: Json) -> bool:
    annotations = _annotations(body)
    return ADMITTED_AT in annotations or CLUSTER in annotations
