"""The scheduler of one pool: which of its queues goes next.

Queues with a Job that may go stand in one line, by priority and, among equals, by turn. Pools know nothing of
each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.engine.decisions import Admit
from headgate.engine.line import Line
from headgate.engine.placement import Cluster, choose, resolve

if TYPE_CHECKING:
    from headgate.api.clusterpool import ClusterPool
    from headgate.engine.queue import Queue


class Pool:
    """One pool, with or without its ClusterPool object: queues may come first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.resource: ClusterPool | None = None
        self.clusters: dict[str, Cluster] | None = None
        """Clusters by name, None while no ClusterPool exists."""
        self.queues: dict[str, Queue] = {}
        self.broken: str | None = None
        """Why the newest version of the object could not be read: the last good one stays in force."""
        self._ready: Line[Queue] = Line()
        self._turn = 0

    def set_resource(self, resource: ClusterPool | None) -> None:
        """Take a version of the ClusterPool, or None when it is gone; what is known of a cluster's health stays."""
        self.resource = resource
        if resource is None:
            self.clusters = None
        else:
            known = self.clusters or {}
            self.clusters = {}
            for spec in resource.spec.clusters:
                cluster = known.get(spec.name) or Cluster(spec.name)
                cluster.enabled = spec.state == "Enabled"
                self.clusters[spec.name] = cluster
        for queue in self.queues.values():
            self.resolve(queue)

    def add(self, queue: Queue) -> None:
        """Take in a queue whose spec names this pool, or its changed spec."""
        assert queue.resource is not None
        self.queues[queue.name] = queue
        if queue.entry is not None and queue.entry[0] != -queue.resource.spec.priority_value:
            # Its priority has changed: it finds its place anew. Nothing else costs it its turn.
            self._ready.discard(queue)
        self.resolve(queue)

    def remove(self, queue: Queue) -> None:
        """Let go of a queue."""
        if self.queues.pop(queue.name, None):
            self._ready.discard(queue)

    def resolve(self, queue: Queue) -> None:
        """Find out which clusters a queue reaches now."""
        assert queue.resource is not None
        reach = resolve(queue.resource.spec.clusters, self.name, self.clusters)
        queue.set_reach(reach, self.clusters)
        self.touch(queue)

    def touch(self, queue: Queue) -> None:
        """Let a queue whose numbers changed join the line or leave it; one that joins goes behind its equals."""
        if queue.next() is None:
            self._ready.discard(queue)
        elif queue.entry is None:
            assert queue.resource is not None
            self._turn += 1
            self._ready.add((-queue.resource.spec.priority_value, self._turn), queue)

    def admit(self) -> Admit | None:
        """Decide on one Job and count it as admitted; None when nothing may go."""
        queue = self._ready.first()
        if queue is None:
            return None
        job = queue.next()
        assert job is not None
        cluster = choose(queue.reach)
        queue.assume(job, cluster)
        self._ready.discard(queue)
        self.touch(queue)
        return Admit(job, job.resource_version, cluster)
