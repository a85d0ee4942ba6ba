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
    from collections.abc import Mapping

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

    def add(self, job: Job) -> None:
        """Take in a live Job, or its changed annotation."""
        self._live.setdefault(job.namespace, {})[job.name] = job
        self._ended.get(job.namespace, {}).pop(job.name, None)
        before = self._standing.pop(job.uid, None)
        if before is not None:
            self._ignore(job, before)
        job.depending = False
        if not job.depends_on or job.requeued:
            # What was sent back had been let through: all that it depends on had succeeded by then.
            return
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

    def waiting_for(self, named: Named) -> Mapping[str, Job]:
        """Return by UID the Jobs that depend on one of this name and have not seen it succeed."""
        return self._dependents.get(named, {})

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

    def ahead(self, job: Job) -> list[Job]:
        """Return the waiting Jobs that this one, if it waits itself, waits for."""
        if job.state is not JobState.WAITING:
            return []
        live = self._live.get(job.namespace, {})
        there = [live[name] for name in self.unmet(job) if name in live]
        return [other for other in there if other.state is JobState.WAITING]

    def _ignore(self, job: Job, standing: Standing) -> None:
        for name in standing.unmet:
            dependents = self._dependents[job.namespace, name]
            del dependents[job.uid]
            if not dependents:
                del self._dependents[job.namespace, name]
