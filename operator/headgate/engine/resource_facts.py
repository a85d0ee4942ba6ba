"""Facts about resources: pools, compute environments, scheduling policies, queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.engine.past import Past

if TYPE_CHECKING:
    from headgate.api.clusterpool import ClusterPool
    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.api.jobqueue import JobQueue
    from headgate.api.meta import Resource
    from headgate.api.schedulingpolicy import SchedulingPolicy
    from headgate.engine.clusters import Clusters
    from headgate.engine.environments import ScaleReading
    from headgate.engine.hub import Hub
    from headgate.engine.job_facts import JobFacts
    from headgate.engine.pool import Pool


class ResourceFacts:
    """Takes in what the watches of the custom resources saw."""

    def __init__(self, hub: Hub, clusters: Clusters, jobs: JobFacts) -> None:
        self._hub = hub
        self._clusters = clusters
        self._jobs = jobs

    def pool_changed(self, resource: ClusterPool) -> None:
        """Take in a version of a ClusterPool; an older one than known is ignored."""
        pool = self._hub.pool(resource.metadata.name)
        known = pool.resource
        if known is not None and known.metadata.uid == resource.metadata.uid and _is_newer(known, resource):
            return
        pool.broken = None
        was_remote = pool.remote
        pool.set_resource(resource)
        self._hub.pool_touched(pool)
        if pool.remote is not was_remote:
            pool.turned_at = self._hub.moment.now
            for queue in pool.queues.values():
                for job in queue.jobs.values():
                    self._hub.stuck.look(queue, job)
            self._look_for_stranded(pool)
        self._clusters.give_up(pool)

    def pool_gone(self, name: str) -> None:
        """Take note that a ClusterPool was deleted: its queues stall until it is back."""
        pool = self._hub.pool(name)
        pool.set_resource(None)
        self._hub.pool_touched(pool)
        self._look_for_stranded(pool)
        self._clusters.give_up(pool)

    def pool_broken(self, name: str, message: str) -> None:
        """Take note that the newest version of a ClusterPool makes no sense; the last good one stays in force."""
        pool = self._hub.pool(name)
        pool.broken = message
        self._hub.pool_touched(pool)

    def environment_changed(self, resource: ComputeEnvironment, now: float) -> None:
        """Take in a version of a ComputeEnvironment; an older one than known is ignored."""
        self._hub.moment.reach(now)
        environment = self._hub.environments.known(resource.metadata.name)
        known = environment.resource
        if known is not None and not environment.broken and _same_spec(known, resource):
            if _is_newer(resource, known):
                # Somebody may have spoilt its status.
                environment.resource = resource
                self._hub.environments.dirty[environment.name] = None
            return
        if (
            known is not None
            and not _is_newer(resource, known)
            and known.metadata.uid == resource.metadata.uid
        ):
            return
        pool = self._hub.pool(resource.spec.pool)
        self._hub.environments.freed(environment.set_resource(resource, pool.clusters))
        self._hub.environment_touched(environment.name)

    def environment_gone(self, name: str, now: float) -> None:
        """Take note that a ComputeEnvironment was deleted: queues that name it stall until it is back."""
        self._hub.moment.reach(now)
        environment = self._hub.environments.known(name)
        environment.set_resource(None, None)
        self._hub.environment_touched(name)
        self._hub.environments.dirty.pop(name, None)
        self._hub.environments.forget(name)

    def environment_broken(self, name: str, message: str) -> None:
        """Take note that the newest version of a ComputeEnvironment makes no sense; the last good one stays."""
        self._hub.environments.known(name).broken = message
        self._hub.environment_touched(name)

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
        self._hub.moment.reach(now)
        environment = self._hub.environments.by_name.get(name)
        if environment is None or (reading or environment.reading, message) == (
            environment.reading,
            environment.unreadable,
        ):
            return
        self._hub.environments.freed(environment.scaled(reading, message, missing=missing))
        self._hub.environments.dirty[name] = None

    def scheduling_policy_changed(self, resource: SchedulingPolicy, now: float) -> None:
        """Take in a version of a SchedulingPolicy; an older one than known is ignored."""
        self._hub.moment.reach(now)
        known = self._hub.policies.known(resource.metadata.name).resource
        if (
            known is not None
            and known.metadata.uid == resource.metadata.uid
            and not _is_newer(resource, known)
        ):
            return
        self._set_policy(resource.metadata.name, resource)

    def scheduling_policy_gone(self, name: str, now: float) -> None:
        """Take note that a SchedulingPolicy was deleted: queues that name it stall until it is back."""
        self._hub.moment.reach(now)
        self._set_policy(name, None)
        self._hub.policies.dirty.pop(name, None)

    def scheduling_policy_broken(self, name: str, message: str) -> None:
        """Take note that the newest version of a SchedulingPolicy makes no sense; the last good one stays."""
        self._hub.policies.known(name).broken = message
        self._hub.policies.dirty[name] = None

    def queue_changed(self, resource: JobQueue, now: float) -> None:
        """Take in a version of a JobQueue; an older one than known is ignored."""
        self._hub.moment.reach(now)
        name = resource.metadata.name
        queue = self._hub.queue(name)
        known = queue.resource
        if known is not None and _is_newer(known, resource):
            return
        if known is not None and known.metadata.uid != resource.metadata.uid:
            self.queue_gone(name)
            queue, known = self._hub.queue(name), None
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
            if self._hub.loaded:
                queue.depth.settle()
        else:
            too_many = queue.set_resource(resource)
        if too_many or (queue.lifecycle.terminating and not was_terminating):
            self._hub.confirmations.want(name)
        self._hub.policies.follow(queue)
        pool = self._hub.pool(resource.spec.pool)
        pool.add(queue)
        if known is None:
            for job in queue.jobs.values():
                self._clusters.requeue(job)
                self._hub.stranded.look(queue, job, now)
                self._jobs.tell_if_stuck(queue, job, now)
        for environment in named_before ^ queue.names_environments:
            self._hub.environments.dirty[environment] = None
        self._hub.time_limits.watch(queue)
        self._hub.touch(queue, now)

    def queue_gone(self, name: str) -> None:
        """Take note that a JobQueue was deleted: what still waits in it waits for another of that name."""
        queue = self._hub.queues.get(name)
        if queue is None or queue.resource is None:
            return
        pool = self._hub.pool(queue.resource.spec.pool)
        pool.remove(queue)
        for environment in queue.names_environments:
            self._hub.environments.dirty[environment] = None
        queue.set_resource(None)
        for job in queue.jobs.values():
            self._clusters.requeue(job)
            self._hub.stranded.look(queue, job, self._hub.moment.now)
        self._hub.policies.follow(queue)
        self._hub.dirty_pools[pool.name] = None
        self._hub.dirty_queues.pop(name, None)
        self._hub.confirmations.drop(name)
        self._hub.forget_if_idle(queue)

    def queue_broken(self, name: str, message: str) -> None:
        """Take note that the newest version of a JobQueue makes no sense; the last good one stays in force."""
        self._hub.queue(name).broken = message
        self._hub.dirty_queues[name] = None

    def _look_for_stranded(self, pool: Pool) -> None:
        """Find out who waits in vain after a pool has come to have other clusters, or none."""
        for queue in pool.queues.values():
            for job in queue.jobs.values():
                self._hub.stranded.look(queue, job, self._hub.moment.now)

    def _set_policy(self, name: str, resource: SchedulingPolicy | None) -> None:
        for queue in self._hub.policies.set_resource(name, resource):
            self._hub.touch(queue, self._hub.moment.now)


def _is_newer(resource: Resource, known: Resource) -> bool:
    return int(resource.metadata.resource_version) > int(known.metadata.resource_version)


def _same_spec(one: Resource, other: Resource) -> bool:
    """Whether two versions of an object differ in nothing but their status and their metadata."""
    return (one.metadata.uid, one.metadata.generation) == (other.metadata.uid, other.metadata.generation)
