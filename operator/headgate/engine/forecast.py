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


class Step(NamedTuple):
    """A Job that is let through."""

    job: Job
    at: float
    """When, in seconds since the epoch."""
    known: bool
    """Whether what ended for it to go has a runtime that is known, and so on back to now."""


class Forecast:
    """One run forward from `now` (seconds since the epoch).

    `runtime` says how many seconds a Job is expected to run, None where nothing is known of it.
    """

    def __init__(self, engine: Engine, now: float, runtime: Callable[[Job], float | None]) -> None:
        self._engine = engine
        self._now = now
        self._runtime = runtime
        self._known = True
        self._serial = 0
        self._version = max((job.resource_version for job in engine.jobs.values()), default=0)
        self._version = max(self._version, engine.observed_version)
        self._running: list[tuple[float, int, bool, Job]] = []
        for job in sorted(engine.jobs.values(), key=lambda job: (admitted_time(job), job.uid)):
            if job.state is JobState.ACTIVE:
                self._running.append(self._end(job, job.started_at or admitted_time(job) or now))
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
            end, _, known, job = heappop(self._running)
            if self._engine.jobs.get(job.uid) is None:
                continue
            self._now = max(self._now, end)
            self._known = known
            self._finish(job, "succeeded")
            yield from self.at_once()

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
        heappush(self._running, self._end(self._engine.jobs[job.uid], self._now))
        return Step(job, self._now, self._known)

    def _finish(self, job: Job, result: Outcome) -> None:
        finished = self._version_of(
            job, state=JobState.FINISHED, result=result, finished_at=int(self._now), canceling=False
        )
        self._engine.job_seen(finished, self._now)

    def _end(self, job: Job, started: float) -> tuple[float, int, bool, Job]:
        runtime = self._runtime(job)
        self._serial += 1
        end = started + (UNKNOWN_SECONDS if runtime is None else runtime)
        return max(end, self._now), self._serial, self._known and runtime is not None, job

    def _version_of(self, job: Job, **changes: object) -> Job:
        """Return a Job as a watch would show it next."""
        self._version += 1
        values = {field: getattr(job, field) for field in READ_FIELDS}
        return Job(uid=job.uid, **{**values, "resource_version": self._version, **changes})
