"""Whose turn it is, from a list: projects and queues that take turns stand where those before them left them.

It stands in no object whose turn it is. But who was served last goes last, when a Job was let through is written on
it, and who begins to wait joins at the end of the round: that is enough, as long as the Jobs still exist.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from headgate.engine.job import admitted_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.engine.hub import Hub
    from headgate.engine.job import Job
    from headgate.engine.queue import Queue


def take_turns(hub: Hub, jobs: Iterable[Job]) -> None:
    """Put projects and queues in the order of their turns; the engine has just been told all of these Jobs.

    Finished ones belong to them. What is drawn (`ShuffleInterleave`) has no turns.
    """
    served: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for job in jobs:
        queue = hub.queues.get(job.queue)
        if queue is not None and job.admitted_at is not None:
            lanes = served[job.queue]
            lane = queue.lane_name(job)
            lanes[lane] = max(lanes[lane], admitted_time(job))
    since: dict[Queue, float] = {}
    for queue in hub.queues.values():
        lanes = served[queue.name]
        last = max(lanes.values(), default=0.0)
        began: dict[str, float] = {}
        for job in queue.jobs.values():
            if job.lane is not None:
                began[job.lane.name] = min(began.get(job.lane.name, job.created), job.created)
        queue.take_turns({lane: max(lanes[lane], first) for lane, first in began.items()})
        since[queue] = max(last, min(began.values(), default=0.0))
    for pool in hub.pools.values():
        pool.take_turns(since)
