"""Who of a pool may go next, and where to: what `SlowModel` knows, seen at one moment.

Where the order is open (two queues that began to wait at the same moment, shares with figures that are too close to
call) there are two answers: who *may* go, by some reading, and who *must* go, by every reading. The engine is right if
it admits only those who may and stops only when nobody must.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from tests.unit.engine.slow_room import contradicts

if TYPE_CHECKING:
    from tests.unit.engine.slow import SlowModel
    from tests.unit.engine.slow_room import Place, Room

    from headgate.api.jobqueue import JobQueue
    from headgate.engine.decisions import Admit
    from headgate.engine.job import Job


@dataclass(frozen=True)
class Claim:
    """What a Job at the head that does not fit keeps from those behind it."""

    head: Job
    backfill: bool
    rooms: tuple[Place, ...]
    reserved: tuple[tuple[Place, float], ...]
    """The room in which it fits first, and when; more than one where that is open."""


@dataclass
class Option:
    """A Job that may be the next one, and the places to which it may go."""

    job: Job
    places: set[Place] = field(default_factory=set)
    at_head: bool = True
    """Whether it surely is the head of its queue, and does not pass another one."""


class Choice:
    """The choices of one moment."""

    def __init__(self, model: SlowModel) -> None:
        self.model = model
        self.now = model.now
        self.rooms = model.rooms()
        self.active = Counter(model.cluster_of(job) for job in model.live() if model.is_active(job))
        """Jobs by cluster, whatever their queues."""
        self.heads = cache(model.heads)
        self.claim = cache(self._claim)
        self.kept = cache(self._kept)
        self.reach = cache(self._reach)

    # ---- questions

    def check(self, decision: Admit) -> bool:
        """Check an admission; return whether the Job surely was the head of its queue."""
        job = self.model.jobs[decision.job.uid]
        queue = self.model.queues[job.queue]
        options = self.may(queue.spec.pool)
        option = next((option for option in options if option.job is job), None)
        assert option is not None, (
            f"{job.uid} is admitted, it should be one of {sorted(option.job.uid for option in options)}"
        )
        place = (decision.environment or "", decision.cluster)
        assert place in option.places, f"{job.uid} goes to {place}, it should go to one of {option.places}"
        assert decision.cluster in self.model.clusters(queue)
        if decision.environment is None:
            assert decision.node_selector is None
            assert decision.tolerations is None
        else:
            self._check_template(decision, job)
        return option.at_head

    def may(self, pool: str) -> list[Option]:
        """The Jobs of a pool that may be the next one."""
        options = []
        names = [queue.name for queue in self.model.queues.values() if queue.spec.pool == pool]
        for name in names:
            if any(self.comes_first(other, name) and self.must_go(other) for other in names):
                continue
            options += self._options(name)
        return options

    def must_go(self, name: str) -> bool:
        """Whether a Job of a queue can go, whatever is open."""
        heads = self.heads(name)
        return bool(heads) and all(
            self.allowed(head, sure=True) or (self._backfills(name) and any(self._passing(head, sure=True)))
            for head in heads
        )

    def reasons(self, head: Job) -> set[str]:
        """Why a head that does not go has to wait."""
        queue = self.model.queues[head.queue]
        matching = [
            environment
            for environment in self.model.named(queue)
            if environment.spec.state == "Enabled"
            and not contradicts(self.model.template(head), environment.spec.selector)
        ]
        if not matching:
            return {"NoMatchingEnvironment"}
        rooms = [room for room in self.rooms.values() if room.place[0] in {one.name for one in matching}]
        if any(room.holds(head.request, self.kept(queue.name)) for room in rooms):
            return {"InsufficientCapacity"}
        return {"ExceedsEnvironmentMaximum"}

    # ---- the order of queues

    def comes_first(self, name: str, other: str) -> bool:
        """Whether it surely is the turn of one queue before that of another."""
        if name == other or not self.heads(name) or not self.heads(other):
            return False
        (priority, turn), (others_priority, others_turn) = self.model.turn(name), self.model.turn(other)
        return (priority, turn.service.most) < (others_priority, others_turn.service.least)

    def claims_first(self, name: str, other: str) -> bool:
        """Whether the head of one queue surely claims room before what another one lets through."""
        if name == other or not self.heads(name) or not self.heads(other):
            return False
        (priority, turn), (others_priority, others_turn) = self.model.turn(name), self.model.turn(other)
        return (priority, turn.claim.most) < (others_priority, others_turn.claim.least)

    # ---- one queue

    def _options(self, name: str) -> list[Option]:
        """The Jobs that may be the next one of a queue, as its head or by passing its head."""
        options: dict[str, Option] = {}
        heads = self.heads(name)
        for head in heads:
            places = self._first_places(head, None)
            if places:
                options[head.uid] = Option(head, places, at_head=len(heads) == 1)
        if not self._backfills(name):
            return list(options.values())
        for head in heads:
            if self.allowed(head, sure=True):
                continue
            surely = self._passing(head, sure=True)
            for job in self._passing(head, sure=False):
                if not any(self._surely_first(other, job) for other in surely):
                    option = options.setdefault(job.uid, Option(job))
                    option.places |= self._first_places(job, head)
                    option.at_head = False
        return list(options.values())

    def _passing(self, head: Job, *, sure: bool) -> list[Job]:
        """The Jobs of a queue that can go before its head."""
        model = self.model
        return [
            job
            for job in model.open_jobs(head.queue)
            if job.uid != head.uid
            and model.leaves_a_slot(head.queue, job, head, sure=sure)
            and self.allowed(job, head, sure=sure)
        ]

    def _surely_first(self, job: Job, other: Job) -> bool:
        """Whether of two Jobs of a queue that can pass the head one surely goes first."""
        model = self.model
        lanes = model.lane_of(job), model.lane_of(other)
        if lanes[0] == lanes[1]:
            return model.in_lane(job) < model.in_lane(other)
        return model.lane_first(job.queue, *lanes)

    def _backfills(self, name: str) -> bool:
        return self.model.queues[name].spec.head_of_line == "Backfill"

    # ---- one Job

    def allowed(self, job: Job, head: Job | None = None, *, sure: bool) -> list[Place]:
        """The places a Job can go to now, ahead of its own head if one is given."""
        queue = self.model.queues[job.queue]
        if not queue.spec.compute_environments:
            # There is always room.
            return [("", cluster) for cluster in self.model.clusters(queue)]
        return [room.place for room in self.reach(job.uid) if self._can_enter(job, head, room, sure=sure)]

    def _can_enter(self, job: Job, head: Job | None, room: Room, *, sure: bool) -> bool:
        if not room.fits(job.queue, dict(job.request.total), self.kept(job.queue)):
            return False
        if head is not None and not self._lets(head, job, room, sure=sure):
            return False
        pool = self.model.queues[job.queue].spec.pool
        for other, queue in self.model.queues.items():
            if other == job.queue or queue.spec.pool != pool or not self.heads(other):
                continue
            lets = [self._lets(one, job, room, sure=sure) for one in self.heads(other)]
            if sure and not self.claims_first(job.queue, other) and not all(lets):
                return False
            if not sure and self.claims_first(other, job.queue) and not any(lets):
                return False
        return True

    def _lets(self, head: Job, job: Job, room: Room, *, sure: bool) -> bool:
        """Whether the claim of a head lets a Job behind it enter a room."""
        claim: Claim = self.claim(head.uid)
        if room.place not in claim.rooms:
            return True
        if not claim.backfill:
            return False
        lets = [self._leaves_in_time(claim, reserved, at, job, room) for reserved, at in claim.reserved]
        return all(lets) if sure else any(lets)

    def _leaves_in_time(self, claim: Claim, reserved: Place, at: float, job: Job, room: Room) -> bool:
        """EASY: it is gone when the head can start, or uses only what the head leaves."""
        if room.place != reserved:
            return True
        if job.deadline is not None and self.now + job.deadline <= at:
            return True
        beside = dict(claim.head.request.total)
        # What its queue keeps for other shares, no Job of it may take from the head either.
        kept = self.kept(job.queue) if job.queue == claim.head.queue else Fraction(0)
        return room.fits(job.queue, dict(job.request.total), kept, after=at, beside=beside)

    def _claim(self, uid: str) -> Claim:
        head = self.model.jobs[uid]
        rooms = list(self.reach(uid))
        claimed = tuple(room.place for room in rooms)
        backfill = self._backfills(head.queue)
        reserved: dict[tuple[Place, float], None] = {}
        if backfill and rooms:
            demand, kept = dict(head.request.total), self.kept(head.queue)
            times = {room.place: room.earliest(head.queue, demand, kept) for room in rooms}
            # Whose deadline is over may go at any moment: whether that is earlier or now is all the same.
            for clamped in ({place: max(at, self.now) for place, at in times.items()}, times):
                # Of those that are free at the same time the one that is closest, whatever runs there now.
                order = sorted(claimed, key=lambda place: (self._distance(head, place), claimed.index(place)))
                first = min(order, key=lambda place: clamped[place])
                reserved[first, clamped[first]] = None
        return Claim(head, backfill, claimed, tuple(reserved))

    def _first_places(self, job: Job, head: Job | None) -> set[Place]:
        """The places that may be the best for it where it can go."""
        may, must = self.allowed(job, head, sure=False), set(self.allowed(job, head, sure=True))
        environments = [place[0] for place in may]
        found = set()
        for place in sorted(
            may,
            key=lambda place: (
                self._distance(job, place),
                environments.index(place[0]),
                self._load(job, place),
                self.active[place[1]],
                place[1],
            ),
        ):
            found.add(place)
            if place in must:
                break
        return found

    def _distance(self, job: Job, place: Place) -> int:
        """How far a place is from where a Job wants to be: near where the one ran that it repeats, or far from it."""
        before = self.model.predecessor(job)
        if before is None:
            return 0
        common = sum(one == other for one, other in zip(place, before, strict=True))
        warm = self.model.queues[job.queue].spec.retry_affinity == "PreferWarmest"
        return 2 - common if warm else common

    def _load(self, job: Job, place: Place) -> Fraction:
        """What would be used of the resource of which a Job would leave the smallest part in a room."""
        room = self.rooms.get(place)
        if room is None:
            return Fraction(0)
        used = [
            Fraction(room.used(resource) + amount, room.capacity[resource])
            for resource, amount in job.request.total
            if room.capacity.get(resource)
        ]
        return max(used, default=Fraction(0))

    def _reach(self, uid: str) -> tuple[Room, ...]:
        """The rooms that match a Job and could ever hold it, in order."""
        job = self.model.jobs[uid]
        queue = self.model.queues[job.queue]
        return tuple(
            self.rooms[place]
            for place in self.model.places(queue)
            if not contradicts(self.model.template(job), self.model.environments[place[0]].spec.selector)
            and self.rooms[place].holds(job.request, self.kept(job.queue))
        )

    def _kept(self, name: str) -> Fraction:
        queue: JobQueue = self.model.queues[name]
        return self.model.kept(queue)

    def _check_template(self, decision: Admit, job: Job) -> None:
        """What the author wrote is kept; what the environment adds is added."""
        template = self.model.template(job)
        spec = self.model.environments[decision.environment or ""].spec
        own_selector, own_tolerations = template.get("nodeSelector", {}), template.get("tolerations", [])
        assert decision.node_selector == {**spec.selector, **own_selector}
        added = [toleration.to_dict() for toleration in spec.tolerations]
        assert decision.tolerations == own_tolerations + [one for one in added if one not in own_tolerations]
