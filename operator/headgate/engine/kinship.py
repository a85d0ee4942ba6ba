"""Which Job belongs to the run of which other: a Job that an admitted Job owns counts with its owner.

Owners may have owners, and a user can write any owner on any Job: what follows from one is found within a few levels,
so that no chain of them, however long, and no circle costs more than its Jobs nearby.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.engine.job import JobState
from headgate.engine.runs import own_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.engine.job import Job

MOST_LEVELS: Final = 10
"""How far above a Job the one may be with which it counts. One further down is a run of its own."""

Bond = tuple[str | bool | None, ...]


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
        here = job
        for _ in range(MOST_LEVELS + 1):
            if here.run_label is not None or here.owner_uid is None:
                return own_key(here)
            owner = self._live.get(here.owner_uid)
            if owner is None:
                return self._finished.get(here.owner_uid) or own_key(here)
            if not _is_admitted(owner):
                return own_key(here)
            here = owner
        return own_key(job)

    def bond(self, uid: str) -> Bond:
        """Return what there is of a Job on which the runs of those that it owns hang: another one changes them."""
        if uid not in self._children:
            return ()
        job = self._live.get(uid)
        if job is not None:
            return (True, job.run_label, job.owner_uid) if _is_admitted(job) else ()
        return (False, self._finished[uid]) if uid in self._finished else ()

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

    def descendants_of(self, uid: str) -> list[Job]:
        """Return the live Jobs that may count with a Job, or with one above it: what it owns, and so on down."""
        found: dict[str, Job] = {}
        owners = [uid]
        for _ in range(MOST_LEVELS + 1):
            below = [self._children[owner] for owner in owners if owner in self._children]
            if not below:
                break
            owners = [child for children in below for child in children if child not in found]
            for children in below:
                found.update(children)
        return list(found.values())


def _is_admitted(job: Job) -> bool:
    return job.state is JobState.ACTIVE and not job.assumed
