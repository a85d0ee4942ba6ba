"""Which Job belongs to the run of which other: a Job that an admitted Job owns counts with its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.engine.job import JobState
from headgate.engine.runs import own_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.engine.job import Job


class Kinship:
    """Owners and the Jobs they own, over all queues."""

    def __init__(self, live: Mapping[str, Job]) -> None:
        self._live = live
        self._children: dict[str, dict[str, Job]] = {}
        self._finished: dict[str, str] = {}
        """Run key by UID of each admitted Job that finished, still exists and is not alone in its run's name."""

    def key_of(self, job: Job) -> str:
        """Return the key of the run a Job belongs to now.

        The admissions of an owner and of what it owns may land in any order: those it owns count with it only when
        its own is known to have landed.
        """
        if job.run_label is None and job.owner_uid is not None and job.owner_uid != job.uid:
            owner = self._live.get(job.owner_uid)
            if owner is not None:
                is_admitted = owner.state is JobState.ACTIVE and not owner.assumed
                return owner.run_key if is_admitted else own_key(job)
            finished = self._finished.get(job.owner_uid)
            if finished is not None:
                return finished
        return own_key(job)

    def add(self, job: Job) -> None:
        """Take in a live Job."""
        if job.owner_uid is not None:
            self._children.setdefault(job.owner_uid, {})[job.uid] = job

    def remove(self, job: Job) -> None:
        """Let go of a Job that is live no more."""
        siblings = self._children.get(job.owner_uid or "")
        if siblings is not None and siblings.pop(job.uid, None) is not None and not siblings:
            del self._children[job.owner_uid or ""]

    def finished(self, uid: str, run_key: str) -> None:
        """Remember the run of an admitted Job that finished: Jobs it owns may still come."""
        self._finished[uid] = run_key

    def forget_finished(self, uid: str) -> None:
        """Let go of a finished Job that was deleted."""
        self._finished.pop(uid, None)

    def children_of(self, uid: str) -> list[Job]:
        """Return the live Jobs that a Job owns."""
        return list(self._children.get(uid, {}).values())
