"""The engine: facts in, decisions out.

It is told what the watches saw and what became of its decisions, and asked what to do now. It never blocks, never
looks at a clock and keeps nothing that could not be rebuilt from a list of what the API server holds.

Facts may come in any order and more than once. Each write it asks for carries the resourceVersion at which the Job
was seen, which makes knowing simple: a later version of a Job is the truth, whatever became of the write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headgate.api.names import REASON_CANCELED, REASON_QUEUE_FULL, REASON_TIMED_OUT
from headgate.engine import scaling
from headgate.engine.confirmations import Confirmations
from headgate.engine.corrections import Corrections
from headgate.engine.decisions import Admit, Scale
from headgate.engine.dependents import Dependents
from headgate.engine.environments import Environments
from headgate.engine.job import READ_FIELDS, JobState
from headgate.engine.kinship import Kinship
from headgate.engine.moment import Moment
from headgate.engine.occupancy import Occupancy
from headgate.engine.past import Past
from headgate.engine.placing import NO_ROOM
from headgate.engine.policies import Policies
from headgate.engine.pool import Pool
from headgate.engine.queue import Queue
from headgate.engine.stuck import QUEUE_NOT_FOUND_SECONDS, StuckJobs
from headgate.engine.time_limits import TimeLimits
from headgate.engine.timers import Timers

if TYPE_CHECKING:
    from headgate.api.clusterpool import ClusterPool
    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.api.jobqueue import JobQueue
    from headgate.api.meta import Resource
    from headgate.api.schedulingpolicy import SchedulingPolicy
    from headgate.engine.decisions import Correction, Decision, Write
    from headgate.engine.environments import ScaleReading
    from headgate.engine.job import Job
    from headgate.engine.placement import Cluster

RETRY_SECONDS = (1.0, 60.0)
"""First and longest pause before a refused write is tried again; it doubles in between."""


class _Finished(NamedTuple):
    queue: str
    namespace: str
    name: str


class Engine:
    """All pools, queues and live Jobs of one hub."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.queues: dict[str, Queue] = {}
        self.jobs: dict[str, Job] = {}
        """Live Jobs by UID."""
        self.observed_version = 0
        """The newest resourceVersion of Jobs that has been taken in."""
        self.dirty_queues: dict[str, None] = {}
        """Queues whose status may have changed; who writes statuses empties it."""
        self.dirty_pools: dict[str, None] = {}
        self._occupancy = self.occupancy = Occupancy()
        self._environments = Environments()
        self.environments = self._environments.by_name
        self.dirty_environments = self._environments.dirty
        self._policies = Policies()
        self.policies = self._policies.by_name
        self.dirty_policies = self._policies.dirty
        self._moment = Moment()
        self._finished: dict[str, _Finished] = {}
        """By UID, each finished Job that still exists."""
        self._kinship = Kinship(self.jobs)
        self._corrections = Corrections()
        self._confirmations = Confirmations()
        self._stuck = StuckJobs()
        self._timers = Timers()
        self._dependents = Dependents(self.jobs, self._stuck, self._timers, self._doom, self._spare)
        self._time_limits = TimeLimits(self._timers, self._confirmations)
        self._past_runs: dict[str, None] = {}
        """Admitted Jobs that were first seen finished, until the list they came with has been told."""
        self._loaded = False
        """Whether a full list of Jobs has been told."""
        self._rotation: list[Pool] = []

    # ---- facts: resources -------------------------------------------------------------------------------------

    def pool_changed(self, resource: ClusterPool) -> None:
        """Take in a version of a ClusterPool."""
        pool = self._pool(resource.metadata.name)
        pool.broken = None
        was_remote = pool.remote
        pool.set_resource(resource)
        self._pool_touched(pool)
        if pool.remote is not was_remote:
            for queue in pool.queues.values():
                for job in queue.jobs.values():
                    self._stuck.look(queue, job)
        self._give_up(pool)

    def pool_gone(self, name: str) -> None:
        """Take note that a ClusterPool was deleted: its queues stall until it is back."""
        pool = self._pool(name)
        pool.set_resource(None)
        self._pool_touched(pool)

    def pool_broken(self, name: str, message: str) -> None:
        """Take note that the newest version of a ClusterPool makes no sense; the last good one stays in force."""
        pool = self._pool(name)
        pool.broken = message
        self._pool_touched(pool)

    def cluster_answered(self, pool_name: str, name: str, version: str, now: float) -> None:
        """Take note that a cluster is well, and that no stale copy of a Job is left there."""
        self._moment.reach(now)
        pool, cluster = self._cluster(pool_name, name)
        if pool is None or cluster is None or (cluster.state, cluster.version) == ("Running", version):
            return
        was_lost = cluster.lost
        cluster.answered(version)
        pool.resolve_all()
        self._pool_touched(pool)
        for job in self._occupancy.jobs(name) if was_lost else ():
            self._requeue(job)

    def cluster_silent(self, pool_name: str, name: str, message: str, now: float) -> None:
        """Take note that a cluster does not answer, or cannot be asked; `message` says why, to a person.

        To be told again and again while it lasts: a remote cluster is lost once that has gone on for longer than
        `spec.lostAfterSeconds` of its pool.
        """
        self._moment.reach(now)
        pool, cluster = self._cluster(pool_name, name)
        if pool is None or cluster is None or pool.resource is None:
            return
        before = (cluster.state, cluster.message)
        cluster.silent(message, now, pool.resource.spec.lost_after_seconds)
        if (cluster.state, cluster.message) == before:
            return
        if cluster.state != before[0]:
            pool.resolve_all()
            self._give_up(pool)
        self._pool_touched(pool)

    def is_given_up(self, name: str) -> bool:
        """Whether a cluster is lost and its Jobs go back to their queues."""
        return any(
            pool.gives_up and cluster.lost
            for pool in self.pools.values()
            if (cluster := (pool.clusters or {}).get(name)) is not None
        )

    def environment_changed(self, resource: ComputeEnvironment, now: float) -> None:
        """Take in a version of a ComputeEnvironment; an older one than known is ignored."""
        self._moment.reach(now)
        environment = self._environments.known(resource.metadata.name)
        known = environment.resource
        if known is not None and not environment.broken and _same_spec(known, resource):
            if _is_newer(resource, known):
                # Somebody may have spoilt its status.
                environment.resource = resource
                self.dirty_environments[environment.name] = None
            return
        if (
            known is not None
            and not _is_newer(resource, known)
            and known.metadata.uid == resource.metadata.uid
        ):
            return
        pool = self._pool(resource.spec.pool)
        self._environments.freed(environment.set_resource(resource, pool.clusters))
        self._environment_touched(environment.name)

    def environment_gone(self, name: str, now: float) -> None:
        """Take note that a ComputeEnvironment was deleted: queues that name it stall until it is back."""
        self._moment.reach(now)
        environment = self._environments.known(name)
        environment.set_resource(None, None)
        self._environment_touched(name)
        self.dirty_environments.pop(name, None)
        self._environments.forget(name)

    def environment_broken(self, name: str, message: str) -> None:
        """Take note that the newest version of a ComputeEnvironment makes no sense; the last good one stays."""
        self._environments.known(name).broken = message
        self._environment_touched(name)

    def environment_scaled(
        self,
        name: str,
        reading: ScaleReading | None,
        message: str | None,
        now: float,
        *,
        missing: bool = False,
    ) -> None:
        """Take in what the scale of an environment's target says, None with the reason if it cannot be read.

        `missing`: because there is no such object. With both a reading and a reason it cannot be set.
        """
        self._moment.reach(now)
        environment = self.environments.get(name)
        if environment is None or (reading or environment.reading, message) == (
            environment.reading,
            environment.unreadable,
        ):
            return
        self._environments.freed(environment.scaled(reading, message, missing=missing))
        self.dirty_environments[name] = None

    def scheduling_policy_changed(self, resource: SchedulingPolicy, now: float) -> None:
        """Take in a version of a SchedulingPolicy; an older one than known is ignored."""
        self._moment.reach(now)
        known = self._policies.known(resource.metadata.name).resource
        if (
            known is not None
            and known.metadata.uid == resource.metadata.uid
            and not _is_newer(resource, known)
        ):
            return
        self._set_policy(resource.metadata.name, resource)

    def scheduling_policy_gone(self, name: str, now: float) -> None:
        """Take note that a SchedulingPolicy was deleted: queues that name it stall until it is back."""
        self._moment.reach(now)
        self._set_policy(name, None)
        self.dirty_policies.pop(name, None)

    def scheduling_policy_broken(self, name: str, message: str) -> None:
        """Take note that the newest version of a SchedulingPolicy makes no sense; the last good one stays."""
        self._policies.known(name).broken = message
        self.dirty_policies[name] = None

    def queue_changed(self, resource: JobQueue, now: float) -> None:
        """Take in a version of a JobQueue; an older one than known is ignored."""
        self._moment.reach(now)
        name = resource.metadata.name
        queue = self._queue(name)
        known = queue.resource
        if known is not None and int(known.metadata.resource_version) > int(
            resource.metadata.resource_version
        ):
            return
        if known is not None and known.metadata.uid != resource.metadata.uid:
            self.queue_gone(name)
            queue, known = self._queue(name), None
        queue.broken = None
        was_terminating = queue.lifecycle.terminating
        named_before = queue.names_environments
        if known is None:
            past = Past.of(resource)
            queue.tally.restore(past.totals, past.watermark)
            queue.last_admitted_at = queue.last_admitted_at or past.last_admitted_at
            queue.lifecycle.desire(resource.spec.state)
            queue.lifecycle.restore(past.state)
            too_many = queue.set_resource(resource, past=past)
            if self._loaded:
                queue.depth.settle()
            for job in queue.jobs.values():
                self._tell_if_stuck(queue, job, now)
        else:
            too_many = queue.set_resource(resource)
        if too_many or (queue.lifecycle.terminating and not was_terminating):
            self._confirmations.want(name)
        self._policies.follow(queue)
        pool = self._pool(resource.spec.pool)
        pool.add(queue)
        for environment in named_before ^ queue.names_environments:
            self.dirty_environments[environment] = None
        self._time_limits.watch(queue)
        self._touch(queue, now)

    def queue_gone(self, name: str) -> None:
        """Take note that a JobQueue was deleted: what still waits in it waits for another of that name."""
        queue = self.queues.get(name)
        if queue is None or queue.resource is None:
            return
        pool = self._pool(queue.resource.spec.pool)
        pool.remove(queue)
        for environment in queue.names_environments:
            self.dirty_environments[environment] = None
        queue.set_resource(None)
        self._policies.follow(queue)
        self.dirty_pools[pool.name] = None
        self.dirty_queues.pop(name, None)
        self._confirmations.drop(name)
        self._forget_if_idle(queue)

    def queue_broken(self, name: str, message: str) -> None:
        """Take note that the newest version of a JobQueue makes no sense; the last good one stays in force."""
        self._queue(name).broken = message
        self.dirty_queues[name] = None

    # ---- facts: Jobs ------------------------------------------------------------------------------------------

    def job_seen(self, seen: Job, now: float) -> None:
        """Take in a version of a Job; one that is not newer than what is known is ignored."""
        self._moment.reach(now)
        self.observed_version = max(self.observed_version, seen.resource_version)
        known = self.jobs.get(seen.uid)
        if known is not None and seen.resource_version <= known.resource_version:
            return
        if seen.state is JobState.FINISHED:
            self._finish(known, seen, now)
            return
        if known is None:
            if seen.uid in self._finished:
                # Nothing unfinishes a Job: an old version of one that was counted.
                return
            seen.run_key = self._kinship.key_of(seen)
            self.jobs[seen.uid] = seen
            self._kinship.add(seen)
            self._dependents.take_in(seen, now, waits=seen.state is JobState.WAITING)
            self._enter(seen, now)
            return
        if known.same_standing(seen) and not known.is_owed:
            known.resource_version = seen.resource_version
            known.started_at = seen.started_at
            return
        queue = self.queues[known.queue]
        queue.answered(known)
        self._corrections.withdraw(known)
        values = {field: getattr(seen, field) for field in READ_FIELDS}
        known.assumed, known.retry_at = False, 0.0
        if known.owner_uid != seen.owner_uid:
            self._kinship.remove(known)
        moved = seen.queue != known.queue
        if moved:
            queue.leave(known)
            known.doomed = None
        begins_to_wait = seen.state is JobState.WAITING and known.state is not JobState.WAITING
        if known.depends_on != seen.depends_on or (seen.depends_on and (moved or begins_to_wait)):
            known.depends_on = seen.depends_on
            self._dependents.take_in(known, now, waits=seen.state is JobState.WAITING)
        if moved:
            for field, value in values.items():
                setattr(known, field, value)
            known.run_key = self._kinship.key_of(known)
            self._kinship.add(known)
            self._enter(known, now)
            self._touch(queue, now)
            self._forget_if_idle(queue)
            return
        queue.change(known, run_key=self._kinship.key_of(seen), **values)
        self._kinship.add(known)
        self._follow_up(queue, known, now)

    def job_gone(self, uid: str, resource_version: int, now: float) -> None:
        """Take note that a Job was deleted."""
        self._moment.reach(now)
        self.observed_version = max(self.observed_version, resource_version)
        known = self.jobs.pop(uid, None)
        if known is not None:
            queue = self.queues[known.queue]
            self._leave(queue, known)
            self._dependents.gone(known, now)
            self._relate(uid, now)
        elif uid in self._finished:
            self._past_runs.pop(uid, None)
            gone = self._finished.pop(uid)
            self._dependents.index.forget(uid, gone.namespace, gone.name)
            queue = self.queues[gone.queue]
            finished = queue.tally.present.pop(uid)
            if finished.run_key is not None:
                self._kinship.forget_finished(uid)
                self._relate(uid, now)
                queue.unanchor(finished.run_key, uid)
        else:
            return
        self._touch(queue, now)
        self._forget_if_idle(queue)

    def versions_passed(self, resource_version: int) -> None:
        """Take note that all that happened to Jobs up to this version has been told."""
        self.observed_version = max(self.observed_version, resource_version)

    def known_uids(self) -> set[str]:
        """Return the UIDs of all Jobs that are thought to exist; a list that lacks one says it is gone."""
        return self.jobs.keys() | self._finished.keys()

    def loaded(self, now: float) -> None:
        """Take note that a full list has been told: what only the whole picture can say is settled now.

        A list is told in order of creation: when a queue is over its depth, the latest are too many.
        """
        for job in list(self.jobs.values()):
            self._relate(job.uid, now)
        past: dict[str, list[str]] = {}
        for uid in self._past_runs:
            past.setdefault(self._finished[uid].queue, []).append(uid)
        self._past_runs.clear()
        for queue in self.queues.values():
            # A list tells last of the Jobs that are gone: room that it showed too late is given out now.
            for job in queue.depth.fill():
                queue.enlist(job)
            queue.depth.settle()
            queue.join_past(past.get(queue.name, ()))
            self._touch(queue, now)
        self._loaded = True

    # ---- facts: what became of decisions ----------------------------------------------------------------------

    def admitted(self, decision: Admit, admitted_at: str, now: float) -> None:
        """Take note that the API server accepted an admission. The watch will show it as well."""
        queue = self._answered(decision)
        if queue is not None:
            decision.job.attempts = 0
            queue.last_admitted_at = max(queue.last_admitted_at or "", admitted_at)

    def written(self, decision: Correction, now: float) -> None:
        """Take note that a correction was accepted. The watch will show it as well."""
        if self._answered(decision) is not None:
            decision.job.attempts = 0

    def outdated(self, decision: Write, now: float) -> None:
        """Take note that a write met a newer version of the Job, or none any more.

        It will not land. The place of an admission stays taken until the watch shows that newer version: it may be
        an earlier attempt of ours that was applied although its answer was lost.
        """
        self._answered(decision)

    def refused(self, decision: Write, why: str, now: float) -> None:
        """Take note that the API server refused a write for this Job: it alone waits before the next attempt."""
        queue = self._answered(decision)
        if queue is None:
            return
        job = decision.job
        first, longest = RETRY_SECONDS
        job.retry_at = now + min(first * 2**job.attempts, longest)
        job.attempts += 1
        if isinstance(decision, Admit):
            job.assumed = False
            queue.change(job, state=JobState.WAITING, cluster=None, environment=None)
            job.decided_at = 0.0
            if job.depends_on:
                self._dependents.take_in(job, now, waits=True)
            self._relate(job.uid, now)
        self._stuck.tell(job, "Refused", f"the API server refused what Headgate asked for: {why}")
        self._timers.at(job.retry_at, lambda now: self._retry(job, now))
        self._touch(queue, now)

    def confirmed(self, name: str, resource: JobQueue | None, now: float) -> None:
        """Take in a queue that was read anew because a decision of no return hung on it; None if it is gone."""
        suspects = self._confirmations.answer(name)
        if suspects is None:
            # The watch told meanwhile that it was deleted: the answer may be older than that.
            return
        if resource is None:
            self.queue_gone(name)
            return
        self.queue_changed(resource, now)
        queue = self.queues[name]
        for job in suspects:
            if self.jobs.get(job.uid) is not job or job.queue != name:
                continue
            if queue.lifecycle.terminating:
                self._doom(job, REASON_CANCELED, f'JobQueue "{name}" was terminated')
            elif job.excess:
                limit = resource.spec.depth
                message = f'JobQueue "{name}" was full when this Job came: spec.depth is {limit}'
                self._doom(job, REASON_QUEUE_FULL, message)
            elif job.uid in queue.overdue:
                del queue.overdue[job.uid]
                self._time_out(queue, job, now)
        self._confirmations.want(name)

    def unconfirmed(self, name: str, now: float) -> None:
        """Take note that reading a queue anew did not work out: it is asked for again a little later."""
        if self._confirmations.answer(name) is not None:
            self._timers.at(now + RETRY_SECONDS[0], lambda _: self._confirmations.want(name))

    # ---- decisions --------------------------------------------------------------------------------------------

    def decide(self, limit: int, now: float) -> list[Decision]:
        """Return what to do now, in order, with at most `limit` writes to Jobs.

        1. What time has brought about. 2. Notices. 3. Queues to read anew. 4. Jobs to suspend and to cancel.
        5. Jobs to admit, one pool after the other.
        """
        self._moment.reach(now)
        self._timers.run(now)
        decisions: list[Decision] = [*self._stuck.take()]
        decisions.extend(self._confirmations.ask(self.queues))
        writes = self._corrections.take(limit)
        decisions.extend(writes)
        decisions.extend(self._admissions(limit - len(writes), now))
        return decisions

    def scales(self, now: float) -> list[Scale]:
        """Return which environments are to be scaled, at `now` (seconds)."""
        self._moment.reach(now)
        placing = {name: pool.placing for name, pool in self.pools.items()}
        decisions = []
        for environment, wanted in scaling.plan(self.environments, self.queues.values(), placing, now):
            if wanted.replicas != environment.wanted:
                environment.wanted = wanted.replicas
                self.dirty_environments[environment.name] = None
            target, reading = environment.target, environment.reading
            if target is not None and reading is not None and reading.replicas != wanted.replicas:
                decisions.append(Scale(environment.name, target, *wanted))
        return decisions

    def next_wakeup(self) -> float | None:
        """Return when time alone will bring something about, or None."""
        return self._timers.next()

    def _admissions(self, limit: int, now: float) -> list[Decision]:
        admissions: list[Decision] = []
        idle = 0
        while len(admissions) < limit and idle < len(self._rotation):
            if self._wake():
                idle = 0
            pool = self._rotation.pop(0)
            self._rotation.append(pool)
            admission = pool.admit(now)
            if pool.blocked:
                self._heads_blocked(pool)
            if admission is None:
                idle += 1
                continue
            idle = 0
            admissions.append(admission)
            self._relate(admission.job.uid, now)
            self.dirty_queues[admission.job.queue] = None
            self.dirty_pools[pool.name] = None
        return admissions

    def _wake(self) -> bool:
        """Have those who wait for a room that changed looked at again; return whether there are any."""
        rooms = self._environments.take_freed()
        for room in rooms:
            resource = self._environments.known(room.environment).resource
            if resource is not None:
                self._pool(resource.spec.pool).wake(room)
        return bool(rooms)

    # ---- the rooms behind -------------------------------------------------------------------------------------

    def _pool(self, name: str) -> Pool:
        pool = self.pools.get(name)
        if pool is None:
            pool = self.pools[name] = Pool(name, self._environments, self._dependents.index, self._occupancy)
            self._rotation.append(pool)
        return pool

    def _cluster(self, pool_name: str, name: str) -> tuple[Pool | None, Cluster | None]:
        pool = self.pools.get(pool_name)
        return pool, (pool.clusters or {}).get(name) if pool else None

    def _give_up(self, pool: Pool) -> None:
        """Have the Jobs of lost clusters sent back where the pool wants that, or left where it does not any more."""
        for cluster in (pool.clusters or {}).values():
            for job in self._occupancy.jobs(cluster.name) if cluster.lost else ():
                self._requeue(job)

    def _requeue(self, job: Job) -> None:
        """Have a Job whose cluster is lost sent back to its queue as soon as nothing else is under way for it."""
        job.lost = (
            job.managed
            and job.state is JobState.ACTIVE
            and not job.canceling
            and job.doomed is None
            and self.is_given_up(job.cluster or "")
        )
        if not job.lost or job.write or job.retry_at:
            self._corrections.keep(job)
        else:
            self._corrections.requeue(job)

    def _queue(self, name: str) -> Queue:
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = Queue(name, self._environments, self._occupancy, self._moment)
        return queue

    def _set_policy(self, name: str, resource: SchedulingPolicy | None) -> None:
        for queue in self._policies.set_resource(name, resource):
            self._touch(queue, self._moment.now)

    def _environment_touched(self, name: str) -> None:
        self.dirty_environments[name] = None
        for queue in self.queues.values():
            if queue.resource is not None and name in queue.names_environments:
                # Its rooms may be the same, and yet right for other Jobs.
                queue.news = True
                self._pool(queue.resource.spec.pool).resolve(queue)
                self.dirty_queues[queue.name] = None

    def _heads_blocked(self, pool: Pool) -> None:
        """Tell of Jobs that have come to the head of a queue and do not fit."""
        blocked, pool.blocked = pool.blocked, {}
        for queue in blocked:
            self.dirty_queues[queue.name] = None
            head = queue.head
            if head is None:
                continue
            if head.reason != NO_ROOM:
                self._stuck.tell(head.job, head.reason, head.message)
            self._time_limits.watch(queue)

    def _time_out(self, queue: Queue, job: Job, now: float) -> None:
        why = self._time_limits.verdict(queue, job, now)
        if why is not None:
            self._stuck.tell(job, "TimeLimit", why)
            self._doom(job, REASON_TIMED_OUT, why)
            self._touch(queue, now)

    def _heed(self, job: Job, now: float) -> None:
        """Let a Job go on, or end it, after one that it depends on has finished."""
        if not self._dependents.is_doomed(job):
            queue = self.queues[job.queue]
            queue.enlist(job)
            self._touch(queue, now)

    def _enter(self, job: Job, now: float) -> None:
        queue = self._queue(job.queue)
        if queue.enter(job) is not None:
            self._confirmations.want(queue.name)
        self._follow_up(queue, job, now)

    def _follow_up(self, queue: Queue, job: Job, now: float) -> None:
        """Do what follows from what a Job is now."""
        if job.admitted_at and job.state is JobState.ACTIVE:
            queue.last_admitted_at = max(queue.last_admitted_at or "", job.admitted_at)
        if job.state is JobState.UNADMITTED and not job.canceling:
            self._corrections.suspend(job)
        if job.managed:
            self._requeue(job)
        if job.doomed is not None:
            self._doom(job, *job.doomed)
        elif self._dependents.is_doomed(job):
            pass
        elif queue.lifecycle.terminating and not job.canceling:
            self._confirmations.want(queue.name)
        self._relate(job.uid, now)
        self._tell_if_stuck(queue, job, now)
        self._touch(queue, now)

    def _leave(self, queue: Queue, job: Job) -> None:
        queue.answered(job)
        queue.leave(job)
        self._corrections.withdraw(job)
        self._kinship.remove(job)
        self._dependents.index.remove(job)

    def _answered(self, decision: Write) -> Queue | None:
        """Close a decision; return None if a later version of the Job has closed it before."""
        job = decision.job
        if job.write != decision.resource_version:
            return None
        queue = self.queues[job.queue]
        queue.answered(job)
        self.dirty_queues[queue.name] = None
        return queue

    def _finish(self, known: Job | None, seen: Job, now: float) -> None:
        run_key = None
        if seen.admitted_at is not None:
            run_key = known.run_key if known else self._kinship.key_of(seen)
            self._kinship.finished(seen.uid, run_key)
        before = self._finished.get(seen.uid)
        queue = self._queue(before.queue if before else seen.queue)
        if known is None and run_key is not None and before is None:
            self._past_runs[seen.uid] = None
            queue.has_finished(seen)
        self._finished[seen.uid] = _Finished(queue.name, seen.namespace, seen.name)
        queue.tally.finish(seen, run_key)
        if known is not None:
            # It may have moved before it finished, in one step if a watch was interrupted.
            left = self.queues[known.queue]
            del self.jobs[seen.uid]
            self._leave(left, known)
            if run_key is not None and left is queue:
                queue.anchor(run_key, seen.uid)
            self._touch(left, now)
            self._forget_if_idle(left)
        for dependent in self._dependents.index.ended(seen):
            self._heed(dependent, now)
        self._relate(seen.uid, now)
        self._touch(queue, now)

    def _relate(self, uid: str, now: float) -> None:
        """Let the Jobs that this one owns find their run anew."""
        for child in self._kinship.children_of(uid):
            key = self._kinship.key_of(child)
            if key != child.run_key:
                queue = self.queues[child.queue]
                queue.change(child, run_key=key)
                self._touch(queue, now)
                self._relate(child.uid, now)

    def _doom(self, job: Job, reason: str, message: str) -> None:
        """Have a Job cancelled as soon as nothing else is under way for it."""
        if job.canceling:
            job.doomed = None
            return
        job.doomed = (reason, message)
        queue = self.queues.get(job.queue)
        if queue is None or job.uid not in queue.jobs:
            # It is just coming in, and is seen to when it has.
            return
        queue.withdraw(job)
        if job.write or job.retry_at:
            self._corrections.withdraw(job)
        else:
            self._corrections.cancel(job)

    def _spare(self, job: Job) -> None:
        """Let a Job that was to be cancelled stand in line again."""
        self._corrections.withdraw(job)
        queue = self.queues[job.queue]
        queue.enlist(job)
        self._touch(queue, self._moment.now)

    def _retry(self, job: Job, now: float) -> None:
        if self.jobs.get(job.uid) is not job or not 0 < job.retry_at <= now:
            return
        job.retry_at = 0.0
        queue = self.queues[job.queue]
        queue.enlist(job)
        self._follow_up(queue, job, now)

    def _tell_if_stuck(self, queue: Queue, job: Job, now: float) -> None:
        if self._stuck.look(queue, job):
            self._timers.at(now + QUEUE_NOT_FOUND_SECONDS, lambda _: self._tell_if_queue_missing(job))

    def _tell_if_queue_missing(self, job: Job) -> None:
        if self.jobs.get(job.uid) is job and self.queues[job.queue].resource is None:
            self._stuck.queue_missing(job)

    def _touch(self, queue: Queue, now: float) -> None:
        """Follow up on any change in a queue."""
        if queue.resource is None or self.queues.get(queue.name) is not queue:
            return
        if queue.resource.spec.state != "Active":
            due = queue.settle(now)
            if due is not None:
                self._timers.at(due, lambda now: self._touch(queue, now))
        pool = self.pools[queue.resource.spec.pool]
        pool.touch(queue)
        self.dirty_queues[queue.name] = None
        self.dirty_pools[pool.name] = None

    def _pool_touched(self, pool: Pool) -> None:
        self.dirty_pools[pool.name] = None
        for name in pool.queues:
            self.dirty_queues[name] = None

    def _forget_if_idle(self, queue: Queue) -> None:
        if queue.idle and self.queues.get(queue.name) is queue:
            del self.queues[queue.name]
            self.dirty_queues.pop(queue.name, None)


def _is_newer(resource: Resource, known: Resource) -> bool:
    return int(resource.metadata.resource_version) > int(known.metadata.resource_version)


def _same_spec(one: Resource, other: Resource) -> bool:
    """Whether two versions of an object differ in nothing but their status and their metadata."""
    return (one.metadata.uid, one.metadata.generation) == (other.metadata.uid, other.metadata.generation)
