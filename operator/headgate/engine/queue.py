"""One queue: its Jobs, its limits, and which Job goes next.

The queue exists as soon as a Job names it, with or without a JobQueue object, because the two arrive through
different watches in any order. All that happens to a Job in it costs O(log n).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.api.times import seconds
from headgate.engine.counts import Tally
from headgate.engine.depth import Depth
from headgate.engine.environments import NO_OPTIONS
from headgate.engine.job import JobState
from headgate.engine.lifecycle import Lifecycle
from headgate.engine.lineup import Lineup, forget_places
from headgate.engine.placement import Reach, Stall, are_remote
from headgate.engine.room import NOTHING_KEPT, Kept
from headgate.engine.runs import Run
from headgate.engine.shares import Shares
from headgate.engine.tenure import Tenure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from headgate.api.jobqueue import JobQueue
    from headgate.api.schedulingpolicy import SchedulingPolicy
    from headgate.engine.candidates import Class
    from headgate.engine.environments import Environments, Options
    from headgate.engine.head import Head
    from headgate.engine.job import Job
    from headgate.engine.line import Entry
    from headgate.engine.moment import Moment
    from headgate.engine.occupancy import Occupancy
    from headgate.engine.past import Past
    from headgate.engine.placement import Cluster
    from headgate.engine.room import Rank

_NOWHERE = Reach((), (), None)
_OF_A_ROOM: Final = ("state", "cluster", "environment", "request", "deadline", "started_at")
"""What of an active Job is counted in the room where it is."""


class Queue:
    """What is known of one queue, and the order of what waits in it."""

    def __init__(self, name: str, environments: Environments, occupancy: Occupancy, moment: Moment) -> None:
        self.name = name
        self._occupancy = occupancy
        self._environments = environments
        self._moment = moment
        self.resource: JobQueue | None = None
        """The JobQueue, None while no such object exists."""
        self.jobs: dict[str, Job] = {}
        """Live Jobs by UID."""
        self.waiting = 0
        self.active = 0
        self.active_on: dict[str, int] = {}
        """Active Jobs by cluster."""
        self.active_in: dict[str, int] = {}
        """Active Jobs by compute environment."""
        self.active_runs = 0
        self.runs: dict[str, Run] = {}
        self.tally = Tally()
        self.depth = Depth()
        self.lifecycle = Lifecycle()
        self.reach = _NOWHERE
        self.options = NO_OPTIONS
        """The rooms it may use, if it names compute environments."""
        self.shares: Shares | None = None
        """Who has used how much of it, if it has a scheduling policy."""
        self.pool_clusters: Mapping[str, Cluster] | None = None
        """The clusters of its pool, None while the pool does not exist."""
        self.remote: bool | None = None
        """Whether they are remote ones, as far as there ever were any."""
        self.last_admitted_at: str | None = None
        self.last_live = 0.0
        """When it last had a live Job, if it has none now, in seconds since the epoch."""

        self.in_flight: dict[str, Job] = {}
        """Jobs whose admission is decided and not answered yet, by UID."""
        self.outdated_in_flight = 0
        """Those among them decided under an earlier generation of the spec."""
        self.observed_generation = 0
        """The newest generation under which every decision that may still land was taken."""
        self.entry: Entry | None = None
        """Its place among the queues of its pool that are to be looked at."""
        self.rank: Rank | None = None
        """Its place in the order of its pool, while something in it may go as far as its own limits are concerned."""
        self.place: Rank = (0, 0)
        """Its turn among the queues that are to be looked at: its rank, or a later one if a Job has passed its head."""
        self.head: Head | None = None
        """The Job that goes next and does not fit."""
        self.tenure = Tenure()
        self.news = False
        """Something has changed since it was found blocked that may let one of its Jobs go."""
        self.overdue: dict[str, None] = {}
        """UIDs of Jobs that were at the head for longer than a time limit allows."""
        self.stranded: dict[str, None] = {}
        """UIDs of Jobs that have waited in vain for too long."""
        self.broken: str | None = None
        """Why the newest version of the object could not be read: the last good one stays in force."""
        self._open = False
        self._action_limit = 0
        self._run_limit = 0
        self._lineup = Lineup(name, moment, self.runs)
        self._order = ("FIFO", "RoundRobin", False)

    @property
    def live(self) -> int:
        """Jobs that wait or run."""
        return self.waiting + self.active

    @property
    def idle(self) -> bool:
        """Whether nothing at all is known of it but its name."""
        return self.resource is None and not self.jobs and not self.tally.present

    @property
    def paused(self) -> bool:
        """Whether somebody paused it."""
        return self.resource is not None and self.resource.spec.dispatch.paused

    def next(self) -> Job | None:
        """Return the Job that goes next under the limits and the order, or None."""
        if not self._open or 0 < self._action_limit <= self.active:
            return None
        job = self._first(joined_only=self.joined_only)
        return None if job is not None and job.requeued and job.stopping else job

    def _first(self, *, joined_only: bool) -> Job | None:
        returned = self._lineup.returned
        if returned.waiting and (job := returned.first(joined_only=joined_only)) is not None:
            return job
        if self.head is not None:
            # Who is at the head stays there until it goes: no turn, draw or usage takes the room it waits for.
            job = self._lineup.next_beside(self.head.job, joined_only=joined_only)
            if job is not None:
                return job
        return self._lineup.next(joined_only=joined_only)

    def file_out(self) -> Iterator[Job]:
        """Yield who is next and who is after that, whatever holds the queue back; each leaves the line for good."""
        while (job := self._first(joined_only=False)) is not None:
            assert job.lane is not None
            self._lineup.served(job.lane)
            self.withdraw(job)
            yield job

    def lane_name(self, job: Job) -> str:
        """Return in whose name a Job waits: its project's, or its share's."""
        return self._lineup.lane_name(job)

    def take_turns(self, since: Mapping[str, float]) -> None:
        """Let projects stand in the order in which they were last served, or have waited since, in seconds."""
        self._lineup.take_turns(since)

    @property
    def joined_only(self) -> bool:
        """Whether only Jobs whose run is active may go."""
        return 0 < self._run_limit <= self.active_runs

    @property
    def has_environments(self) -> bool:
        """Whether its Jobs go to compute environments."""
        return self._lineup.by_class

    @property
    def names_environments(self) -> frozenset[str]:
        """The compute environments that its spec names."""
        spec = self.resource.spec if self.resource is not None else None
        return frozenset(one.name for one in spec.compute_environments) if spec else frozenset()

    @property
    def backfills(self) -> bool:
        """Whether later Jobs may pass a head that does not fit."""
        return self.resource is not None and self.resource.spec.head_of_line == "Backfill"

    @property
    def stall(self) -> Stall | None:
        """Why it cannot let anything through until somebody changes something."""
        if self.reach.stall is not None:
            return self.reach.stall
        if self.shares is not None and self.shares.policy is None and self.resource is not None:
            name = self.resource.spec.scheduling_policy
            message = f'SchedulingPolicy "{name}" does not exist: create it, and the queue goes on by itself'
            return Stall("SchedulingPolicyNotFound", message)
        return self.options.stall

    @property
    def kept(self) -> Kept:
        """What it leaves free in each room for shares that are not active yet."""
        return self.shares.kept() if self.shares is not None else NOTHING_KEPT

    def behind(self, head: Job, most: int) -> Iterator[Job]:
        """Yield Jobs that may pass the head as far as the limits are concerned: of each class in a lane the first.

        They leave the head its place: one that would take the last under a limit does not pass. It looks at `most`
        Jobs and no more.
        """
        if 0 < self._action_limit <= self.active + 1:
            return
        runs_left = self._run_limit - self.active_runs - (0 if self.is_joined(head) else 1)
        joined_only = self._run_limit > 0 and runs_left <= 0
        looks = 0
        for kind in self._lineup.classes():
            for candidate in kind.jobs.ordered():
                looks += 1
                if looks > most:
                    return
                job = candidate.job
                if job is not head and not job.stopping and (not joined_only or self.is_joined(job)):
                    yield job
                    break

    def classes(self) -> Iterator[Class]:
        """Yield the classes of what waits, lane by lane in the order of fairness."""
        return self._lineup.classes()

    def is_joined(self, job: Job) -> bool:
        """Whether the run of a Job is active."""
        run = self.runs.get(job.run_key)
        return run is not None and run.is_active

    def room_left(self) -> int | None:
        """Return how many more Jobs the limits let go now, None for any number; a run counts as one Job."""
        if not self._open:
            return 0
        left = max(self._action_limit - self.active, 0) if self._action_limit else None
        if self._run_limit:
            runs = max(self._run_limit - self.active_runs, 0) + self._lineup.joined
            left = runs if left is None else min(left, runs)
        return left

    def settle(self, now: float) -> float | None:
        """Follow the queue's life at `now` (seconds); return when to look again, if time alone brings a change."""
        due = self.lifecycle.step(self.live, now)
        self._reopen()
        return due

    def is_stranded(self, job: Job) -> bool:
        """Whether the Job was not made for the clusters of the pool: it is a proxy there, or none, for good."""
        return self.remote is not None and job.managed is not self.remote

    def pool_of(self, job: Job) -> str:
        """Return the pool that a Job was accepted into, or else the queue's; empty where neither is known."""
        return job.pool or (self.resource.spec.pool if self.resource is not None else "")

    def is_foreign(self, job: Job) -> bool:
        """Whether the Job was accepted into another pool: it must never run in this one."""
        return self.resource is not None and job.pool not in (None, self.resource.spec.pool)

    def set_reach(self, reach: Reach, clusters: Mapping[str, Cluster] | None, options: Options) -> None:
        """Take what its selectors resolve to, among the clusters of the pool (None: there is no such pool)."""
        self.reach = reach
        self.pool_clusters = clusters
        self.options = options
        self._reopen()
        remote = are_remote(clusters)
        if remote not in (None, self.remote):
            self.remote = remote
            self._sort(*self._order)

    def set_policy(self, policy: SchedulingPolicy | None) -> None:
        """Take a version of its scheduling policy, None while that does not exist."""
        if self.shares is None or not self.shares.set_policy(policy.spec.fair_share if policy else None):
            return
        self._lineup.reweigh()
        self.news = True
        self._reopen()

    def set_resource(self, resource: JobQueue | None, *, past: Past | None = None) -> bool:
        """Take a version of the JobQueue, or None when it is gone; return whether Jobs are found to be too many.

        `past` comes with the first version alone. A change of the execution mode, of the fairness, or from or to
        compute environments sorts the waiting Jobs anew; nothing else does.
        """
        before = self.resource
        self._occupy_as(resource)
        if resource is None:
            # Generations of another queue of that name count from 1 again: what is in flight belongs to none.
            self.observed_generation = 0
            for job in self.in_flight.values():
                job.generation = 0
            self.depth.start(0, 0, self._by_arrival())
            self.lifecycle = Lifecycle()
            self.shares = None
            self.overdue.clear()
            self.stranded.clear()
            self.set_reach(_NOWHERE, None, NO_OPTIONS)
            return False
        too_many = False
        if before is None:
            floor = past.depth_floor if past else 0
            self.tenure.restore(past.head if past else None)
            too_many = self.depth.start(resource.spec.depth, floor, self._by_arrival())
        if before is None or resource.metadata.generation != before.metadata.generation:
            self.outdated_in_flight = len(self.in_flight)
            self.news = True
            self._observe()
        self.lifecycle.desire(resource.spec.state)
        for job in self.depth.set_limit(resource.spec.depth, int(resource.metadata.resource_version)):
            self.enlist(job)
        self._action_limit = resource.spec.action_concurrency
        self._run_limit = resource.spec.run_concurrency
        if resource.spec.scheduling_policy is None:
            self.shares = None
        elif self.shares is None:
            self._start_shares(past)
        self._reopen()
        fairness = resource.spec.fairness if self.shares is None else ""
        order = (resource.spec.execution_mode, fairness, bool(resource.spec.compute_environments))
        if order != self._order or before is None:
            self._sort(*order)
        return too_many

    def enter(self, job: Job) -> Job | None:
        """Take in a live Job and return the one that is too many for the depth, if one is."""
        self.jobs[job.uid] = job
        excess = self.depth.arrive(job)
        self._count(job, 1)
        if self.shares is not None:
            self._share(self.shares.enter, job)
        self._refresh(job.run_key)
        if excess is not None:
            self.withdraw(excess)
        self.enlist(job)
        return excess

    def suspects(self) -> list[Job]:
        """Return the Jobs that are to be cancelled if the queue is as it was last seen."""
        if self.lifecycle.terminating:
            jobs = [job for job in self.jobs.values() if not job.canceling and job.doomed is None]
        else:
            jobs = list(self.depth.excess.values())
            jobs += [self.jobs[uid] for uid in (*self.overdue, *self.stranded) if uid in self.jobs]
        return [job for job in jobs if job.doomed is None]

    def leave(self, job: Job) -> None:
        """Let go of a Job that finished, was deleted or moved."""
        self.withdraw(job)
        self._count(job, -1)
        self._has_ended(job)
        if self.shares is not None:
            self._share(self.shares.leave, job)
        self._refresh(job.run_key)
        self.depth.leave(job)
        self.overdue.pop(job.uid, None)
        self.stranded.pop(job.uid, None)
        self.last_live = self._moment.now
        del self.jobs[job.uid]
        self._settle_shares()

    def change(self, job: Job, **values: object) -> None:
        """Set what counts or orders by (state, run_key, cluster, …) on a Job of this queue.

        A project whose only Job changes and goes on waiting keeps its turn.
        """
        lane = self._lineup.step_out(job)
        run_key = job.run_key
        stays = job.state is JobState.ACTIVE and all(
            getattr(job, name) == values[name] for name in _OF_A_ROOM if name in values
        )
        self._count(job, -1, stays=stays)
        if values.get("state", job.state) is not job.state:
            self._has_ended(job)
        if self.shares is not None:
            self._share(self.shares.leave, job)
        for name, value in values.items():
            setattr(job, name, value)
        self._count(job, 1, stays=stays)
        if self.shares is not None:
            self._share(self.shares.join, job)
        self._refresh(job.run_key)
        if run_key != job.run_key:
            self._refresh(run_key)
        if job.canceling:
            self.depth.reject(job)
        self.enlist(job)
        if lane is not None and lane is not job.lane:
            self._lineup.left(lane)
        self._settle_shares()

    def anchor(self, run_key: str, uid: str) -> None:
        """Let a finished Job keep its run active for those of the run that are live."""
        run = self.runs.get(run_key)
        if run is not None:
            run.anchors.add(uid)
            self._refresh(run_key)

    def has_finished(self, job: Job) -> None:
        """Take note of a Job that was first seen finished: its share has used what it had."""
        if self.shares is not None:
            self.shares.remember(job)

    def unanchor(self, run_key: str, uid: str) -> None:
        """Take note that a finished Job was deleted."""
        run = self.runs.get(run_key)
        if run is not None:
            run.anchors.discard(uid)
            self._refresh(run_key)

    def join_past(self, past: Iterable[str]) -> None:
        """Let Jobs that were first seen finished keep their runs active, where these went on without a gap.

        A live Job that was created before the other one finished was there then; of those of the same second, one
        that has not changed since. That it was of the same run and queue already is assumed.
        """
        first: dict[str, tuple[int, int]] = {}
        for job in self.jobs.values():
            if job.run_key in self.runs:
                came = (job.created, job.resource_version)
                first[job.run_key] = min(came, first.get(job.run_key, came))
        for uid in past:
            finished = self.tally.present[uid]
            key, ended = finished.run_key or "", (finished.finished_at, finished.resource_version)
            if first.get(key, ended) < ended:
                self.anchor(key, uid)

    def enlist(self, job: Job) -> None:
        """Put a Job in the line if nothing about itself holds it back."""
        if (
            job.lane is not None
            or job.state is not JobState.WAITING
            or job.held
            or job.canceling
            or job.excess
            or job.write
            or job.retry_at
            or job.error is not None
            or job.doomed is not None
            or job.depending
            or self.is_foreign(job)
            or self.is_stranded(job)
            or not (self.shares is None or self.shares.takes(job))
        ):
            return
        self.news |= self._lineup.add(job) or self.is_joined(job)

    def withdraw(self, job: Job) -> None:
        """Take a Job out of the line, if it stands there."""
        lane = self._lineup.step_out(job)
        if lane is not None:
            self._lineup.left(lane)

    def assume(self, job: Job, cluster: str, environment: str | None) -> None:
        """Count a Job that stands in the line as admitted before the API server has said so."""
        assert job.lane is not None
        assert self.resource is not None
        lane = job.lane
        job.assumed = True
        job.decided_at = self._moment.now
        job.write = job.resource_version
        job.generation = self.resource.metadata.generation
        self.in_flight[job.uid] = job
        self._lineup.served(lane)
        self.change(job, state=JobState.ACTIVE, cluster=cluster, environment=environment)

    def answered(self, job: Job) -> None:
        """Take note that no write for this Job is under way any more."""
        job.write = 0
        if self.in_flight.pop(job.uid, None) is None or self.resource is None:
            return
        if job.generation != self.resource.metadata.generation:
            self.outdated_in_flight -= 1
            self._observe()

    def _has_ended(self, job: Job) -> None:
        """Take note that a Job, if it was active, is so no more: who passes the head has to leave it a place."""
        self.news |= job.state is JobState.ACTIVE and self.head is not None

    def _start_shares(self, past: Past | None) -> None:
        assert self.resource is not None
        created = seconds(self.resource.metadata.creation_timestamp)
        self.shares = Shares(self._moment, created or 0.0)
        self.shares.restore(past.shares if past else ())
        for job in self._by_arrival():
            self.shares.enter(job)

    def _settle_shares(self) -> None:
        if self.shares is not None:
            active = self.shares.active
            for job in self.shares.settle():
                self.enlist(job)
            # The fewer there are, the more is kept for others.
            self.news |= active != self.shares.active

    def _occupy_as(self, resource: JobQueue | None) -> None:
        """Take a version of the JobQueue, and count the Jobs that have no pool of their own in that of the queue."""
        before, self.resource = self.resource, resource
        if (before and before.spec.pool) == (resource and resource.spec.pool):
            return
        for job in self.jobs.values():
            if job.state is JobState.ACTIVE and job.pool is None:
                self._occupancy.count(before.spec.pool if before is not None else "", job, -1)
                self._occupancy.count(self.pool_of(job), job, 1)

    def _count(self, job: Job, sign: int, *, stays: bool = False) -> None:
        """Count a live Job in or out, by its state and in its run; in its room too, unless it stays there as it is."""
        run = self.runs.get(job.run_key)
        if job.state is JobState.ACTIVE:
            self.active += sign
            cluster = job.cluster or ""
            self.active_on[cluster] = self.active_on.get(cluster, 0) + sign
            self._occupancy.count(self.pool_of(job), job, sign)
            if job.environment is not None:
                self.active_in[job.environment] = self.active_in.get(job.environment, 0) + sign
                if not stays:
                    self._environments.count(job, sign)
            if run is None:
                run = self.runs[job.run_key] = Run(job.run_key)
            run.active += sign
        else:
            self.waiting += sign
            if run is None:
                if job.run_key == job.uid:
                    # Alone and waiting: not worth a record.
                    return
                run = self.runs[job.run_key] = Run(job.run_key)
        run.live += sign

    def _share(self, count: Callable[[Job], None], job: Job) -> None:
        """Have a Job counted in its share, and see to what follows from that."""
        assert self.shares is not None
        active = self.shares.active
        count(job)
        self.news |= active != self.shares.active
        if job.state is JobState.ACTIVE:
            self._lineup.share_changed(job)

    def _refresh(self, run_key: str) -> None:
        """Start or end a run whose numbers changed, where that is due."""
        run = self.runs.get(run_key)
        if run is None:
            return
        is_active = run.live > 0 and bool(run.active or run.anchors)
        if is_active is not run.is_active:
            run.is_active = is_active
            self.active_runs += 1 if is_active else -1
            self.news = True
            self._lineup.run_turned(run)
        if not run.live:
            del self.runs[run_key]

    def _reopen(self) -> None:
        """Find out whether the queue as a whole lets Jobs through: kept, because it is asked for every decision."""
        self._open = (
            self.resource is not None
            and not self.paused
            and self.lifecycle.admits
            and bool(self.reach.open)
            and self.stall is None
        )

    def _by_arrival(self) -> list[Job]:
        return sorted(self.jobs.values(), key=lambda job: (job.arrival, job.created, job.uid))

    def _observe(self) -> None:
        if self.resource is not None and not self.outdated_in_flight:
            self.observed_generation = self.resource.metadata.generation

    def _sort(self, execution_mode: str, fairness: str, has_environments: bool) -> None:
        self._order = (execution_mode, fairness, has_environments)
        forget_places(self.jobs.values())
        self._lineup.arrange(execution_mode, fairness, self.shares, by_class=has_environments)
        for job in self._by_arrival():
            self.enlist(job)
