"""Facts about decisions: what became of the writes and the questions that the engine has asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.api.names import REASON_CANCELED, REASON_QUEUE_FULL, REASON_TIMED_OUT, REASON_WRONG_MANAGER
from headgate.engine.decisions import Admit, Requeue, Suspend
from headgate.engine.job import JobState

if TYPE_CHECKING:
    from headgate.api.jobqueue import JobQueue
    from headgate.engine.decisions import Correction, Write
    from headgate.engine.hub import Hub
    from headgate.engine.job import Job
    from headgate.engine.job_facts import JobFacts
    from headgate.engine.queue import Queue
    from headgate.engine.resource_facts import ResourceFacts

RETRY_SECONDS: Final = (1.0, 60.0)
"""First and longest pause before a refused write is tried again; it doubles in between."""
_MOST_DOUBLINGS: Final = 6
OUTDATED_SECONDS: Final = 5.0
"""How long at least a newer version of a Job may be on its way, after a write has met it."""


class Answers:
    """Takes in what the API server answered."""

    def __init__(self, hub: Hub, resources: ResourceFacts, jobs: JobFacts) -> None:
        self._hub = hub
        self._resources = resources
        self._jobs = jobs

    def admitted(self, decision: Admit, admitted_at: str, now: float) -> None:
        """Take note that the API server accepted an admission. The watch will show it as well."""
        queue = self._answered(decision)
        if queue is not None:
            decision.job.attempts = 0
            queue.last_admitted_at = max(queue.last_admitted_at or "", admitted_at)

    def written(self, decision: Correction, now: float) -> None:
        """Take note that a correction was accepted. The watch will show it as well, if it changed anything."""
        queue = self._answered(decision)
        if queue is None:
            return
        job = decision.job
        if isinstance(decision, Suspend) and job.assumed:
            self._turned_down(queue, job, now)
            return
        job.attempts = 0
        if isinstance(decision, Requeue):
            job.sent_back = True

    def outdated(self, decision: Write, now: float) -> None:
        """Take note that a write met a newer version of the Job, or none any more: it will not land.

        The place of an admission stays taken until the watch shows that newer version: it may be an earlier attempt of
        ours that was applied although its answer was lost. Should none come, there was another conflict than one of
        versions, which anything in the way of a write may claim: then the write is tried again, or for an admission it
        is found out whether the Job still waits.
        """
        if self._answered(decision) is not None:
            self._pause(decision.job, now, OUTDATED_SECONDS)

    def refused(self, decision: Write, why: str, now: float) -> None:
        """Take note that the API server refused a write for this Job: it alone waits before the next attempt."""
        queue = self._answered(decision)
        if queue is None:
            return
        job = decision.job
        if isinstance(decision, Admit):
            self._turned_down(queue, job, now)
        else:
            self._pause(job, now)
        self._hub.stuck.tell(job, "Refused", f"the API server refused what Headgate asked for: {why}")

    def confirmed(self, name: str, resource: JobQueue | None, now: float) -> None:
        """Take in a queue that was read anew because a decision of no return hung on it; None if it is gone."""
        suspects = self._hub.confirmations.answer(name)
        if suspects is None:
            # The watch told meanwhile that it was deleted: the answer may be older than that.
            return
        if resource is None:
            self._resources.queue_gone(name)
            return
        self._resources.queue_changed(resource, now)
        queue = self._hub.queues[name]
        for job in suspects:
            if self._hub.jobs.get(job.uid) is not job or job.queue != name:
                continue
            if queue.lifecycle.terminating:
                self._hub.doom(job, REASON_CANCELED, f'JobQueue "{name}" was terminated')
            elif job.excess:
                limit = resource.spec.depth
                message = f'JobQueue "{name}" was full when this Job came: spec.depth is {limit}'
                self._hub.doom(job, REASON_QUEUE_FULL, message)
            elif job.uid in queue.overdue:
                del queue.overdue[job.uid]
                self._time_out(queue, job, now)
            elif job.uid in queue.stranded:
                del queue.stranded[job.uid]
                self._end_stranded(queue, job, now)
        self._hub.confirmations.want(name)

    def unconfirmed(self, name: str, now: float) -> None:
        """Take note that reading a queue anew did not work out: it is asked for again a little later."""
        if self._hub.confirmations.answer(name) is not None:
            self._hub.timers.at(now + RETRY_SECONDS[0], lambda _: self._hub.confirmations.want(name))

    def _answered(self, decision: Write) -> Queue | None:
        """Close a decision; return None if a later version of the Job has closed it before."""
        job = decision.job
        if job.write != decision.resource_version:
            return None
        queue = self._hub.queues[job.queue]
        queue.answered(job)
        self._hub.dirty_queues[queue.name] = None
        return queue

    def _turned_down(self, queue: Queue, job: Job, now: float) -> None:
        """Let a Job wait again that is known not to have been admitted, for a while apart from the line."""
        self._pause(job, now)
        job.assumed = False
        queue.change(job, state=JobState.WAITING, cluster=None, environment=None)
        job.decided_at = 0.0
        if job.depends_on:
            self._hub.dependents.take_in(job, now)
        self._hub.touch(queue, now)

    def _pause(self, job: Job, now: float, least: float = 0.0) -> None:
        """Have nothing done about a Job for a while, which is longer each time, unless it changes."""
        first, longest = RETRY_SECONDS
        job.retry_at = now + max(least, min(first * 2 ** min(job.attempts, _MOST_DOUBLINGS), longest))
        job.attempts += 1
        self._hub.timers.at(job.retry_at, lambda now: self._retry(job, now))

    def _retry(self, job: Job, now: float) -> None:
        if self._hub.jobs.get(job.uid) is not job or not 0 < job.retry_at <= now:
            return
        job.retry_at = 0.0
        queue = self._hub.queues[job.queue]
        if job.assumed:
            self._hub.corrections.suspend(job)
        queue.enlist(job)
        self._jobs.follow_up(queue, job, now)

    def _end_stranded(self, queue: Queue, job: Job, now: float) -> None:
        why = self._hub.stranded.verdict(queue, job, now)
        if why is not None:
            self._hub.doom(job, REASON_WRONG_MANAGER, why)
            self._hub.touch(queue, now)

    def _time_out(self, queue: Queue, job: Job, now: float) -> None:
        why = self._hub.time_limits.verdict(queue, job, now)
        if why is not None:
            self._hub.stuck.tell(job, "TimeLimit", why)
            self._hub.doom(job, REASON_TIMED_OUT, why)
            self._hub.touch(queue, now)
