"""One queue: its Jobs, its limits, and which Job goes next.

The queue exists as soon as a Job names it, with or without a JobQueue object, because the two arrive through
different watches in any order. All that happens to a Job in it costs O(log n).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.engine.counts import Tally
from headgate.engine.depth import Depth
from headgate.engine.fairness import FAIRNESS
from headgate.engine.job import JobState
from headgate.engine.lanes import Lane
from headgate.engine.lifecycle import Lifecycle
from headgate.engine.order import EXECUTION_MODES
from headgate.engine.placement import Reach
from headgate.engine.runs import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headgate.api.jobqueue import JobQueue
    from headgate.engine.fairness import Fairness
    from headgate.engine.job import Job
    from headgate.engine.line import Entry
    from headgate.engine.placement import Cluster

_NOWHERE = Reach((), (), None)


class Queue:
    """What is known of one queue, and the order of what waits in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.resource: JobQueue | None = None
        """The JobQueue, None while no such object exists."""
        self.jobs: dict[str, Job] = {}
        """Live Jobs by UID."""
        self.waiting = 0
        self.active = 0
        self.active_on: dict[str, int] = {}
        """Active Jobs by cluster."""
        self.active_runs = 0
        self.runs: dict[str, Run] = {}
        self.lanes: dict[str, Lane] = {}
        self.tally = Tally()
        self.depth = Depth()
        self.lifecycle = Lifecycle()
        self.reach = _NOWHERE
        self.pool_clusters: Mapping[str, Cluster] | None = None
        """The clusters of its pool, None while the pool does not exist."""
        self.last_admitted_at: str | None = None

        self.in_flight: dict[str, Job] = {}
        """Jobs whose admission is decided and not answered yet, by UID."""
        self.outdated_in_flight = 0
        """Those among them decided under an earlier generation of the spec."""
        self.observed_generation = 0
        """The newest generation under which every decision that may still land was taken."""
        self.entry: Entry | None = None
        """Its place among the queues of its pool."""
        self.broken: str | None = None
        """Why the newest version of the object could not be read: the last good one stays in force."""
        self._open = False
        self._action_limit = 0
        self._run_limit = 0
        self._fairness: Fairness = FAIRNESS["RoundRobin"](name)
        self._key = EXECUTION_MODES["FIFO"]
        self._order = ("FIFO", "RoundRobin")

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
        joined_only = 0 < self._run_limit <= self.active_runs
        lane = self._fairness.next(joined_only=joined_only)
        return lane.first(joined_only=joined_only) if lane else None

    def settle(self, now: float) -> float | None:
        """Follow the queue's life at `now` (seconds); return when to look again, if time alone brings a change."""
        due = self.lifecycle.step(self.live, now)
        self._reopen()
        return due

    def is_foreign(self, job: Job) -> bool:
        """Whether the Job was accepted into another pool: it must never run in this one."""
        return self.resource is not None and job.pool not in (None, self.resource.spec.pool)

    def set_reach(self, reach: Reach, clusters: Mapping[str, Cluster] | None) -> None:
        """Take what the selector resolves to, among the clusters of the pool (None: there is no such pool)."""
        self.reach = reach
        self.pool_clusters = clusters
        self._reopen()

    def set_resource(self, resource: JobQueue | None, *, floor: int = 0) -> bool:
        """Take a version of the JobQueue, or None when it is gone; return whether Jobs are found to be too many.

        `floor` is used with the first version alone, see `Depth.start`. A change of the execution mode or of the
        fairness sorts the waiting Jobs anew; nothing else does.
        """
        before = self.resource
        self.resource = resource
        if resource is None:
            # Generations of another queue of that name count from 1 again: what is in flight belongs to none.
            self.observed_generation = 0
            for job in self.in_flight.values():
                job.generation = 0
            self.depth.start(0, 0, self._by_arrival())
            self.lifecycle = Lifecycle()
            self.set_reach(_NOWHERE, None)
            return False
        too_many = False
        if before is None:
            too_many = self.depth.start(resource.spec.depth, floor, self._by_arrival())
        if before is None or resource.metadata.generation != before.metadata.generation:
            self.outdated_in_flight = len(self.in_flight)
            self._observe()
        self.lifecycle.desire(resource.spec.state)
        for job in self.depth.set_limit(resource.spec.depth, int(resource.metadata.resource_version)):
            self.enlist(job)
        self._action_limit = resource.spec.action_concurrency
        self._run_limit = resource.spec.run_concurrency
        self._reopen()
        order = (resource.spec.execution_mode, resource.spec.fairness)
        if order != self._order or before is None:
            self._sort(*order)
        return too_many

    def enter(self, job: Job) -> Job | None:
        """Take in a live Job and return the one that is too many for the depth, if one is."""
        self.jobs[job.uid] = job
        excess = self.depth.arrive(job)
        self._count(job, 1)
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
        return [job for job in jobs if job.doomed is None]

    def leave(self, job: Job) -> None:
        """Let go of a Job that finished, was deleted or moved."""
        self.withdraw(job)
        self._count(job, -1)
        self._refresh(job.run_key)
        self.depth.leave(job)
        del self.jobs[job.uid]

    def change(self, job: Job, **values: object) -> None:
        """Set what counts or orders by (state, run_key, cluster, …) on a Job of this queue.

        A project whose only Job changes and goes on waiting keeps its turn.
        """
        lane = job.lane
        if lane is not None:
            lane.remove(job)
        run_key = job.run_key
        self._count(job, -1)
        for name, value in values.items():
            setattr(job, name, value)
        self._count(job, 1)
        self._refresh(job.run_key)
        if run_key != job.run_key:
            self._refresh(run_key)
        if job.canceling:
            self.depth.reject(job)
        self.enlist(job)
        if lane is not None and lane is not job.lane:
            self._left(lane)

    def anchor(self, run_key: str, uid: str) -> None:
        """Let a finished Job keep its run active for those of the run that are live."""
        run = self.runs.get(run_key)
        if run is not None:
            run.anchors.add(uid)
            self._refresh(run_key)

    def unanchor(self, run_key: str, uid: str) -> None:
        """Take note that a finished Job was deleted."""
        run = self.runs.get(run_key)
        if run is not None:
            run.anchors.discard(uid)
            self._refresh(run_key)

    def join_past(self, past: Iterable[str]) -> None:
        """Let Jobs that were first seen finished keep their runs active, where these went on without a gap.

        A live Job that has not changed since before the other one finished was there then. What was touched later
        is not known to have been: its run rather starts once more than without a place.
        """
        first: dict[str, Job] = {}
        for job in self.jobs.values():
            known = first.get(job.run_key)
            if job.run_key in self.runs and (known is None or job.resource_version < known.resource_version):
                first[job.run_key] = job
        for uid in past:
            finished = self.tally.present[uid]
            live = first.get(finished.run_key or "")
            if (
                live is not None
                and live.resource_version < finished.resource_version
                and live.created <= finished.finished_at
            ):
                self.anchor(live.run_key, uid)

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
            or self.is_foreign(job)
        ):
            return
        lane = self.lanes.get(job.project)
        if lane is None:
            lane = self.lanes[job.project] = Lane(job.project, self._key)
        lane.add(job, self.runs.get(job.run_key))
        self._fairness.changed(lane)

    def withdraw(self, job: Job) -> None:
        """Take a Job out of the line, if it stands there."""
        lane = job.lane
        if lane is None:
            return
        lane.remove(job)
        self._left(lane)

    def assume(self, job: Job, cluster: str) -> None:
        """Count a Job, which `next` returned, as admitted before the API server has said so."""
        assert job.lane is not None
        assert self.resource is not None
        lane = job.lane
        job.assumed = True
        job.write = job.resource_version
        job.generation = self.resource.metadata.generation
        self.in_flight[job.uid] = job
        self._fairness.served(lane)
        self.change(job, state=JobState.ACTIVE, cluster=cluster)

    def answered(self, job: Job) -> None:
        """Take note that no write for this Job is under way any more."""
        job.write = 0
        if self.in_flight.pop(job.uid, None) is None or self.resource is None:
            return
        if job.generation != self.resource.metadata.generation:
            self.outdated_in_flight -= 1
            self._observe()

    def _left(self, lane: Lane) -> None:
        """Take note that a Job has left a lane."""
        self._fairness.changed(lane)
        if not lane.waiting:
            del self.lanes[lane.project]

    def _count(self, job: Job, sign: int) -> None:
        """Add a live Job to the counters of its state and its run, or take it off."""
        run = self.runs.get(job.run_key)
        if job.state is JobState.ACTIVE:
            self.active += sign
            cluster = job.cluster or ""
            self.active_on[cluster] = self.active_on.get(cluster, 0) + sign
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

    def _refresh(self, run_key: str) -> None:
        """Start or end a run whose numbers changed, where that is due."""
        run = self.runs.get(run_key)
        if run is None:
            return
        is_active = run.live > 0 and bool(run.active or run.anchors)
        if is_active is not run.is_active:
            run.is_active = is_active
            self.active_runs += 1 if is_active else -1
            for lane in list(run.lanes):
                lane.run_turned(run)
                self._fairness.changed(lane)
        if not run.live:
            del self.runs[run_key]

    def _reopen(self) -> None:
        """Find out whether the queue as a whole lets Jobs through: kept, because it is asked for every decision."""
        self._open = (
            self.resource is not None
            and not self.paused
            and self.lifecycle.admits
            and bool(self.reach.open)
            and self.reach.stall is None
        )

    def _by_arrival(self) -> list[Job]:
        return sorted(self.jobs.values(), key=lambda job: (job.arrival, job.created, job.uid))

    def _observe(self) -> None:
        if self.resource is not None and not self.outdated_in_flight:
            self.observed_generation = self.resource.metadata.generation

    def _sort(self, execution_mode: str, fairness: str) -> None:
        self._order = (execution_mode, fairness)
        self._key = EXECUTION_MODES[execution_mode]
        self._fairness = FAIRNESS[fairness](self.name)
        for run in self.runs.values():
            run.lanes.clear()
        self.lanes.clear()
        for job in self.jobs.values():
            job.lane = job.entry = None
        for job in self._by_arrival():
            self.enlist(job)
