"""Facts about Jobs: what the watch saw of them, and what follows for their queues, their runs and other Jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headgate.engine.job import READ_FIELDS, JobState
from headgate.engine.kinship import Kinship
from headgate.engine.stuck import QUEUE_NOT_FOUND_SECONDS

if TYPE_CHECKING:
    from headgate.engine.clusters import Clusters
    from headgate.engine.hub import Hub
    from headgate.engine.job import Job
    from headgate.engine.kinship import Bond
    from headgate.engine.queue import Queue


class _Finished(NamedTuple):
    queue: str
    namespace: str
    name: str


class JobFacts:
    """Takes in what the watch of Jobs saw."""

    def __init__(self, hub: Hub, clusters: Clusters) -> None:
        self._hub = hub
        self._clusters = clusters
        self._finished: dict[str, _Finished] = {}
        """By UID, each finished Job that still exists."""
        self._kinship = Kinship(hub.jobs)
        self._past_runs: dict[str, None] = {}
        """Admitted Jobs that were first seen finished, until the list they came with has been told."""

    def seen(self, seen: Job, now: float) -> None:
        """Take in a version of a Job; one that is not newer than what is known is ignored."""
        self._hub.moment.reach(now)
        self._hub.observed_version = max(self._hub.observed_version, seen.resource_version)
        known = self._hub.jobs.get(seen.uid)
        if known is not None:
            if seen.resource_version <= known.resource_version:
                return
            if known.same_standing(seen) and not known.is_owed:
                known.resource_version = seen.resource_version
                known.started_at = seen.started_at
                return
        bond = self._kinship.bond(seen.uid)
        self._take_in(known, seen, now)
        self._relate(seen.uid, bond, now)

    def _take_in(self, known: Job | None, seen: Job, now: float) -> None:
        if seen.state is JobState.FINISHED:
            self._finish(known, seen, now)
            return
        if known is None:
            if seen.uid in self._finished:
                # Nothing unfinishes a Job: an old version of one that was counted.
                return
            seen.run_key = self._kinship.key_of(seen)
            self._hub.jobs[seen.uid] = seen
            self._kinship.add(seen)
            self._hub.dependents.take_in(seen, now)
            self._enter(seen, now)
            return
        queue = self._hub.queues[known.queue]
        queue.answered(known)
        self._hub.corrections.withdraw(known)
        values = {field: getattr(seen, field) for field in READ_FIELDS}
        known.assumed, known.sent_back, known.retry_at = False, False, 0.0
        if known.owner_uid != seen.owner_uid:
            self._kinship.remove(known)
        moved = seen.queue != known.queue
        if moved:
            queue.leave(known)
            known.doomed = None
        begins_to_wait = seen.state is JobState.WAITING and known.state is not JobState.WAITING
        if known.depends_on != seen.depends_on or (seen.depends_on and (moved or begins_to_wait)):
            known.depends_on, known.requeued = seen.depends_on, seen.requeued
            self._hub.dependents.take_in(known, now)
        if moved:
            for field, value in values.items():
                setattr(known, field, value)
            known.run_key = self._kinship.key_of(known)
            self._kinship.add(known)
            self._enter(known, now)
            self._hub.touch(queue, now)
            self._hub.forget_if_idle(queue)
            return
        queue.change(known, run_key=self._kinship.key_of(seen), **values)
        self._kinship.add(known)
        self.follow_up(queue, known, now)

    def gone(self, uid: str, resource_version: int, now: float) -> None:
        """Take note that a Job was deleted."""
        self._hub.moment.reach(now)
        self._hub.observed_version = max(self._hub.observed_version, resource_version)
        bond = self._kinship.bond(uid)
        known = self._hub.jobs.pop(uid, None)
        if known is not None:
            queue = self._hub.queues[known.queue]
            self._leave(queue, known)
            self._hub.dependents.gone(known, now)
            self._relate(uid, bond, now)
        elif uid in self._finished:
            self._past_runs.pop(uid, None)
            gone = self._finished.pop(uid)
            self._hub.dependents.index.forget(uid, gone.namespace, gone.name)
            queue = self._hub.queues[gone.queue]
            finished = queue.tally.present.pop(uid)
            if finished.run_key is not None:
                self._kinship.forget_finished(uid)
                self._relate(uid, bond, now)
                queue.unanchor(finished.run_key, uid)
        else:
            return
        self._hub.touch(queue, now)
        self._hub.forget_if_idle(queue)

    def versions_passed(self, resource_version: int) -> None:
        """Take note that all that happened to Jobs up to this version has been told."""
        self._hub.observed_version = max(self._hub.observed_version, resource_version)

    def known_uids(self) -> set[str]:
        """Return the UIDs of all Jobs that are thought to exist; a list that lacks one says it is gone."""
        return self._hub.jobs.keys() | self._finished.keys()

    def loaded(self, now: float) -> None:
        """Take note that a full list has been told: what only the whole picture can say is settled now.

        A list is told in order of creation: when a queue is over its depth, the latest are too many.
        """
        past: dict[str, list[str]] = {}
        for uid in self._past_runs:
            past.setdefault(self._finished[uid].queue, []).append(uid)
        self._past_runs.clear()
        for queue in self._hub.queues.values():
            # A list tells last of the Jobs that are gone: room that it showed too late is given out now.
            for job in queue.depth.fill():
                queue.enlist(job)
            queue.depth.settle()
            queue.join_past(past.get(queue.name, ()))
            self._hub.touch(queue, now)
        self._hub.loaded = True

    def follow_up(self, queue: Queue, job: Job, now: float) -> None:
        """Do what follows from what a Job is now."""
        if job.admitted_at and job.state is JobState.ACTIVE:
            queue.last_admitted_at = max(queue.last_admitted_at or "", job.admitted_at)
        if job.state is JobState.UNADMITTED and not job.canceling:
            self._hub.corrections.suspend(job)
        if job.managed:
            self._clusters.requeue(job)
        if job.doomed is not None:
            self._hub.doom(job, *job.doomed)
        elif self._hub.dependents.is_doomed(job):
            pass
        elif queue.lifecycle.terminating and not job.canceling:
            self._hub.confirmations.want(queue.name)
        self.tell_if_stuck(queue, job, now)
        self._hub.touch(queue, now)

    def tell_if_stuck(self, queue: Queue, job: Job, now: float) -> None:
        """Tell a person about a Job that will wait for ever, if it is one; of a missing queue a little later."""
        self._hub.stranded.look(queue, job, now)
        if self._hub.stuck.look(queue, job):
            self._hub.timers.at(now + QUEUE_NOT_FOUND_SECONDS, lambda _: self._tell_if_queue_missing(job))

    def _relate(self, uid: str, before: Bond, now: float) -> None:
        """Let the Jobs below one find their runs anew, if that one is not to them what it was before."""
        if self._kinship.bond(uid) == before:
            return
        for job in self._kinship.descendants_of(uid):
            key = self._kinship.key_of(job)
            if key != job.run_key:
                queue = self._hub.queues[job.queue]
                queue.change(job, run_key=key)
                self._hub.touch(queue, now)

    def _heed(self, job: Job, now: float) -> None:
        """Let a Job go on, or end it, after one that it depends on has finished."""
        if not self._hub.dependents.is_doomed(job):
            queue = self._hub.queues[job.queue]
            queue.enlist(job)
            self._hub.touch(queue, now)

    def _enter(self, job: Job, now: float) -> None:
        queue = self._hub.queue(job.queue)
        if queue.enter(job) is not None:
            self._hub.confirmations.want(queue.name)
        self.follow_up(queue, job, now)

    def _leave(self, queue: Queue, job: Job) -> None:
        queue.answered(job)
        queue.leave(job)
        self._hub.corrections.withdraw(job)
        self._hub.stranded.forget(job)
        self._kinship.remove(job)
        self._hub.dependents.leave(job)

    def _finish(self, known: Job | None, seen: Job, now: float) -> None:
        run_key = None
        before = self._finished.get(seen.uid)
        if seen.admitted_at is not None and before is None:
            run_key = known.run_key if known else self._kinship.key_of(seen)
            self._kinship.finished(seen.uid, run_key)
        queue = self._hub.queue(before.queue if before else seen.queue)
        if known is None and run_key is not None:
            self._past_runs[seen.uid] = None
            queue.has_finished(seen)
        self._finished[seen.uid] = _Finished(queue.name, seen.namespace, seen.name)
        queue.tally.finish(seen, run_key)
        if known is not None:
            # It may have moved before it finished, in one step if a watch was interrupted.
            left = self._hub.queues[known.queue]
            del self._hub.jobs[seen.uid]
            self._leave(left, known)
            if run_key is not None and left is queue:
                queue.anchor(run_key, seen.uid)
            self._hub.touch(left, now)
            self._hub.forget_if_idle(left)
        for dependent in self._hub.dependents.index.ended(seen):
            self._heed(dependent, now)
        self._hub.touch(queue, now)

    def _tell_if_queue_missing(self, job: Job) -> None:
        if self._hub.jobs.get(job.uid) is job and self._hub.queues[job.queue].resource is None:
            self._hub.stuck.queue_missing(job)
