"""An operator around the engine, as careless as the world allows, between a simulated server and the slow model.

Watches lag, each at its own pace; writes land and are answered in any order; answers get lost, and the edge tries
again with the same resourceVersion; statuses are written now and then; the operator dies at any moment. Every method
takes plain numbers, so that both Hypothesis and a seeded generator can drive it, and checks what it can see.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.builders import stamp
from tests.unit.engine.at_rest import AtRest, tell_probe
from tests.unit.engine.server import Server, as_read
from tests.unit.engine.slow import SlowModel

from headgate.api.names import (
    REASON_CANCELED,
    REASON_DEPENDENCY_CYCLE,
    REASON_DEPENDENCY_FAILED,
    REASON_QUEUE_FULL,
    REASON_TIMED_OUT,
    REASON_WRONG_MANAGER,
)
from headgate.engine.decisions import Admit, Cancel, Confirm, Notice, Requeue, Suspend
from headgate.engine.engine import Engine
from headgate.engine.environment_status import environment_status
from headgate.engine.environments import ScaleReading
from headgate.engine.job import JobState
from headgate.engine.status import pool_status, queue_status

if TYPE_CHECKING:
    from tests.unit.engine.server import Event, Kind, Resources, Verdict

    from headgate.api.clusterpool import ClusterPool
    from headgate.api.computeenvironment import ComputeEnvironment, ComputeEnvironmentStatus
    from headgate.api.jobqueue import JobQueue
    from headgate.api.jobqueue_status import JobQueueStatus
    from headgate.engine.decisions import Correction, Decision, Write

KINDS: tuple[Kind, ...] = ("job", "queue", "pool", "environment", "policy")


@dataclass(eq=False)
class Call:
    """A write under way; once it has landed, its answer is."""

    write: Write
    stamp: str
    capacity: Resources | None = None
    """What the room of an admission had, by what the operator had been told."""
    verdict: Verdict | None = None


@dataclass(eq=False)
class Read:
    """A read of a queue, and of a pool before it, under way; `done` once the server has answered it."""

    name: str
    pool: str | None = None
    done: bool = False
    found: JobQueue | None = None


class Simulation:
    """One hub, one operator at a time."""

    def __init__(self, *, remote: bool) -> None:
        self.server = Server()
        if remote:
            self.server.put_pool(
                "p", "p1 p2 p3", remote=True, on_cluster_lost="Requeue", lost_after_seconds=60
            )
        else:
            self.server.put_pool("p", "p1 p2")
        self.server.put_pool("q", "q1")
        self.server.put_environment("e1", capacity="cpu=4 memory=8Gi", pool="p")
        self.server.put_environment("e2", capacity="cpu=6", pool="p", type="Spot")
        self.server.put_environment("e3", capacity="cpu=3", pool="q")
        self.server.put_environment(
            "e4", capacity="", clusters="p1", pool="p", shape="cpu=2 memory=4Gi", scaling=(0, 3, 90)
        )
        self.server.put_policy("f1")
        self.server.put_policy("f2", weights={"red": 0.5, "b*": 3}, decay=3600)
        self.engine: Engine | None = None
        self.model: SlowModel | None = None
        self.seen: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        """How far each watch has got."""
        self.calls: list[Call] = []
        self.orphans: list[Call] = []
        """Cancellations and suspensions of operators that died: they may land at any time."""
        self.sent_back: set[tuple[str, int]] = set()
        """UID and resourceVersion of every Job that this operator knows to have sent back."""
        self.reads: list[Read] = []
        self.lists = 0
        self.past: SlowModel | None = None
        """What was known when the operator before this one died."""
        self.warned: set[str] = set()
        """UIDs of the Jobs of which it was told that their time at the head is over."""
        self.told: set[tuple[str, str]] = set()
        """What this operator has told of Jobs: UID and reason."""
        self.accepted: dict[str, str] = {}
        """UIDs of the Jobs that the operator before this one had accepted, and of the queue that did."""
        self.unsettled: set[str] = set()
        """Queues in which an operator has left Jobs that were too many: the next cannot tell who they are."""
        self.start()

    # ---- the operator's life

    def start(self) -> None:
        """Take over: from here on nothing that another operator admits is let in. Then list everything."""
        if self.engine is not None:
            return
        # Fencing: what lets a Job through or takes that back is refused under an older term.
        self.orphans += [call for call in self.calls if isinstance(call.write, Cancel | Suspend)]
        self.calls.clear()
        self.sent_back.clear()
        self.told.clear()
        self.reads.clear()
        self.engine = Engine()
        past = self.past
        self.model = SlowModel(self.engine, lambda: self.server.now)
        self.model.remember(past, self.server.queues.values(), self.server.relabeled)
        for pool in self.server.pools.values():
            self._take_pool(pool)
        for name, policy in self.server.policies.items():
            self.engine.scheduling_policy_changed(policy, self.server.now)
            self.model.tell_policy(name, policy)
        for environment in self.server.environments.values():
            self._take_environment(environment)
            self.read_scale(environment.name)
        self._list_queues()
        self._list_jobs()
        self.seen = {kind: len(self.server.events[kind]) for kind in KINDS}
        for name, queue in self.server.queues.items():
            if all(self.accepted.get(job.uid) == queue.metadata.uid for job in self.server.live(name)):
                assert not self.engine.queues[name].depth.excess, "an accepted Job is refused after a restart"

    def crash(self) -> None:
        """Die, in the middle of anything.

        The documented exception is avoided: a finished Job whose change the totals do not know of yet.
        """
        if self.engine is None:
            return
        while not all(self.server.is_exact(name) for name in self.server.queues):
            self._deliver_all()
            self.flush(0)
        self.accepted = {
            job.uid: known.resource.metadata.uid
            for known in self.engine.queues.values()
            if known.resource is not None
            for job in known.jobs.values()
            if job.accepted
        }
        self.unsettled |= {name for name, known in self.engine.queues.items() if known.depth.excess}
        self.past = self.model
        self.engine = self.model = None

    def relist(self) -> None:
        """The watch of Jobs met a 410: list anew. What happened in between is never told."""
        if self.engine is not None:
            self._list_jobs()
            self.seen["job"] = len(self.server.events["job"])

    def relist_queues(self) -> None:
        if self.engine is not None:
            self._list_queues()
            self.seen["queue"] = len(self.server.events["queue"])

    def deliver(self, kind: Kind, most: int) -> None:
        """Let a watch tell up to so many events."""
        events = self.server.events[kind]
        for _ in range(most):
            if self.engine is None or self.seen[kind] == len(events):
                return
            event = events[self.seen[kind]]
            self.seen[kind] += 1
            {
                "job": self._tell_job,
                "queue": self._tell_queue,
                "pool": self._tell_pool,
                "environment": self._tell_environment,
                "policy": self._tell_policy,
            }[kind](event)

    def bookmark(self) -> None:
        if self.engine is not None and self.seen["job"] == len(self.server.events["job"]):
            self.engine.versions_passed(self.server.version)

    def probe(self, cluster: str) -> None:
        """Ask a cluster how it is; its pool is in its name."""
        if self.engine is None:
            return
        assert self.model is not None
        tell_probe(self.engine, self.server, cluster)
        self.model.tell_probe(cluster[0], cluster, answers=cluster not in self.server.dead)

    def hold(self, cluster: str) -> None:
        """Find a reason for which nothing may be sent to a cluster, how well it may be."""
        if self.engine is None:
            return
        assert self.model is not None
        self.engine.cluster_held(cluster[0], cluster, "not now", self.server.now)
        self.model.tell_held(cluster[0], cluster)

    def probe_all(self) -> None:
        for pool in list(self.server.pools.values()):
            for member in pool.spec.clusters:
                self.probe(member.name)

    def read_scale(self, name: str, *, fail: bool = False) -> None:
        """Read what the target of an environment has; it may also be that it cannot be read."""
        if self.engine is None or name not in self.server.scales:
            return
        assert self.model is not None
        reading = None if fail else self.server.scales[name]
        self.engine.environment_scaled(name, reading, "no" if fail else None, self.server.now)
        if name in self.model.environments:
            self.model.tell_reading(name, reading)

    def scale(self, *, lose: bool = False) -> None:
        """Ask how many machines are wanted, check that, and have it done."""
        if self.engine is None:
            return
        assert self.model is not None
        scales = {scale.environment: scale for scale in self.engine.scales(self.server.now)}
        self.model.machines_wanted.check({name: scale.replicas for name, scale in scales.items()})
        for name, scale in scales.items():
            if not lose:
                self.server.scales[name] = ScaleReading(scale.replicas, self.server.scales[name].ready)
                self.read_scale(name)

    # ---- decisions

    def decide(self, limit: int) -> int:
        """Ask for decisions, check each against the model, and set them going."""
        if self.engine is None:
            return 0
        assert self.model is not None
        decisions = self._asked(limit)
        self.told |= {(one.uid, one.reason) for one in decisions if isinstance(one, Notice)}
        self.warned |= {uid for uid, reason in self.told if reason == "TimeLimit"}
        writes: list[Write] = []
        admissions: list[Admit] = []
        for decision in decisions:
            if isinstance(decision, Confirm):
                self.reads.append(Read(decision.queue, decision.pool))
            elif isinstance(decision, Admit):
                admissions.append(decision)
            elif not isinstance(decision, Notice):
                self._check_correction(decision)
                writes.append(decision)
        self.model.settle()
        capacities = []
        for admission in admissions:
            self.model.admit(admission)
            room = self.model.rooms().get((admission.environment or "", admission.cluster))
            capacities.append(room.capacity if room else None)
        writes += admissions
        assert len(writes) <= limit
        if len(writes) < limit:
            self.model.check_rest()
        self.look(complete=len(writes) < limit)
        now = stamp(self.server.now)
        self.calls += [Call(write, now) for write in writes[: len(writes) - len(admissions)]]
        self.calls += [
            Call(write, now, capacity) for write, capacity in zip(admissions, capacities, strict=True)
        ]
        return len(decisions)

    def _asked(self, limit: int) -> list[Decision]:
        """Ask for decisions until there are so many writes, or no more."""
        assert self.engine is not None
        decisions: list[Decision] = []
        while True:
            writes = sum(not isinstance(one, Notice | Confirm) for one in decisions)
            decisions += self.engine.decide(limit - writes, self.server.now)
            if not self.engine.is_cut_short:
                return decisions
            assert self.engine.next_wakeup() == self.server.now

    def look(self, *, complete: bool) -> None:
        """Look at the heads of all queues, as their statuses would show them."""
        assert self.engine is not None
        assert self.model is not None
        known = [queue.name for queue in self.engine.queues.values() if queue.resource is not None]
        self.model.look({name: self.status(name).head for name in known}, complete=complete)

    def land(self, pick: int, *, refuse: bool = False, clash: bool = False) -> None:
        """Let one write reach the server, or something in its way that refuses it or calls it a conflict."""
        pending = [call for call in self.calls if call.verdict is None] + self.orphans
        if not pending:
            return
        call = pending[pick % len(pending)]
        verdict: Verdict = "refused" if refuse else "conflict"
        if not refuse and not clash:
            verdict = self.server.land(call.write, call.stamp, call.capacity)
        if call in self.orphans:
            self.orphans.remove(call)
        else:
            call.verdict = verdict

    def answer(self, pick: int, *, lose: bool = False) -> None:
        """Let one answer come back, or get lost: then the same write is tried again."""
        if self.engine is None:
            return
        answered = [call for call in self.calls if call.verdict is not None]
        if not answered:
            return
        call = answered[pick % len(answered)]
        if lose:
            call.verdict = None
            return
        self.calls.remove(call)
        self._tell_answer(call)

    def confirm(self, pick: int, *, fail: bool = False) -> None:
        """Let one read of a queue get a step further."""
        if self.engine is None or not self.reads:
            return
        assert self.model is not None
        read = self.reads[pick % len(self.reads)]
        if not read.done and not fail:
            if read.pool is not None:
                self._read_pool(read.pool)
            read.done, read.found = True, self.server.queues.get(read.name)
            return
        self.reads.remove(read)
        now = self.server.now
        if fail:
            self.engine.unconfirmed(read.name, now)
            self.model.settle()
            return
        self.engine.confirmed(read.name, read.found, now)
        known = self.engine.queues.get(read.name)
        if known is None or known.resource is None:
            self.model.tell_queue_gone(read.name)
        else:
            self.model.tell_queue(known.resource)

    def _read_pool(self, name: str) -> None:
        assert self.engine is not None
        assert self.model is not None
        found = self.server.pools.get(name)
        if found is not None:
            self._take_pool(found)
        else:
            self.engine.pool_gone(name)
            self.model.tell_pool(name, None)

    def flush(self, pick: int) -> int:
        """Write the statuses that may have changed (0: all, else one of them); return how many were written."""
        if self.engine is None:
            return 0
        dirty = list(self.engine.dirty_queues)
        if pick and dirty:
            dirty = [dirty[pick % len(dirty)]]
        written = 0
        for name in dirty:
            queue = self.engine.queues.get(name)
            if queue is None or queue.resource is None:
                del self.engine.dirty_queues[name]
                continue
            before = queue.resource
            after = self.status(name)
            if after == before.status:
                del self.engine.dirty_queues[name]
                continue
            result = self.server.write_status(before, after)
            if result is None:
                continue
            del self.engine.dirty_queues[name]
            queue.tally.stale_watermark = False
            written += 1
            self._take_queue(result)
        return written + self._flush_environments() + self._flush_pools()

    def _flush_environments(self) -> int:
        assert self.engine is not None
        written = 0
        for name in list(self.engine.dirty_environments):
            known = self.engine.environments.get(name)
            if known is None or known.resource is None:
                del self.engine.dirty_environments[name]
                continue
            new = self.environment_status(name)
            if new == known.resource.status:
                del self.engine.dirty_environments[name]
                continue
            environment = self.server.write_environment_status(known.resource, new)
            if environment is not None:
                del self.engine.dirty_environments[name]
                written += 1
                self._take_environment(environment)
        return written

    def _flush_pools(self) -> int:
        assert self.engine is not None
        written = 0
        for name in list(self.engine.dirty_pools):
            pool = self.engine.pools[name]
            if pool.resource is None:
                del self.engine.dirty_pools[name]
                continue
            latest = pool_status(pool, self.engine.occupancy, stamp(self.server.now))
            if latest == pool.resource.status:
                del self.engine.dirty_pools[name]
                continue
            result = self.server.write_pool_status(pool.resource, latest)
            if result is not None:
                del self.engine.dirty_pools[name]
                written += 1
                self._take_pool(result)
        return written

    def status(self, name: str) -> JobQueueStatus:
        assert self.engine is not None
        return queue_status(self.engine.queues[name], self.engine.observed_version, stamp(self.server.now))

    def environment_status(self, name: str) -> ComputeEnvironmentStatus:
        assert self.engine is not None
        assert self.model is not None
        users = len(self.model.users(name))
        return environment_status(self.engine.environments[name], users, stamp(self.server.now))

    # ---- invariants

    def check(self) -> None:
        """What the engine counts is what a recount of all it was told gives, at every moment."""
        if self.engine is None:
            return
        assert self.model is not None
        model = self.model
        for name, queue in self.engine.queues.items():
            live = model.live(name)
            active = [job for job in live if model.is_active(job)]
            assert queue.jobs.keys() == {job.uid for job in live}
            assert (queue.active, queue.waiting) == (len(active), len(live) - len(active))
            assert queue.active_runs == len(model.active_runs(name)), name
            on = [model.cluster_of(job) for job in active]
            assert {c: n for c, n in queue.active_on.items() if n} == {c: on.count(c) for c in on}
            assert set(queue.tally.present) == {
                job.uid for job in model.jobs.values() if job.queue == name and job.state is JobState.FINISHED
            }
        for uid, job in self.engine.jobs.items():
            assert job.write == model.open.get(uid, 0)
        there = Counter(
            (model.pool_of(job), model.cluster_of(job)) for job in model.live() if model.is_active(job)
        )
        for place in {*there, *model.health}:
            assert self.engine.occupancy.on(*place) == there[place], place
            assert self.engine.is_given_up(*place) is model.is_given_up(*place), place

    def rest(self) -> None:
        """Let everything be told, landed, answered, cancelled and written, and compare with the server."""
        self.start()
        assert self.engine is not None
        server, engine = self.server, self.engine
        for step in range(60):
            # Long enough for every pause, and once for every time limit.
            server.now += 700.0 if step == 2 else 61.0
            self._deliver_all()
            self.probe_all()
            for name in server.scales:
                server.machines_come(name)
                self.read_scale(name)
            self.scale()
            while self.orphans or any(call.verdict is None for call in self.calls):
                self.land(0)
            while self.calls:
                self.answer(0)
            while self.reads:
                self.confirm(0)
            for uid in list(server.ending):
                server.finish(uid, server.ending[uid])
            for uid in server.leftovers():
                server.update(uid, started_at=0)
            decided = self.decide(1_000)
            self.check()
            if not decided and not self.flush(0) and self._all_told() and step > 2:
                break
        else:
            raise AssertionError("it never comes to rest")
        assert self.model is not None
        AtRest(server, self.model, self.told).check()
        live = {uid for uid, job in server.jobs.items() if job.state is not JobState.FINISHED}
        assert set(engine.jobs) == live, "a Job is lost"
        assert engine.known_uids() == set(server.jobs)
        assert not any(job.state is JobState.UNADMITTED for job in engine.jobs.values() if not job.canceling)
        for queue in engine.queues.values():
            assert not queue.depth.excess
            assert not queue.in_flight
            if queue.lifecycle.terminating:
                assert not queue.live, "a terminated queue keeps a live Job"
        assert self.flush(0) == 0, "an unchanged world causes a write"

    # ---- inside

    def _list_jobs(self) -> None:
        assert self.engine is not None
        assert self.model is not None
        now = self.server.now
        self.lists += 1
        gone = self.engine.known_uids()
        # As `Engine.listed`, but for the turns: the model is told each Job when the engine is.
        for job in self.server.listed():
            gone.discard(job.uid)
            self.engine.job_seen(as_read(job), now)
            self.model.tell_job(as_read(job))
        for uid in gone:
            self.engine.job_gone(uid, self.server.version, now)
            self.model.tell_gone(uid)
        self.engine.versions_passed(self.server.version)
        self.engine.loaded(now)
        self.model.tell_loaded()

    def _list_queues(self) -> None:
        assert self.engine is not None
        assert self.model is not None
        for queue in self.server.queues.values():
            self._take_queue(queue)
        for name in [name for name in self.model.queues if name not in self.server.queues]:
            self.engine.queue_gone(name)
            self.model.tell_queue_gone(name)

    def _deliver_all(self) -> None:
        for kind in KINDS:
            self.deliver(kind, len(self.server.events[kind]))

    def _all_told(self) -> bool:
        return (
            not self.calls
            and not self.reads
            and all(self.seen[kind] == len(self.server.events[kind]) for kind in KINDS)
        )

    def _tell_job(self, event: Event) -> None:
        assert self.engine is not None
        assert self.model is not None
        if event.value is None:
            self.engine.job_gone(event.name, event.version, self.server.now)
            self.model.tell_gone(event.name)
        else:
            self.engine.job_seen(as_read(event.value), self.server.now)
            self.model.tell_job(as_read(event.value))

    def _tell_queue(self, event: Event) -> None:
        assert self.engine is not None
        assert self.model is not None
        if event.value is None:
            self.engine.queue_gone(event.name)
            self.model.tell_queue_gone(event.name)
        else:
            self._take_queue(event.value)

    def _tell_pool(self, event: Event) -> None:
        assert self.engine is not None
        assert self.model is not None
        if event.value is None:
            self.engine.pool_gone(event.name)
            self.model.tell_pool(event.name, None)
        else:
            self._take_pool(event.value)

    def _take_pool(self, resource: ClusterPool) -> None:
        assert self.engine is not None
        assert self.model is not None
        self.engine.pool_changed(resource)
        self.model.tell_pool(resource.name, resource)

    def _tell_environment(self, event: Event) -> None:
        assert self.engine is not None
        assert self.model is not None
        if event.value is None:
            self.engine.environment_gone(event.name, self.server.now)
            self.model.tell_environment(event.name, None)
        else:
            self._take_environment(event.value)

    def _take_environment(self, resource: ComputeEnvironment) -> None:
        assert self.engine is not None
        assert self.model is not None
        self.engine.environment_changed(resource, self.server.now)
        self.model.tell_environment(resource.name, resource)

    def _tell_policy(self, event: Event) -> None:
        assert self.engine is not None
        assert self.model is not None
        if event.value is None:
            self.engine.scheduling_policy_gone(event.name, self.server.now)
        else:
            self.engine.scheduling_policy_changed(event.value, self.server.now)
        self.model.tell_policy(event.name, event.value)

    def _take_queue(self, resource: JobQueue) -> None:
        assert self.engine is not None
        assert self.model is not None
        known = self.engine.queues.get(resource.name)
        same = (
            known is not None
            and known.resource is not None
            and known.resource.metadata.uid == resource.metadata.uid
        )
        accepted = [job for job in known.jobs.values() if job.accepted] if known is not None and same else []
        self.engine.queue_changed(resource, self.server.now)
        self.model.tell_queue(resource)
        assert not any(job.excess for job in accepted), "lowering the depth refuses an accepted Job"

    def _tell_answer(self, call: Call) -> None:
        assert self.engine is not None
        assert self.model is not None
        write, now = call.write, self.server.now
        told = (write.job.uid, write.resource_version)
        if call.verdict == "refused":
            self.engine.refused(write, "no", now)
            if isinstance(write, Admit):
                self.model.tell_refused(*told)
                return
        elif call.verdict == "conflict":
            self.engine.outdated(write, now)
        elif isinstance(write, Admit):
            self.engine.admitted(write, call.stamp, now)
        else:
            self.engine.written(write, now)
            if isinstance(write, Requeue):
                self.sent_back.add(told)
            if isinstance(write, Suspend):
                # It waits, for sure: had it been admitted meanwhile there would have been a conflict.
                self.model.tell_refused(*told)
                return
        self.model.tell_answered(*told)

    def _check_correction(self, write: Correction) -> None:
        assert self.model is not None
        job = self.model.jobs[write.job.uid]
        assert job.uid not in self.model.open, "two writes at once for one Job"
        assert write.resource_version == job.resource_version
        assert not job.canceling
        if isinstance(write, Suspend):
            assert job.state is JobState.UNADMITTED or job.uid in self.model.assumed
        elif isinstance(write, Requeue):
            assert (job.uid, write.resource_version) not in self.sent_back, "what has landed is sent again"
            assert job.state is JobState.ACTIVE
            assert job.uid not in self.model.assumed
            assert job.managed
            assert job.cluster == write.cluster
            place = (self.model.pool_of(job), write.cluster)
            assert self.model.is_given_up(*place), f"{place} is not given up"
        elif write.reason == REASON_CANCELED:
            assert job.state is not JobState.FINISHED
            assert self.server.was_terminated(job.uid, job.queue), (
                "cancelled although its queue was never terminated"
            )
        elif write.reason == REASON_DEPENDENCY_FAILED:
            assert job.state is JobState.WAITING
            assert any(self.server.has_ended_badly(job.namespace, name) for name in job.depends_on)
        elif write.reason == REASON_DEPENDENCY_CYCLE:
            assert job.state is JobState.WAITING
            assert job.uid in self.model.rings
        elif write.reason == REASON_WRONG_MANAGER:
            assert job.state is JobState.WAITING
            assert self.model.has_waited_in_vain(job), f"{job.uid} is ended, and might go"
            assert job.error or (job.uid, REASON_WRONG_MANAGER) in self.told
        elif write.reason == REASON_TIMED_OUT:
            assert job.state is JobState.WAITING
            assert job.uid in self.model.overdue
            assert job.uid in self.warned
        else:
            assert write.reason == REASON_QUEUE_FULL
            assert job.state is not JobState.ACTIVE
            if (not self.server.moved or self.lists == 1) and job.queue not in self.unsettled:
                assert self.server.may_be_excess(job.uid, job.queue), f"{job.uid} is cancelled as excess"
        self.model.open[job.uid] = write.resource_version
