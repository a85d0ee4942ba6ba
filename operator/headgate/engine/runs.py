"""Runs: Jobs that count once.

A run is the Jobs of one namespace that share `headgate.dev/run`, or a Job with the Jobs it owns; any other Job is
a run of its own. It is active from its first admission until none of its Jobs waits or runs. What has finished
but still exists keeps a run active between two of its Jobs, so that a fresh list tells the same as memory does,
but for a waiting Job that was moved into the run after another Job of it had finished.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.engine.job import Job
    from headgate.engine.lanes import Lane


@dataclass(slots=True, eq=False)
class Run:
    """A run in one queue. Exists while it has live Jobs; a lone waiting Job needs none."""

    key: str
    live: int = 0
    active: int = 0
    anchors: set[str] = field(default_factory=set)
    """UIDs of its admitted Jobs that finished while others of the run were live, and still exist."""
    lanes: dict[Lane, None] = field(default_factory=dict)
    """The lanes in which it has a group: a dict, for a repeatable order."""
    is_active: bool = False


def own_key(job: Job) -> str:
    """Key of the run that a Job forms by its own label, or alone."""
    if job.run_label is not None:
        return f"{job.namespace}/{job.run_label}"
    return job.uid
