"""Which Job waits for which: `headgate.dev/depends-on`, by name within a namespace.

Jobs may come in any order, also those that wait before those that are waited for. What was once seen to succeed
counts from then on, although it may be deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from headgate.engine.job import JobState
from headgate.engine.placement import Place

if TYPE_CHECKING:
    from headgate.api.job import Outcome
    from headgate.engine.job import Job

Named = tuple[str, str]
"""Namespace and name of a Job."""


class Ended(NamedTuple):
    """What is remembered of a finished Job that still exists."""

    uid: str
    outcome: Outcome
    environment: str | None
    cluster: str | None


@dataclass(slots=True)
class Standing:
    """What a Job's dependencies come to."""

    unmet: dict[str, None]
    """Names of those that have not succeeded yet."""
    failed: str | None = None
    """One that finished and did not succeed."""


class Dependencies:
    """All Jobs that name a queue, by name, and who waits for them."""

    def __init__(self) -> None:
        self._live: dict[str, dict[str, Job]] = {}
        self._ended: dict[str, dict[str, Ended]] = {}
        self._standing: dict[str, Standing] = {}
        self._dependents: dict[Named, dict[str, Job]] = {}

    def add(self, job: Job) -> list[Job]:
        """Take in a live Job, or its changed annotation; return the ring of Jobs that it closes, if it does."""
        self._live.setdefault(job.namespace, {})[job.name] = job
        self._ended.get(job.namespace, {}).pop(job.name, None)
        before = self._standing.pop(job.uid, None)
        if before is not None:
            self._ignore(job, before)
        job.depending = False
        if not job.depends_on or job.requeued:
            # What was sent back had been let through: all that it depends on had succeeded by then.
            return []
        known = self._ended.get(job.namespace, {})
        standing = self._standing[job.uid] = Standing({})
        for name in job.depends_on:
            ended = known.get(name)
            if ended is None:
                standing.unmet[name] = None
                self._dependents.setdefault((job.namespace, name), {})[job.uid] = job
            elif ended.outcome != "succeeded":
                standing.failed = standing.failed or name
        job.depending = bool(standing.unmet)
        return self.ring(job)

    def remove(self, job: Job) -> None:
        """Let go of a Job that is live no more."""
        live = self._live[job.namespace]
        if live.get(job.name) is job:
            del live[job.name]
            if not live:
                del self._live[job.namespace]
        standing = self._standing.pop(job.uid, None)
        if standing is not None:
            self._ignore(job, standing)

    def ended(self, job: Job) -> list[Job]:
        """Remember how a Job finished; return those whose standing that changes."""
        assert job.result is not None
        namespace = self._ended.setdefault(job.namespace, {})
        known = namespace.get(job.name)
        if (known is not None and known.uid == job.uid) or job.name in self._live.get(job.namespace, {}):
            return []
        namespace[job.name] = Ended(job.uid, job.result, job.environment, job.cluster)
        dependents = list(self._dependents.pop((job.namespace, job.name), {}).values())
        for dependent in dependents:
            standing = self._standing[dependent.uid]
            standing.unmet.pop(job.name, None)
            if job.result != "succeeded":
                standing.failed = standing.failed or job.name
            dependent.depending = bool(standing.unmet)
        return dependents

    def forget(self, uid: str, namespace: str, name: str) -> None:
        """Let go of a finished Job that was deleted."""
        known = self._ended.get(namespace, {})
        if name in known and known[name].uid == uid:
            del known[name]
            if not known:
                del self._ended[namespace]

    def failed(self, job: Job) -> str | None:
        """Return the name of a Job that this one depends on and that did not succeed, or None."""
        standing = self._standing.get(job.uid)
        return standing.failed if standing else None

    def waiting_for(self, job: Job) -> list[Job]:
        """Return the Jobs that depend on one of this name and have not seen it succeed."""
        return list(self._dependents.get((job.namespace, job.name), {}).values())

    def unmet(self, job: Job) -> list[str]:
        """Return the names of Jobs that this one depends on and that have not succeeded yet."""
        standing = self._standing.get(job.uid)
        return list(standing.unmet) if standing else []

    def missing(self, job: Job) -> list[str]:
        """Return the names of Jobs that this one depends on and that are not there."""
        live = self._live.get(job.namespace, {})
        return [name for name in self.unmet(job) if name not in live]

    def place_of(self, namespace: str, name: str) -> Place | None:
        """Return where a Job runs or ran, None if that is not known."""
        job = self._live.get(namespace, {}).get(name) or self._ended.get(namespace, {}).get(name)
        return Place(job.environment, job.cluster) if job is not None and job.cluster is not None else None

    def ring(self, job: Job) -> list[Job]:
        """Return the Jobs of a ring that runs through this one, which waits, in which each waits for the next.

        Only a Job that others wait for already, and that waits itself, can close one.
        """
        if not self._dependents.get((job.namespace, job.name)):
            return []
        live = self._live[job.namespace]
        reached: dict[str, Job | None] = {job.uid: None}
        stack = [job]
        while stack:
            here = stack.pop()
            standing = self._standing.get(here.uid)
            for name in standing.unmet if standing else ():
                there = live.get(name)
                if there is job:
                    ring = [here]
                    while (before := reached[ring[-1].uid]) is not None:
                        ring.append(before)
                    return ring[::-1]
                if there is not None and there.uid not in reached and there.state is JobState.WAITING:
                    reached[there.uid] = here
                    stack.append(there)
        return []

    def _ignore(self, job: Job, standing: Standing) -> None:
        for name in standing.unmet:
            dependents = self._dependents[job.namespace, name]
            del dependents[job.uid]
            if not dependents:
                del self._dependents[job.namespace, name]
