"""Where the Jobs of a queue may go, and which of them: environments, rooms, stalls, limits, shares."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tests.unit.engine.slow_room import Room, Tenant, capacities
from tests.unit.engine.slow_shares import kept
from tests.unit.engine.slow_told import Told
from tests.unit.engine.templates import TEMPLATE_OF

from headgate.engine.job import JobState

if TYPE_CHECKING:
    from tests.unit.engine.slow_room import Place

    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.api.jobqueue import JobQueue
    from headgate.api.schedulingpolicy import FairShare
    from headgate.engine.job import Job

ON_MACHINES = {"OnDemand", "Spot"}
RETURNED = "*"
"""The lane of those who were sent back from a cluster that was lost, whatever their project or share."""


class Reach(Told):
    """What the facts mean for each queue."""

    # ---- environments

    def machines(self, name: str) -> int | None:
        """How many machines an environment was last seen to have, and to keep."""
        reading = self.readings.get(name)
        return min(reading.ready, reading.replicas) if reading else None

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
        members = {member.name: member.state for member in pool.spec.clusters}
        wanted = environment.spec.clusters
        if wanted == ["*"]:
            wanted = [name for name, state in members.items() if state == "Enabled"]
        # What is scaled is the machines of one cluster.
        return members.keys() >= set(wanted) and (environment.spec.scaling is None or len(wanted) <= 1)

    def named(self, queue: JobQueue) -> list[ComputeEnvironment]:
        """The environments that a queue names and that exist, in order."""
        wanted = sorted(queue.spec.compute_environments, key=lambda one: one.order)
        return [self.environments[one.name] for one in wanted if one.name in self.environments]

    def users(self, environment: str) -> frozenset[str]:
        return frozenset(
            name
            for name, queue in self.queues.items()
            if any(one.name == environment for one in queue.spec.compute_environments)
        )

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

    def template(self, job: Job) -> dict[str, Any]:
        return TEMPLATE_OF[job.constraints]

    # ---- shares

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
        if job.requeued:
            return RETURNED
        return share_of(job) if queue is not None and queue.spec.scheduling_policy else job.project

    # ---- limits

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
            and not self.is_stranded(job)
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
        jobs = self.eligible(name)
        if not jobs or self.stalls(queue):
            return []
        active = sum(self.is_active(job) for job in self.live(name))
        if 0 < queue.spec.action_concurrency <= active:
            return []
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


def share_of(job: Job) -> str:
    return job.share or job.project
