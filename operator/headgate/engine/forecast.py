"""What will happen if nobody changes anything: the same engine, run forward.

It answers when a Job goes and who goes before it, by letting what is decided land at once and Jobs end as they are
expected to. So it cannot say anything else than what the operator would do; what it does not know is the future: Jobs
that have not come yet, and runtimes. The engine that it is given is used up.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.api.times import precise_timestamp
from headgate.engine.decisions import Admit, Cancel
from headgate.engine.job import READ_FIELDS, Job, JobState, admitted_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headgate.api.job import Outcome
    from headgate.engine.engine import Engine

UNKNOWN_SECONDS: Final = 60.0
"""How long a Job is taken to run of which nothing is known: enough for an order, nothing to base a time on."""
BATCH: Final = 1_000


class Doubt(NamedTuple):
    """A Job whose end nobody can foresee, and somebody waits for."""

    namespace: str
    name: str
    overdue: float | None
    """For how many seconds it has run longer than expected; None where nothing is known of its runtime."""


class Step(NamedTuple):
    """A Job that is let through."""

    job: Job
    at: float
    """When, in seconds since the epoch; nothing to tell anybody where there is a doubt."""
    doubt: Doubt | None
    """Whose end it may wait for, or one before it in its queue, that nobody can foresee; None where all is known."""


class _End(NamedTuple):
    """The expected end of a running Job, in the order in which they come."""

    at: float
    serial: int
    doubt: Doubt | None
    job: Job


class Forecast:
    """One run forward from `now` (seconds since the epoch).

    `runtime` says how many seconds a Job is expected to run in all, given for how many it has run already, None where
    nothing is known of it. A Job of which that is not known, or that has run for longer, is taken to end when all those
    have that can be foreseen now: what goes before that goes whatever becomes of it.
    """

    def __init__(self, engine: Engine, now: float, runtime: Callable[[Job, float], float | None]) -> None:
        self._engine = engine
        self._now = now
        self._runtime = runtime
        self._doubt: Doubt | None = None
        self._doubts: dict[str, Doubt] = {}
        """By queue, the first end that matters to it and cannot be foreseen: whatever goes after that is in doubt."""
        self._serial = 0
        self._version = max((job.resource_version for job in engine.jobs.values()), default=0)
        self._version = max(self._version, engine.observed_version)
        self._users: dict[str, list[str]] = {}
        """Queues by the environments that they name."""
        for queue in engine.queues.values():
            for environment in queue.names_environments:
                self._users.setdefault(environment, []).append(queue.name)
        running = [
            self._end(job, job.started_at or admitted_time(job) or now)
            for job in sorted(engine.jobs.values(), key=lambda job: (admitted_time(job), job.uid))
            if job.state is JobState.ACTIVE
        ]
        self._foreseen = max((end.at for end in running if end.doubt is None), default=now)
        self._running = [
            end._replace(at=max(end.at, self._foreseen)) if end.doubt else end for end in running
        ]
        heapify(self._running)

    def at_once(self) -> list[Step]:
        """Return who goes now, before any time passes, in order."""
        steps: list[Step] = []
        while True:
            decisions = self._engine.decide(BATCH, self._now)
            before = len(steps)
            for decision in decisions:
                if isinstance(decision, Admit):
                    steps.append(self._admit(decision))
                elif isinstance(decision, Cancel):
                    self._finish(decision.job, "canceled")
            if len(steps) == before and not self._engine.is_cut_short:
                return steps

    def later(self) -> Iterator[Step]:
        """Yield who goes after that, in order, until nothing that runs can make anything go any more."""
        while self._running:
            end = heappop(self._running)
            if self._engine.jobs.get(end.job.uid) is None:
                continue
            self._now = max(self._now, end.at)
            self._doubt = end.doubt
            if end.doubt is not None:
                self._leave_in_doubt(end.job, end.doubt)
            self._finish(end.job, "succeeded")
            yield from self.at_once()

    def _leave_in_doubt(self, job: Job, doubt: Doubt) -> None:
        """Remember which queues may wait for the end of a Job: under a limit, for its room, or for itself."""
        dependents = self._engine.waiting_for((job.namespace, job.name)).values()
        names = [job.queue, *(dependent.queue for dependent in dependents)]
        names += self._users.get(job.environment or "", ())
        for name in names:
            self._doubts.setdefault(name, doubt)

    def _admit(self, decision: Admit) -> Step:
        job = decision.job
        stamp = precise_timestamp(self._now)
        self._engine.admitted(decision, stamp, self._now)
        active = self._version_of(
            job,
            state=JobState.ACTIVE,
            admitted_at=stamp,
            started_at=int(self._now),
            cluster=decision.cluster,
            environment=decision.environment,
        )
        self._engine.job_seen(active, self._now)
        doubt = self._doubts.get(job.queue, self._doubt)
        end = self._end(self._engine.jobs[job.uid], self._now, doubt)
        heappush(self._running, end._replace(at=max(end.at, self._foreseen)) if end.doubt else end)
        return Step(job, self._now, doubt)

    def _finish(self, job: Job, result: Outcome) -> None:
        finished = self._version_of(
            job, state=JobState.FINISHED, result=result, finished_at=int(self._now), canceling=False
        )
        self._engine.job_seen(finished, self._now)

    def _end(self, job: Job, started: float, doubt: Doubt | None = None) -> _End:
        """Return when a Job ends, and what is in doubt about it."""
        runtime = self._runtime(job, self._now - started)
        self._serial += 1
        end = started + (UNKNOWN_SECONDS if runtime is None else runtime)
        if doubt is None and runtime is None:
            doubt = Doubt(job.namespace, job.name, None)
        elif doubt is None and end < self._now:
            doubt = Doubt(job.namespace, job.name, self._now - end)
        return _End(max(end, self._now), self._serial, doubt, job)

    def _version_of(self, job: Job, **changes: object) -> Job:
        """Return a Job as a watch would show it next."""
        self._version += 1
        values = {field: getattr(job, field) for field in READ_FIELDS}
        return Job(uid=job.uid, **{**values, "resource_version": self._version, **changes})
