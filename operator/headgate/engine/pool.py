"""The scheduler of one pool: which of its queues goes next, and where to.

Queues with a Job that may go stand in one line, by priority and, among equals, by turn. A queue whose Job finds no
room steps out of it and waits at the rooms it could use, with its place kept: when one of them gets free, it is looked
at again. So a full environment costs nothing, however many queues wait for it. Pools know nothing of each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.api.times import seconds
from headgate.engine.decisions import Admit
from headgate.engine.environments import NO_OPTIONS, options
from headgate.engine.head import Head
from headgate.engine.line import Line
from headgate.engine.placement import Cluster, are_remote, resolve
from headgate.engine.placing import NO_ROOM, Fit, Placing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.api.clusterpool import ClusterPool
    from headgate.engine.dependencies import Dependencies
    from headgate.engine.environments import Environments
    from headgate.engine.job import Job
    from headgate.engine.moment import Moment
    from headgate.engine.occupancy import Occupancy
    from headgate.engine.queue import Queue
    from headgate.engine.room import Rank, Room


class Pool:
    """One pool, with or without its ClusterPool object: queues may come first."""

    def __init__(
        self,
        name: str,
        environments: Environments,
        dependencies: Dependencies,
        occupancy: Occupancy,
        moment: Moment,
    ) -> None:
        self.name = name
        self.resource: ClusterPool | None = None
        self.clusters: dict[str, Cluster] | None = None
        """Clusters by name, None while no ClusterPool exists."""
        self.queues: dict[str, Queue] = {}
        self.broken: str | None = None
        """Why the newest version of the object could not be read: the last good one stays in force."""
        self.blocked: dict[Queue, None] = {}
        """Queues of which another Job, or the same for another reason, has been found not to fit."""
        self.turned_at = 0.0
        """When it came to have clusters, or others than before: remote ones or the local one."""
        self._environments = environments
        self._moment = moment
        self.placing = Placing(name, dependencies.place_of, occupancy)
        """Who finds rooms for its queues' Jobs."""
        self._ready: Line[Queue] = Line()
        self._turn = 0

    @property
    def remote(self) -> bool | None:
        """Whether its clusters are remote ones; None while it has none."""
        return are_remote(self.clusters)

    @property
    def gives_up(self) -> bool:
        """Whether Jobs of a cluster that is lost go back to their queues."""
        return self.resource is not None and self.resource.spec.on_cluster_lost == "Requeue"

    def lacks(self, name: str) -> bool:
        """Whether it has lost a cluster, or does not have it at all."""
        cluster = (self.clusters or {}).get(name)
        return cluster is None or cluster.lost

    def set_resource(self, resource: ClusterPool | None) -> None:
        """Take a version of the ClusterPool, or None when it is gone; what is known of a cluster's health stays."""
        self.resource = resource
        if resource is None:
            self.clusters = None
        else:
            known = self.clusters or {}
            written = {one.name: one for one in resource.status.clusters}
            self.clusters = {}
            for spec in resource.spec.clusters:
                cluster = known.get(spec.name)
                remote = spec.kubeconfig_secret_ref is not None
                if cluster is None or cluster.remote is not remote:
                    cluster = Cluster(spec.name, remote)
                    before = written.get(spec.name)
                    if before is not None:
                        cluster.version = before.version or ""
                    if remote:
                        cluster.state, cluster.message = "Pending", "it is being connected"
                        if before is not None:
                            cluster.silent_since = seconds(before.not_ready_since or "")
                cluster.enabled = spec.state == "Enabled"
                self.clusters[spec.name] = cluster
        self.resolve_all()

    def add(self, queue: Queue) -> None:
        """Take in a queue whose spec names this pool, or its changed spec."""
        assert queue.resource is not None
        self.queues[queue.name] = queue
        if queue.rank is not None and queue.rank[0] != -queue.resource.spec.priority_value:
            # Its priority has changed: it finds its place anew. Nothing else costs it its turn.
            if queue.head is not None:
                queue.tenure.keep(queue.head)
            self._stand_down(queue)
        self.resolve(queue)

    def remove(self, queue: Queue) -> None:
        """Let go of a queue."""
        if self.queues.pop(queue.name, None):
            self._stand_down(queue)

    def resolve_all(self) -> None:
        """Find out what each queue reaches now, and each environment."""
        for environment in self._environments.by_name.values():
            if environment.resource is not None and environment.resource.spec.pool == self.name:
                environment.resolve(self.clusters)
                self._environments.dirty[environment.name] = None
        for queue in self.queues.values():
            self.resolve(queue)

    def resolve(self, queue: Queue, *, anew: bool = False) -> None:
        """Find out which clusters, and which rooms in them, a queue reaches now.

        `anew`: the rooms may be right for other Jobs than before, although they are the same.
        """
        assert queue.resource is not None
        spec = queue.resource.spec
        reach = resolve(spec.clusters, self.name, self.clusters)
        rooms = options(spec, reach, self._environments.by_name) if spec.compute_environments else NO_OPTIONS
        anew = anew or (reach, rooms) != (queue.reach, queue.options)
        queue.news |= anew
        queue.set_reach(reach, self.clusters, rooms)
        if anew and queue.head is not None and queue.rank is not None:
            # Its head does not claim yet what has just appeared: it has to look before those behind it do.
            self._ready.discard(queue)
            queue.place = queue.rank
        self.touch(queue)

    def touch(self, queue: Queue) -> None:
        """Let a queue whose numbers changed join the line or leave it; one that joins goes behind its equals."""
        job = queue.next()
        if job is None:
            self._interrupt(queue)
            return
        anew = queue.head is None or not queue.head.is_for(job)
        if queue.rank is None:
            queue.rank = queue.place = self._last_rank(queue)
        elif anew and queue.place != queue.rank:
            # What its head claims now is not known yet: it has to look before those behind it do.
            self._ready.discard(queue)
            queue.place = queue.rank
        if queue.entry is None and (anew or queue.news):
            self._ready.add(queue.place, queue)

    def take_turns(self, since: Mapping[Queue, float]) -> None:
        """Let queues that have a Job to let through stand in this order among their equals: seconds since when."""
        for queue in sorted((one for one in self.queues.values() if one.rank), key=lambda one: since[one]):
            self._stand_down(queue)
            self.touch(queue)

    def wake(self, room: Room, behind: Head | None = None) -> None:
        """Look again at the queues that wait for a room in which something got free.

        Behind one that lets nobody pass there is no use in looking: it is told when that one steps out. Where only a
        head lets go of something, it is for those `behind` that, its own queue among them.
        """
        for head in room.heads(behind.rank if behind is not None else None):
            if head.queue.entry is None:
                self._ready.add(head.queue.place, head.queue)
            if room in head.rooms and not head.backfills:
                break

    def follow_reservations(self, room: Room, behind: Queue | None = None) -> None:
        """Look again at those for whom a reservation of this room lets go of something.

        A Job that enters it puts off no reservation of those ahead of its queue; of those `behind` it may.
        """
        for head in room.heads(behind.rank if behind is not None else None):
            if head.queue is not behind:
                self._follow_reservation(head)

    def admit(self, now: float) -> Admit | None:
        """Decide on one Job and count it as admitted; None when nothing may go, or enough was looked at."""
        while self.placing.looks_left > 0 and (queue := self._ready.first()) is not None:
            job = queue.next()
            if job is None:
                self._interrupt(queue)
                continue
            if not queue.has_environments:
                return self._let_through(queue, job, self.placing.cluster(queue, job), None)
            admission = self._find_room(queue, job, now)
            if admission is not None:
                return admission
        return None

    def _find_room(self, queue: Queue, job: Job, now: float) -> Admit | None:
        """Let the head of a queue through, or another of its Jobs that may pass it, or let the queue wait."""
        assert queue.rank is not None
        self.placing.looks_left -= 1
        fit = self.placing.fit(queue, job)
        room = self.placing.find(queue, job, fit, queue.rank, now)
        if room is not None:
            return self._let_through(queue, job, room.cluster, room)
        self._block(queue, job, fit, now)
        if queue.backfills:
            passing = self.placing.pass_by(queue, job, queue.rank, now)
            if passing is not None:
                admission = self._order(queue, passing[0], passing[1].cluster, passing[1])
                # It was the queue's turn, but the head keeps its rank: what passes must not put it off.
                self._ready.discard(queue)
                queue.place = self._last_rank(queue)
                queue.news = True
                self.touch(queue)
                return admission
        queue.news = False
        self._ready.discard(queue)
        return None

    def _last_rank(self, queue: Queue) -> Rank:
        """Return the rank behind all equals of a queue."""
        assert queue.resource is not None
        self._turn += 1
        return -queue.resource.spec.priority_value, self._turn

    def _let_through(self, queue: Queue, job: Job, cluster: str, room: Room | None) -> Admit:
        admission = self._order(queue, job, cluster, room)
        queue.tenure.end()
        self._stand_down(queue)
        self.touch(queue)
        return admission

    def _order(self, queue: Queue, job: Job, cluster: str, room: Room | None) -> Admit:
        version = job.resource_version
        if room is None:
            queue.assume(job, cluster, None)
            return Admit(job, version, cluster)
        resource = self._environments.known(room.environment).resource
        assert resource is not None
        selector, tolerations = job.constraints.with_environment(
            resource.spec.selector, resource.spec.tolerations_to_add
        )
        queue.assume(job, cluster, room.environment)
        self.follow_reservations(room, behind=queue)
        return Admit(job, version, cluster, room.environment, selector, tolerations)

    def _block(self, queue: Queue, job: Job, fit: Fit, now: float) -> None:
        """Have the queue wait for room for its head, in its place."""
        assert queue.rank is not None
        rank = queue.rank
        before = queue.head
        claimed = fit.rooms if fit.reason == NO_ROOM else ()
        same = before is not None and before.job is job and before.reason == fit.reason
        if before is not None and same and before.is_for(job) and before.same_claim(claimed, queue):
            before.explain = lambda: self.placing.why(queue, job, fit, rank, now)
            self._follow_reservation(before)
            return
        since = before.since if before is not None and same else queue.tenure.since(job, fit.reason, now)
        self._leave_rooms(queue)
        queue.head = Head(
            queue,
            job,
            rank,
            fit.reason,
            lambda: self.placing.why(queue, job, fit, rank, now),
            since,
            rooms=claimed,
            kept=queue.kept,
            backfills=queue.backfills,
            watched=queue.options.rooms,
            request=job.request,
            constraints=job.constraints,
        )
        queue.head.stand()
        self._follow_reservation(queue.head)
        if not same:
            self.blocked[queue] = None

    def _follow_reservation(self, head: Head) -> None:
        """Look again at those behind a head that lets go of a room, or of some time in it."""
        if not head.backfills or not head.rooms:
            return
        self.placing.looks_left -= 1
        room = head.let_go()
        if room is not None:
            self.wake(room, behind=head)

    def _interrupt(self, queue: Queue) -> None:
        """Have a queue of which nothing may go step out of everything until something may."""
        if queue.head is not None and queue.head.job.lane is not None:
            queue.tenure.stop(queue.head, self._moment.now)
        self._stand_down(queue)

    def _stand_down(self, queue: Queue) -> None:
        """Take a queue out of the line, and out of the rooms it waits at."""
        self._ready.discard(queue)
        self._leave_rooms(queue)
        queue.rank = None

    def _leave_rooms(self, queue: Queue) -> None:
        head = queue.head
        if head is None:
            return
        queue.head = None
        head.step_out()
        for room in head.rooms:
            self.wake(room)
