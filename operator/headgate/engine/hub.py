"""What the engine knows: all pools, queues and live Jobs of one hub, and what follows when one of them changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.engine.confirmations import Confirmations
from headgate.engine.corrections import Corrections
from headgate.engine.dependents import Dependents
from headgate.engine.environments import Environments
from headgate.engine.messages import shortened
from headgate.engine.moment import Moment
from headgate.engine.occupancy import Occupancy
from headgate.engine.policies import Policies
from headgate.engine.pool import Pool
from headgate.engine.queue import Queue
from headgate.engine.stranded import Stranded
from headgate.engine.stuck import StuckJobs
from headgate.engine.time_limits import TimeLimits
from headgate.engine.timers import Timers

if TYPE_CHECKING:
    from headgate.engine.job import Job


class Hub:
    """The state that the parts of the engine share."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.queues: dict[str, Queue] = {}
        self.jobs: dict[str, Job] = {}
        """Live Jobs by UID."""
        self.environments = Environments()
        self.policies = Policies()
        self.occupancy = Occupancy()
        self.moment = Moment()
        self.observed_version = 0
        """The newest resourceVersion of Jobs that has been taken in."""
        self.loaded = False
        """Whether a full list of Jobs has been told."""
        self.dirty_queues: dict[str, None] = {}
        """Queues whose status may have changed; who writes statuses empties it."""
        self.dirty_pools: dict[str, None] = {}
        self.rotation: list[Pool] = []
        """The pools, in the order in which they are asked next."""
        self.corrections = Corrections()
        self.confirmations = Confirmations()
        self.stuck = StuckJobs()
        self.timers = Timers()
        self.dependents = Dependents(self.jobs, self.stuck, self.timers, self.doom, self.spare)
        self.time_limits = TimeLimits(self.timers, self.confirmations)
        self.stranded = Stranded(self.jobs, self.queues, self.pools, self.timers, self.confirmations)

    def pool(self, name: str) -> Pool:
        """Return a pool; one that was never heard of is taken note of."""
        pool = self.pools.get(name)
        if pool is None:
            pool = self.pools[name] = Pool(
                name, self.environments, self.dependents.index, self.occupancy, self.moment
            )
            self.rotation.append(pool)
        return pool

    def queue(self, name: str) -> Queue:
        """Return a queue; one that was never heard of is taken note of."""
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = Queue(name, self.environments, self.occupancy, self.moment)
        return queue

    def touch(self, queue: Queue, now: float) -> None:
        """Follow up on any change in a queue."""
        if queue.resource is None or self.queues.get(queue.name) is not queue:
            return
        if queue.resource.spec.state != "Active":
            due = queue.settle(now)
            if due is not None:
                self.timers.at(due, lambda now: self.touch(queue, now))
        pool = self.pools[queue.resource.spec.pool]
        pool.touch(queue)
        self.dirty_queues[queue.name] = None
        self.dirty_pools[pool.name] = None

    def pool_touched(self, pool: Pool) -> None:
        """Take note that the statuses of a pool and of its queues may have changed."""
        self.dirty_pools[pool.name] = None
        for name in pool.queues:
            self.dirty_queues[name] = None

    def environment_touched(self, name: str) -> None:
        """Follow up on a change of an environment in the queues that name it."""
        self.environments.dirty[name] = None
        for queue in self.queues.values():
            if queue.resource is not None and name in queue.names_environments:
                self.pool(queue.resource.spec.pool).resolve(queue, anew=True)
                self.dirty_queues[queue.name] = None

    def forget_if_idle(self, queue: Queue) -> None:
        """Let go of a queue of which nothing is left but the name."""
        if queue.idle and self.queues.get(queue.name) is queue:
            del self.queues[queue.name]
            self.dirty_queues.pop(queue.name, None)

    def doom(self, job: Job, reason: str, message: str) -> None:
        """Have a Job cancelled as soon as nothing else is under way for it."""
        if job.canceling:
            job.doomed = None
            return
        job.doomed = (reason, shortened(message))
        queue = self.queues.get(job.queue)
        if queue is None or job.uid not in queue.jobs:
            # It is just coming in, and is seen to when it has.
            return
        queue.withdraw(job)
        if job.write or job.retry_at:
            self.corrections.withdraw(job)
        else:
            self.corrections.cancel(job)

    def spare(self, job: Job) -> None:
        """Let a Job that was to be cancelled stand in line again."""
        self.corrections.withdraw(job)
        queue = self.queues[job.queue]
        queue.enlist(job)
        self.touch(queue, self.moment.now)
