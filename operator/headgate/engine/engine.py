"""The engine: facts in, decisions out.

It is told what the watches saw and what became of its decisions, and asked what to do now. It never blocks, never
looks at a clock and keeps nothing that could not be rebuilt from a list of what the API server holds.

Facts may come in any order and more than once. Each write it asks for carries the resourceVersion at which the Job
was seen, which makes knowing simple: a later version of a Job is the truth, whatever became of the write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.engine import scaling
from headgate.engine.answers import Answers
from headgate.engine.clusters import Clusters
from headgate.engine.decisions import Scale
from headgate.engine.hub import Hub
from headgate.engine.job_facts import JobFacts
from headgate.engine.placing import NO_ROOM
from headgate.engine.resource_facts import ResourceFacts
from headgate.engine.turns import take_turns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.engine.decisions import Decision
    from headgate.engine.job import Job
    from headgate.engine.pool import Pool
    from headgate.engine.room import Room


MOST_LOOKS: Final = 10_000
"""How many Jobs of a pool are looked at in one go, room by room: some ten milliseconds. The next one goes on from
there."""


class Engine:
    """All pools, queues and live Jobs of one hub."""

    def __init__(self) -> None:
        hub = self._hub = Hub()
        self.pools = hub.pools
        self.queues = hub.queues
        self.jobs = hub.jobs
        self.environments = hub.environments.by_name
        self.policies = hub.policies.by_name
        self.occupancy = hub.occupancy
        self.dirty_queues = hub.dirty_queues
        self.dirty_pools = hub.dirty_pools
        self.dirty_environments = hub.environments.dirty
        self.dirty_policies = hub.policies.dirty

        clusters = Clusters(hub)
        self.cluster_answered = clusters.answered
        self.cluster_silent = clusters.silent
        self.cluster_held = clusters.held
        self.is_given_up = clusters.is_given_up
        self.is_abandoned = clusters.is_abandoned

        jobs = self._jobs = JobFacts(hub, clusters)
        self.job_seen = jobs.seen
        self.job_gone = jobs.gone
        self.versions_passed = jobs.versions_passed
        self.known_uids = jobs.known_uids
        self.loaded = jobs.loaded
        self.unmet = hub.dependents.index.unmet
        self.waiting_for = hub.dependents.index.waiting_for

        resources = ResourceFacts(hub, clusters, jobs)
        self.pool_changed = resources.pool_changed
        self.pool_gone = resources.pool_gone
        self.pool_broken = resources.pool_broken
        self.environment_changed = resources.environment_changed
        self.environment_gone = resources.environment_gone
        self.environment_broken = resources.environment_broken
        self.environment_scaled = resources.environment_scaled
        self.scheduling_policy_changed = resources.scheduling_policy_changed
        self.scheduling_policy_gone = resources.scheduling_policy_gone
        self.scheduling_policy_broken = resources.scheduling_policy_broken
        self.queue_changed = resources.queue_changed
        self.queue_gone = resources.queue_gone
        self.queue_broken = resources.queue_broken

        answers = Answers(hub, resources, jobs)
        self.admitted = answers.admitted
        self.written = answers.written
        self.outdated = answers.outdated
        self.refused = answers.refused
        self.confirmed = answers.confirmed
        self.unconfirmed = answers.unconfirmed

    @property
    def observed_version(self) -> int:
        """The newest resourceVersion of Jobs that has been taken in."""
        return self._hub.observed_version

    def pool_of(self, queue: str, written: str | None) -> str:
        """Return the pool of a Job: what the API server wrote on it, or else its queue's; empty if neither is known."""
        known = self.queues.get(queue)
        return written or (known.resource.spec.pool if known and known.resource else "")

    def listed(self, jobs: Iterable[Job], version: int, now: float) -> set[str]:
        """Take in a list of all Jobs, finished ones too, and its resourceVersion; return the UIDs of those gone.

        The first list also tells whose turn it is.
        """
        is_first = not self._hub.loaded
        # In order of creation, as a watch would have told of them.
        told = sorted(jobs, key=lambda job: (job.created, job.uid))
        gone = self.known_uids().difference(job.uid for job in told)
        for job in told:
            self.job_seen(job, now)
        for uid in gone:
            self.job_gone(uid, version, now)
        self.versions_passed(version)
        self.loaded(now)
        if is_first:
            take_turns(self._hub, told)
        return gone

    def decide(self, limit: int, now: float) -> list[Decision]:
        """Return what to do now, in order, with at most `limit` writes to Jobs.

        1. What time has brought about. 2. Notices. 3. Queues to read anew. 4. Jobs to suspend and to cancel.
        5. Jobs to admit, one pool after the other; where that `is_cut_short`, the next question goes on from there.
        """
        self._hub.moment.reach(now)
        self._hub.timers.run(now)
        decisions: list[Decision] = [*self._hub.stuck.take()]
        decisions.extend(self._hub.confirmations.ask(self._hub.queues))
        writes = self._hub.corrections.take(limit)
        decisions.extend(writes)
        decisions.extend(self._admissions(limit - len(writes), now))
        return decisions

    def scales(self, now: float) -> list[Scale]:
        """Return which environments are to be scaled, at `now` (seconds)."""
        self._hub.moment.reach(now)
        placing = {name: pool.placing for name, pool in self._hub.pools.items()}
        decisions = []
        for environment, wanted in scaling.plan(
            self._hub.environments.by_name, self._hub.queues.values(), placing, now
        ):
            if wanted.replicas != environment.wanted:
                environment.wanted = wanted.replicas
                self._hub.environments.dirty[environment.name] = None
            target, reading = environment.target, environment.reading
            if target is not None and reading is not None and reading.replicas != wanted.replicas:
                decisions.append(Scale(environment.name, target, *wanted))
        return decisions

    @property
    def is_cut_short(self) -> bool:
        """Whether the last decisions are not all that there are: too many Jobs would have had to be looked at."""
        return any(pool.placing.looks_left <= 0 for pool in self._hub.rotation)

    def next_wakeup(self) -> float | None:
        """Return when there is something to decide although no fact has come, or None."""
        return self._hub.moment.now if self.is_cut_short else self._hub.timers.next()

    def _admissions(self, limit: int, now: float) -> list[Decision]:
        admissions: list[Decision] = []
        idle = 0
        for pool in self._hub.rotation:
            pool.placing.looks_left = MOST_LOOKS
        while len(admissions) < limit and idle < len(self._hub.rotation):
            if self._wake():
                idle = 0
            pool = self._hub.rotation.pop(0)
            self._hub.rotation.append(pool)
            admission = pool.admit(now)
            if pool.blocked:
                self._heads_blocked(pool)
            if admission is None:
                idle += 1
                continue
            idle = 0
            admissions.append(admission)
            self._hub.dirty_queues[admission.job.queue] = None
            self._hub.dirty_pools[pool.name] = None
        return admissions

    def _wake(self) -> bool:
        """Have those who wait for a room that changed looked at again; return whether there are any."""
        environments = self._hub.environments
        freed, shifted = environments.take_freed(), environments.take_shifted()
        for room in freed:
            if (pool := self._pool_of(room)) is not None:
                pool.wake(room)
        for room in shifted:
            if (pool := self._pool_of(room)) is not None:
                pool.follow_reservations(room)
        return bool(freed or shifted)

    def _pool_of(self, room: Room) -> Pool | None:
        resource = self._hub.environments.known(room.environment).resource
        return self._hub.pool(resource.spec.pool) if resource is not None else None

    def _heads_blocked(self, pool: Pool) -> None:
        """Tell of Jobs that have come to the head of a queue and do not fit."""
        blocked, pool.blocked = pool.blocked, {}
        for queue in blocked:
            self._hub.dirty_queues[queue.name] = None
            head = queue.head
            if head is None:
                continue
            if head.reason != NO_ROOM:
                self._hub.stuck.tell(head.job, head.reason, head.message)
            self._hub.time_limits.watch(queue)
