"""Sections 5 and 6 of the design, slow and obviously right: sort and scan all that was told, at every question.

The model shares no code with the engine. It keeps what the engine was told and only such memory as the design speaks
of: whose turn it is, and which runs go on although nothing of them runs just now. Where the design leaves an order
open (who goes first of those who begin to wait at the same moment) every such order is legal.

What concerns one Job alone and is decided elsewhere (excess over the depth, a cancellation under way, a pause after a
refused write) is read from the engine's record of the Job; other checks watch over it. Who goes next, and where to, is
in `slow_choice`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.unit.engine.slow_choice import Choice
from tests.unit.engine.slow_room import Room, Tenant, capacities
from tests.unit.engine.slow_shares import Bounds, Usage, factor_of, kept, weight
from tests.unit.engine.templates import TEMPLATE_OF

from headgate.engine.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.unit.engine.slow_room import Place

    from headgate.api.clusterpool import ClusterPool
    from headgate.api.computeenvironment import ComputeEnvironment, ComputeEnvironmentSpec
    from headgate.api.jobqueue import JobQueue
    from headgate.api.jobqueue_status import HeadStatus
    from headgate.api.schedulingpolicy import FairShare, SchedulingPolicy
    from headgate.engine.decisions import Admit
    from headgate.engine.engine import Engine
    from headgate.engine.environments import ScaleReading
    from headgate.engine.job import Job

RunKey = tuple[str, str]
"""Queue and key of the run in it."""

ORDER: dict[str, Callable[[Job], tuple[int, ...]]] = {
    "FIFO": lambda job: (job.created,),
    "LIFO": lambda job: (-job.created,),
    "PRIORITY": lambda job: (-job.priority, job.created),
}
ON_MACHINES = {"OnDemand", "Spot"}


class Turn(NamedTuple):
    """A place in a round, lower first: where it is not certain, the first and the last that it may be."""

    first: int
    last: int


class Admission(NamedTuple):
    """An admission that was decided."""

    version: int
    cluster: str
    environment: str | None
    at: float


@dataclass
class Stand:
    """The Job that was seen stopped at the head of a queue."""

    uid: str
    lane: str
    reason: str = ""
    since: float = inf
    """Infinite until the engine has shown it."""
    sure: bool = True
    """Whether nothing has happened since by which the queue may have turned to another lane."""


class SlowModel:
    """What an engine that was told the same should do."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self.engine = engine
        self._now = clock
        self.started_at = clock()
        self.jobs: dict[str, Job] = {}
        """Every Job that was told and not told gone, finished ones too, as last told."""
        self.queues: dict[str, JobQueue] = {}
        self.pools: dict[str, ClusterPool] = {}
        self.sick: set[tuple[str, str]] = set()
        self.environments: dict[str, ComputeEnvironment] = {}
        self.policies: dict[str, SchedulingPolicy] = {}
        self.readings: dict[str, ScaleReading] = {}
        """What each scale said when it was last read."""
        self.unreadable: set[str] = set()
        self.assumed: dict[str, Admission] = {}
        """Admissions decided and not known to have come to nothing."""
        self.decided: dict[str, float] = {}
        """When each admission was decided, also after the watch has shown it."""
        self.succeeded: set[tuple[str, str]] = set()
        """Namespace and name of every Job that was seen to succeed."""
        self.failed: dict[tuple[str, str], set[str]] = defaultdict(set)
        """UIDs by namespace and name of Jobs that were seen to end in another way, and may still be there."""
        self.ran_in: dict[tuple[str, str], set[str | None]] = defaultdict(set)
        """Environments by namespace and name of all that were seen admitted."""
        self.stands: dict[str, Stand] = {}
        self.passed: dict[str, set[str]] = defaultdict(set)
        """By queue: lanes whose first Job others may have passed since the heads were last seen."""
        self.looked_at = clock()
        """When the heads were last seen."""
        self.written: dict[tuple[str, str, str], set[str | None]] = defaultdict(set)
        """Since when an earlier operator had written that a Job stood at the head: by queue, UID and reason."""
        self.rings: set[str] = set()
        """Jobs that were seen to wait for themselves, over others that wait."""
        self.overdue: set[str] = set()
        """Jobs that were seen at the head of a queue for longer than its time limit."""
        self.usage: dict[tuple[str, str], Usage] = {}
        """By queue and share."""
        self.idle_since: dict[str, float] = {}
        """By environment: since when none of the queues that use it has a live Job."""
        self.seen_idle: dict[str, float] = {}
        """The same, as far as somebody has asked since."""
        self.anchors: dict[RunKey, set[str]] = defaultdict(set)
        self.open: dict[str, int] = {}
        """resourceVersion of the write under way, by UID."""
        self.found_finished: set[str] = set()
        """Jobs that had finished when they were told for the first time."""
        self._clock = 0
        self._lane_turn: dict[tuple[str, str], int] = {}
        self._queue_turn: dict[str, Turn] = {}
        self._half_life: dict[str, int | None] = {}
        self._using: dict[str, frozenset[str]] = {}

    @property
    def now(self) -> float:
        return self._now()

    def remember(self, past: SlowModel | None, queues: Iterable[JobQueue]) -> None:
        """Start with what outlives an operator: what it had written, and as much of the usage as was."""
        for queue in queues:
            head = queue.status.head
            if head is not None:
                self.written[queue.name, head.uid, head.reason].add(head.since)
        if past is None:
            return
        self._half_life = dict(past._half_life)
        for key, usage in past.usage.items():
            average = usage.average_at(self.now, past._half_life.get(key[0]))
            self.usage[key] = Usage(self.now, average=Bounds(0.0, average.most))

    # ---- facts

    def tell_job(self, job: Job) -> None:
        known = self.jobs.get(job.uid)
        if known is not None and job.resource_version <= known.resource_version:
            return
        was_live = known is not None and known.state is not JobState.FINISHED
        key = self.key(job.uid) if was_live else None
        if known is None and job.state is JobState.FINISHED:
            self.found_finished.add(job.uid)
        self.jobs[job.uid] = job
        self.assumed.pop(job.uid, None)
        self.open.pop(job.uid, None)
        named = (job.namespace, job.name)
        if job.state is JobState.FINISHED:
            if job.result == "succeeded":
                self.succeeded.add(named)
            else:
                self.failed[named].add(job.uid)
        if job.admitted_at is not None:
            self.ran_in[named].add(job.environment)
        if key is not None and known is not None:
            finished_admitted = job.state is JobState.FINISHED and job.admitted_at is not None
            if finished_admitted and known.queue == job.queue:
                self.anchors[key].add(job.uid)
        self.settle()

    def tell_gone(self, uid: str) -> None:
        self.jobs.pop(uid, None)
        self.found_finished.discard(uid)
        self.assumed.pop(uid, None)
        self.open.pop(uid, None)
        for uids in self.failed.values():
            uids.discard(uid)
        for anchors in self.anchors.values():
            anchors.discard(uid)
        self.settle()

    def tell_queue(self, queue: JobQueue) -> None:
        known = self.queues.get(queue.name)
        if known is not None:
            if int(known.metadata.resource_version) > int(queue.metadata.resource_version):
                return
            if known.metadata.uid != queue.metadata.uid:
                self.tell_queue_gone(queue.name)
                known = None
        self.queues[queue.name] = queue
        if known is None or (known.spec.execution_mode, known.spec.fairness) != (
            queue.spec.execution_mode,
            queue.spec.fairness,
        ):
            # Another order: a new round begins, in which nobody comes first by right.
            self._begin_round(queue.name)
        if known is not None and known.spec.scheduling_policy != queue.spec.scheduling_policy:
            self._begin_round(queue.name)
        if known is not None and known.spec.priority_value != queue.spec.priority_value:
            self._queue_turn.pop(queue.name, None)
        self.settle()

    def tell_queue_gone(self, name: str) -> None:
        self.queues.pop(name, None)
        self._queue_turn.pop(name, None)
        self.stands.pop(name, None)
        for (queue, share), usage in self.usage.items():
            if queue == name:
                self.usage[queue, share] = usage.blurred()
        self.settle()

    def tell_environment(self, name: str, environment: ComputeEnvironment | None) -> None:
        if environment is None:
            self.environments.pop(name, None)
            self.readings.pop(name, None)
        else:
            self.environments[name] = environment
        self.settle()

    def tell_policy(self, name: str, policy: SchedulingPolicy | None) -> None:
        if policy is None:
            self.policies.pop(name, None)
        else:
            self.policies[name] = policy
        self.settle()

    def tell_reading(self, name: str, reading: ScaleReading | None) -> None:
        if reading is None:
            self.unreadable.add(name)
        else:
            self.unreadable.discard(name)
            self.readings[name] = reading
        self.settle()

    def tell_pool(self, name: str, pool: ClusterPool | None) -> None:
        if pool is None:
            self.pools.pop(name, None)
            self.sick = {(of, cluster) for of, cluster in self.sick if of != name}
        else:
            self.pools[name] = pool
            members = {member.name for member in pool.spec.clusters}
            self.sick = {(of, cluster) for of, cluster in self.sick if of != name or cluster in members}
        self.settle()

    def tell_probe(self, pool: str, cluster: str, healthy: bool) -> None:
        if pool not in self.pools or cluster not in {m.name for m in self.pools[pool].spec.clusters}:
            return
        (self.sick.discard if healthy else self.sick.add)((pool, cluster))
        self.settle()

    def tell_loaded(self) -> None:
        """A full list: what finished while another Job of its run was there already goes on in that one."""
        self.settle()
        for uid in self.found_finished:
            job, key = self.jobs[uid], self.key(uid)
            live = [other for other in self.live() if self.key(other.uid) == key]
            if job.admitted_at is None or not live:
                continue
            first = min(live, key=lambda other: other.resource_version)
            if first.resource_version < job.resource_version and first.created <= job.finished_at:
                self.anchors[key].add(uid)
        self.found_finished.clear()
        self.settle()

    def tell_refused(self, uid: str, version: int) -> None:
        if self.open.get(uid) == version:
            del self.open[uid]
            self.assumed.pop(uid, None)
        self.settle()

    def tell_answered(self, uid: str, version: int) -> None:
        if self.open.get(uid) == version:
            del self.open[uid]
        self.settle()

    # ---- what it amounts to

    def live(self, queue: str | None = None) -> list[Job]:
        return [
            job
            for job in self.jobs.values()
            if job.state is not JobState.FINISHED and queue in (None, job.queue)
        ]

    def is_active(self, job: Job) -> bool:
        return job.state is JobState.ACTIVE or job.uid in self.assumed

    def cluster_of(self, job: Job) -> str:
        return self.assumed[job.uid].cluster if job.uid in self.assumed else job.cluster or ""

    def place_of(self, job: Job) -> Place | None:
        """Environment and cluster of an active Job, if it was admitted to an environment."""
        known = self.assumed.get(job.uid)
        environment = known.environment if known else job.environment
        return (environment, self.cluster_of(job)) if environment is not None else None

    def end_of(self, job: Job) -> float:
        """When an active Job ends at the latest."""
        if job.deadline is None:
            return inf
        start = job.started_at or self.decided.get(job.uid) or _seconds(job.admitted_at)
        return start + job.deadline

    def key(self, uid: str) -> RunKey:
        """The run a Job belongs to: by its label, with the admitted Job that owns it, or alone."""
        job = self.jobs[uid]
        if job.run_label is not None:
            return job.queue, f"{job.namespace}/{job.run_label}"
        owner = self.jobs.get(job.owner_uid or "")
        if owner is not None and (self.is_active(owner) or self._was_admitted(owner)):
            return job.queue, self.key(owner.uid)[1]
        return job.queue, job.uid

    @staticmethod
    def _was_admitted(job: Job) -> bool:
        return job.state is JobState.FINISHED and job.admitted_at is not None

    def active_runs(self, queue: str) -> set[RunKey]:
        """Runs with something active, or with something that waits and an anchor in the past."""
        live = self.live(queue)
        keys = {self.key(job.uid) for job in live if self.is_active(job)}
        return keys | {key for job in live if self.anchors.get(key := self.key(job.uid))}

    def clusters(self, queue: JobQueue) -> list[str]:
        """The clusters that may take Jobs of the queue now."""
        pool = self.pools.get(queue.spec.pool)
        if pool is None:
            return []
        members = {member.name: member.state == "Enabled" for member in pool.spec.clusters}
        wanted = list(members) if queue.spec.clusters == ["*"] else queue.spec.clusters
        if any(name not in members for name in wanted):
            return []
        return [name for name in wanted if members[name] and (queue.spec.pool, name) not in self.sick]

    def machines(self, name: str) -> int | None:
        """How many machines an environment was last seen to have."""
        reading = self.readings.get(name)
        return reading.ready if reading else None

    def rooms(self) -> dict[Place, Room]:
        """Every room of every environment, as it is now."""
        tenants: dict[Place, list[Tenant]] = defaultdict(list)
        for job in self.live():
            place = self.place_of(job) if self.is_active(job) else None
            if place is not None:
                tenants[place].append(Tenant(job.queue, dict(job.request.total), self.end_of(job)))
        rooms = {}
        for name, environment in self.environments.items():
            capacity, potential = capacities(environment.spec, self.machines(name))
            for cluster in self._members(environment):
                shape = dict(environment.spec.shape_amounts)
                place = (name, cluster)
                rooms[place] = Room(place, capacity, potential, shape, tenants[place])
        return rooms

    def _members(self, environment: ComputeEnvironment) -> list[str]:
        """The clusters of its pool that an environment is in."""
        pool = self.pools.get(environment.spec.pool)
        members = [member.name for member in pool.spec.clusters] if pool else []
        return [
            name
            for name in members
            if environment.spec.clusters in (["*"],) or name in environment.spec.clusters
        ]

    def is_valid(self, environment: ComputeEnvironment) -> bool:
        pool = self.pools.get(environment.spec.pool)
        if pool is None:
            return False
        members = {member.name for member in pool.spec.clusters}
        return environment.spec.clusters == ["*"] or members.issuperset(environment.spec.clusters)

    def named(self, queue: JobQueue) -> list[ComputeEnvironment]:
        """The environments that a queue names and that exist, in order."""
        wanted = sorted(queue.spec.compute_environments, key=lambda one: one.order)
        return [self.environments[one.name] for one in wanted if one.name in self.environments]

    def places(self, queue: JobQueue) -> list[Place]:
        """The rooms that a queue may use, in order."""
        clusters = self.clusters(queue)
        return [
            (environment.name, cluster)
            for environment in self.named(queue)
            if environment.spec.state == "Enabled"
            for cluster in sorted(self._members(environment))
            if cluster in clusters
        ]

    def stalls(self, queue: JobQueue) -> set[str]:
        """Every reason for which a queue lets nothing through until somebody changes something."""
        reasons = set()
        pool = self.pools.get(queue.spec.pool)
        if pool is None:
            return {"PoolNotFound"}
        members = {member.name for member in pool.spec.clusters}
        if queue.spec.clusters != ["*"] and not members.issuperset(queue.spec.clusters):
            reasons.add("ClusterNotInPool")
        if not self.clusters(queue) and not reasons:
            reasons.add("NoHealthyCluster")
        if queue.spec.scheduling_policy not in (None, *self.policies):
            reasons.add("SchedulingPolicyNotFound")
        if not queue.spec.compute_environments:
            return reasons
        found = self.named(queue)
        if len(found) < len(queue.spec.compute_environments):
            reasons.add("ComputeEnvironmentNotFound")
        own = [environment for environment in found if environment.spec.pool == queue.spec.pool]
        if len(own) < len(found):
            reasons.add("ComputeEnvironmentInOtherPool")
        if not all(self.is_valid(environment) for environment in found):
            reasons.add("ComputeEnvironmentInvalid")
        if len({environment.spec.type in ON_MACHINES for environment in found}) > 1:
            reasons.add("MixedComputeTypes")
        if len({environment.spec.instance_shape.architecture for environment in found} - {None}) > 1:
            reasons.add("MixedArchitectures")
        if not any(environment.spec.state == "Enabled" for environment in found):
            reasons.add("NoEnabledEnvironment")
        if not reasons and not self.places(queue):
            reasons.add("NoHealthyCluster")
        return reasons

    def fair_share(self, queue: JobQueue) -> FairShare | None:
        """How a queue is shared, None where it is not, or where nobody knows."""
        policy = self.policies.get(queue.spec.scheduling_policy or "")
        return policy.spec.fair_share if policy else None

    def kept(self, queue: JobQueue) -> Fraction:
        """The part of each room that the queue keeps for shares that are not active."""
        fair_share = self.fair_share(queue)
        if fair_share is None:
            return Fraction(0)
        return kept(fair_share, len({share_of(job) for job in self.live(queue.name)}))

    def lane_of(self, job: Job) -> str:
        queue = self.queues.get(job.queue)
        return share_of(job) if queue is not None and queue.spec.scheduling_policy else job.project

    def template(self, job: Job) -> dict[str, Any]:
        return TEMPLATE_OF[job.constraints]

    def predecessor(self, job: Job) -> tuple[set[str | None], bool]:
        """The environments in which the Job that this one repeats may have run, and whether that may be forgotten."""
        name = (job.namespace, job.retry_of or "")
        known = [other for other in self.jobs.values() if (other.namespace, other.name) == name]
        places = {(self.place_of(other) or (other.environment, ""))[0] for other in known}
        return (places, False) if places else (self.ran_in.get(name, set()), True)

    def waits_for(self, job: Job) -> list[str]:
        """The names of the Jobs that a Job depends on and that have not succeeded."""
        return [name for name in job.depends_on if (job.namespace, name) not in self.succeeded]

    def ring(self, job: Job) -> bool:
        """Whether a Job waits, over whatever others that wait too, for itself."""
        live = {(other.namespace, other.name): other for other in self.live() if not self.is_active(other)}
        reached: set[str] = set()
        ahead = self.waits_for(job)
        while ahead:
            name = ahead.pop()
            other = live.get((job.namespace, name))
            if other is None or name in reached:
                continue
            if other.uid == job.uid:
                return True
            reached.add(name)
            ahead += self.waits_for(other)
        return False

    def depends_on_failed(self, job: Job) -> bool:
        return any(self.failed.get((job.namespace, name)) for name in job.depends_on)

    def eligible(self, name: str) -> list[Job]:
        """The waiting Jobs of a queue that nothing about themselves holds back."""
        queue = self.queues.get(name)
        if queue is None:
            return []
        return [
            job
            for job in self.live(name)
            if job.state is JobState.WAITING
            and job.uid not in self.assumed
            and job.uid not in self.open
            and not (job.held or job.canceling or job.error)
            and not self.waits_for(job)
            and job.pool in (None, queue.spec.pool)
            and self._free(self.engine.jobs[job.uid])
        ]

    @staticmethod
    def _free(record: Job) -> bool:
        return not (record.excess or record.doomed or record.retry_at)

    def open_jobs(self, name: str) -> list[Job]:
        """The Jobs of a queue that the limits would let through, in no order."""
        queue = self.queues.get(name)
        if queue is None or queue.spec.dispatch.paused or queue.spec.state == "Terminated":
            return []
        if self.stalls(queue):
            return []
        active = sum(self.is_active(job) for job in self.live(name))
        if 0 < queue.spec.action_concurrency <= active:
            return []
        jobs = self.eligible(name)
        runs = self.active_runs(name)
        if 0 < queue.spec.run_concurrency <= len(runs):
            jobs = [job for job in jobs if self.key(job.uid) in runs]
        return jobs

    def leaves_a_slot(self, name: str, job: Job, head: Job, *, sure: bool) -> bool:
        """Whether the limits would let the head through after the Job; it need not be seen that they are of one run."""
        spec = self.queues[name].spec
        runs, key, heads_key = self.active_runs(name), self.key(job.uid), self.key(head.uid)
        active = sum(self.is_active(other) for other in self.live(name))
        if spec.action_concurrency and active + 1 >= spec.action_concurrency:
            return False
        if not spec.run_concurrency or heads_key in runs or (heads_key == key and not sure):
            return True
        return len(runs | {key}) < spec.run_concurrency

    def in_lane(self, job: Job) -> tuple[object, ...]:
        """The order of Jobs in one lane."""
        return ORDER[self.queues[job.queue].spec.execution_mode](job), job.uid

    def lane_first(self, name: str, lane: str, other: str) -> bool:
        """Whether one lane of a queue surely comes before another."""
        queue = self.queues[name]
        turns = self._lane_turn[name, lane], self._lane_turn[name, other]
        if queue.spec.scheduling_policy:
            ranks = self.rank(queue, lane), self.rank(queue, other)
            if ranks[0] == ranks[1] == Bounds(0.0, 0.0):
                return turns[0] < turns[1]
            return ranks[0].surely_before(ranks[1])
        return queue.spec.fairness == "RoundRobin" and turns[0] < turns[1]

    def rank(self, queue: JobQueue, share: str) -> Bounds:
        fair_share = self.fair_share(queue)
        usage = self.usage.get((queue.name, share))
        if fair_share is None or usage is None:
            return Bounds(0.0, 0.0)
        return usage.rank(self.now, fair_share.share_decay_seconds, factor_of(fair_share, share))

    def heads(self, name: str) -> list[Job]:
        """The Jobs of a queue that may be the one that comes first."""
        jobs = self.open_jobs(name)
        lanes = {self.lane_of(job) for job in jobs}
        first = {lane for lane in lanes if not any(self.lane_first(name, other, lane) for other in lanes)}
        stand = self.stands.get(name)
        if stand is not None and stand.lane in lanes:
            first = {stand.lane} if stand.sure else first | {stand.lane}
        first |= self.passed[name] & lanes
        return [
            min((job for job in jobs if self.lane_of(job) == lane), key=self.in_lane)
            for lane in sorted(first)
        ]

    def turn(self, name: str) -> tuple[int, Turn]:
        """The place of a queue in its pool: negated priority, then turn."""
        return -self.queues[name].spec.priority_value, self._queue_turn[name]

    def admit(self, decision: Admit) -> None:
        """Check a decision of the engine, and take it over."""
        job = self.jobs[decision.job.uid]
        queue = self.queues[job.queue]
        assert decision.resource_version == job.resource_version
        heads = self.heads(queue.name)
        at_head = Choice(self).check(decision)
        self.assumed[job.uid] = Admission(
            decision.resource_version, decision.cluster, decision.environment, self.now
        )
        self.decided[job.uid] = self.now
        self.open[job.uid] = decision.resource_version
        self._clock += 1
        self._lane_turn[job.queue, self.lane_of(job)] = self._clock
        # Who goes before the head does not cost the queue its place, by one reading at least.
        turn = self._queue_turn[job.queue]
        self._queue_turn[queue.name] = Turn(self._clock if at_head else turn.first, self._clock)
        stand = self.stands.get(queue.name)
        if stand is not None and (at_head or stand.uid == job.uid):
            # Also where another Job has come before it in its lane.
            del self.stands[queue.name]
        if at_head:
            self.passed[queue.name].clear()
        else:
            # Whom others pass stays at the head.
            self.passed[queue.name] |= {self.lane_of(head) for head in heads if head is not job}
            if len(heads) == 1 and stand is None:
                self.stands[queue.name] = Stand(heads[0].uid, self.lane_of(heads[0]))
        self.settle()

    def check_rest(self) -> None:
        """Check that nobody is left who must go."""
        choice = Choice(self)
        for name in self.queues:
            assert not choice.must_go(name), f"nothing of {name} is let through"

    def check_scales(self, scales: dict[str, int]) -> None:
        """Check how many machines are wanted, for those environments where that is not what is asked for already."""
        rooms = self.rooms()
        for name, environment in self.environments.items():
            reading = self.readings.get(name)
            if environment.spec.scaling is None or reading is None:
                assert name not in scales
                continue
            least, most = self.wanted(environment, [room for room in rooms.values() if room.place[0] == name])
            found = scales.get(name, reading.replicas)
            assert least <= found <= most, f"{found} machines are wanted in {name}, not {least} to {most}"

    def wanted(self, environment: ComputeEnvironment, rooms: Iterable[Room]) -> Turn:
        """How many machines an environment should have, at least and at most."""
        spec, name = environment.spec, environment.name
        assert spec.scaling is not None
        tenants = [tenant.demand for room in rooms for tenant in room.tenants]
        users = [self.queues[user] for user in self.users(name)]
        waiting = {
            user.name: [
                job
                for job in self.live(user.name)
                if job.state is JobState.WAITING and not self.is_active(job)
            ]
            for user in users
        }
        demand = [dict(job.request.total) for jobs in waiting.values() for job in jobs]
        admitted, all_of_it = _machines(spec, tenants), _machines(spec, tenants + demand)
        asked_for = self.readings[name].replicas
        times = [spec.scaling.idle_timeout_seconds]
        if len(users) == 1:
            times.append(users[0].spec.idle_timeout_seconds)
        timeout = min((time for time in times if time), default=inf)
        idle = name in self.idle_since and not tenants
        # Whoever asks seldom learns late that nothing is live any more.
        over = idle and self.now - self.seen_idle.setdefault(name, self.now) >= timeout
        perhaps_over = idle and timeout < inf and (self.now - self.idle_since[name] >= timeout or not users)
        least = max(spec.scaling.min, admitted)
        most = max(least, min(spec.scaling.max, all_of_it))
        if not over:
            most = max(most, min(asked_for, spec.scaling.max))
        if not perhaps_over:
            least = max(least, min(asked_for, spec.scaling.max))
        if len(users) == 1 and self._all_go(users[0], waiting[users[0].name], list(rooms)):
            least = max(least, all_of_it)
        return Turn(min(least, spec.scaling.max), most)

    def _all_go(self, queue: JobQueue, waiting: list[Job], rooms: list[Room]) -> bool:
        """Whether all that waits in a queue fits into its only room, scaled up, and nothing else is in the way."""
        spec = queue.spec
        if (
            spec.action_concurrency
            or spec.run_concurrency
            or len(spec.compute_environments) > 1
            or len(rooms) != 1
        ):
            return False
        eligible = {job.uid for job in self.open_jobs(queue.name)}
        room, choice = rooms[0], Choice(self)
        total: dict[str, int] = defaultdict(int)
        for demand in [dict(job.request.total) for job in waiting] + [one.demand for one in room.tenants]:
            for resource, amount in demand.items():
                total[resource] += amount
        return (
            not self.kept(queue)
            and all(job.uid in eligible and choice.reach(job.uid) for job in waiting)
            and all(total[resource] <= bound for resource, bound in room.potential.items())
        )

    def look(self, shown: dict[str, HeadStatus | None], *, complete: bool) -> None:
        """Compare the heads that the engine shows with those that may be; `complete` if it has left nothing undone.

        Where several may be first, it is free to choose, and has to stay with what it chose.
        """
        choice = Choice(self)
        for name, head in shown.items():
            heads = {job.uid: job for job in self.heads(name)}
            stand = self.stands.get(name)
            if head is None:
                assert not (complete and heads), (
                    f"{name} shows no head, it should be one of {names(heads.values())}"
                )
                if stand is not None:
                    stand.sure = False
                continue
            if head.uid not in heads:
                assert not complete, (
                    f"{name} shows {head.uid} as its head, not one of {names(heads.values())}"
                )
                continue
            job = heads[head.uid]
            assert (head.namespace, head.name) == (job.namespace, job.name)
            if complete:
                assert head.reason in choice.reasons(job), f"{name}: {head.reason}: {head.message}"
            since = _seconds(head.since)
            if stand is not None and stand.sure and (stand.uid, stand.reason) == (head.uid, head.reason):
                assert since == int(stand.since), "the time at the head starts anew"
            else:
                known = stand is not None and (stand.uid, stand.reason, stand.since) == (
                    head.uid,
                    head.reason,
                    since,
                )
                assert known or int(self.looked_at) <= since <= self.now or self.was_written(name, head), (
                    f"{name}: {head.uid} cannot be at the head since {since}"
                )
            self.stands[name] = Stand(head.uid, self.lane_of(job), head.reason, since)
        self.passed.clear()
        self.looked_at = self.now

    def was_written(self, name: str, head: HeadStatus) -> bool:
        """Whether an earlier operator had written that this Job stood at the head."""
        return head.since in self.written.get((name, head.uid, head.reason), ())

    def settle(self) -> None:
        """Let runs end, let those who have begun to wait join at the end of the round, and take account."""
        live = {self.key(job.uid) for job in self.live()}
        for key in list(self.anchors):
            if key not in live:
                del self.anchors[key]
        self._clock += 1
        waiting = {(name, self.lane_of(job)) for name in self.queues for job in self.eligible(name)}
        for gone in self._lane_turn.keys() - waiting:
            del self._lane_turn[gone]
        for member in waiting:
            self._lane_turn.setdefault(member, self._clock)
        ready = {name for name in self.queues if self.open_jobs(name)}
        for left in self._queue_turn.keys() - ready:
            del self._queue_turn[left]
        for name in ready:
            self._queue_turn.setdefault(name, Turn(self._clock, self._clock))
        for job in self.live():
            if job.depends_on and not self.is_active(job) and self.ring(job):
                self.rings.add(job.uid)
        for name, stand in self.stands.items():
            stand.sure &= any(job.uid == stand.uid for job in self.open_jobs(name))
        self._watch_time()
        self._take_account()
        self._watch_idle()

    def _watch_time(self) -> None:
        for name, stand in self.stands.items():
            queue = self.queues.get(name)
            for action in queue.spec.time_limit_actions if queue else ():
                if action.reason == stand.reason and stand.since + action.max_time_seconds <= self.now:
                    self.overdue.add(stand.uid)

    def _begin_round(self, name: str) -> None:
        for queue, lane in list(self._lane_turn):
            if queue == name:
                del self._lane_turn[queue, lane]
        if name in self.stands:
            self.stands[name].sure = False

    def _take_account(self) -> None:
        """Let what shares use now count from now on."""
        for name, queue in self.queues.items():
            if queue.spec.scheduling_policy is None:
                continue
            fair_share = self.fair_share(queue)
            half_life = fair_share.share_decay_seconds if fair_share else None
            before = self._half_life.get(name)
            self._half_life[name] = half_life
            running: dict[str, Fraction] = defaultdict(Fraction)
            for job in self.live(name):
                if self.is_active(job):
                    running[share_of(job)] += weight(job.request)
            for share in running.keys() | {share for queue, share in self.usage if queue == name}:
                usage = self.usage.get((name, share), Usage(self.now))
                if usage.running != running[share] or half_life != before:
                    usage = usage.moved(self.now, before, running[share])
                    if half_life is None or before is None:
                        usage = usage.blurred()
                self.usage[name, share] = usage

    def users(self, environment: str) -> frozenset[str]:
        return frozenset(
            name
            for name, queue in self.queues.items()
            if any(one.name == environment for one in queue.spec.compute_environments)
        )

    def _watch_idle(self) -> None:
        for name in self.environments:
            users = self.users(name)
            if any(self.live(user) for user in users) or self._using.get(name) != users:
                self.idle_since.pop(name, None)
                self.seen_idle.pop(name, None)
            if not any(self.live(user) for user in users):
                self.idle_since.setdefault(name, self.now)
            self._using[name] = users


def _machines(spec: ComputeEnvironmentSpec, demands: Iterable[dict[str, int]]) -> int:
    """How many machines hold so much together, resource by resource."""
    total: dict[str, int] = defaultdict(int)
    for demand in demands:
        for resource, amount in demand.items():
            total[resource] += amount
    return max((-(-total[resource] // size) for resource, size in spec.shape_amounts), default=0)


def share_of(job: Job) -> str:
    return job.share or job.project


def _seconds(stamp: str | None) -> float:
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0


def names(jobs: Iterable[Job]) -> list[str]:
    return sorted(job.uid for job in jobs)
