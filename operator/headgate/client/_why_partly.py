"""Why a Job waits, as far as that can be told without the right to list the Jobs of the whole cluster.

The Job says what is wrong with itself, and the status of its queue what holds all of the queue. Who goes before it, and
when it goes, is in nothing that one may see.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from headgate.api.meta import find_condition
from headgate.api.names import CONDITION_STALLED
from headgate.api.times import seconds
from headgate.client._errors import ForbiddenError, NotFoundError
from headgate.client._job_dependencies import Dependencies
from headgate.client._queues import AsyncQueues
from headgate.client._why import dated
from headgate.engine import holds as words
from headgate.engine.explain import Explanation
from headgate.kube.jobs import job_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headgate.api.jobqueue import JobQueue
    from headgate.client._connection import Connection, Json
    from headgate.client._job_info import JobInfo
    from headgate.engine.holds import Hold

ENDED = frozenset({"Drained", "Sealed", "Terminating", "Terminated"})
"""States of a queue that admits nothing."""


async def why_partly(connection: Connection, raw: Json, job: JobInfo, unseen: str) -> Explanation:
    """Explain a live Job by itself and by its queue; `unseen` is the right that is missing for more."""
    assert job.queue is not None
    told = partial(Explanation, job.namespace, job.name, job.queue, job.t_submit)
    if job.state == "run":
        return told((), None, (), None)
    unmet = await Dependencies(connection).unmet(job) if job.state == "depend" else []
    found = [*of_job(job, unmet)]
    try:
        queue = await AsyncQueues(connection).get(job.queue)
    except NotFoundError:
        found.append(words.queue_missing(job.queue))
    except ForbiddenError as error:
        unseen = f"{error.right}, {unseen}"
    else:
        found += of_queue(queue, job, alone=job_from(raw).owner_uid is None and job.run is None)
    return told(tuple(dated(found, raw)), None, (), None, unseen=unseen)


def of_job(job: JobInfo, unmet: Sequence[str]) -> Iterator[Hold]:
    """Yield what holds a Job that is its own; `unmet` are Jobs that it depends on and have not succeeded."""
    if job.error is not None:
        yield words.invalid(job.error)
    if job.state == "cleanup":
        yield words.ending()
    if job.held:
        yield words.held()
    if unmet:
        yield words.depends(unmet)


def of_queue(queue: JobQueue, job: JobInfo, *, alone: bool) -> Iterator[Hold]:
    """Yield what holds a Job that its queue's status tells; `alone`: the Job is a run of its own."""
    status = queue.status
    if status.state in ENDED:
        yield words.ended(queue, status.state)
    if queue.spec.dispatch.paused:
        yield words.paused(queue)
    stall = find_condition(status.conditions, CONDITION_STALLED)
    if stall is not None and stall.status == "True":
        yield words.stalled(queue, stall.reason, stall.message)
    if status.actions is not None and 0 < queue.spec.action_concurrency <= status.actions.active:
        yield words.action_limit(queue, status.actions.active)
    # Whether another run is active that it belongs to, nobody can tell from here.
    if alone and status.runs is not None and 0 < queue.spec.run_concurrency <= status.runs.active:
        yield words.run_limit(queue, status.runs.active)
    head = status.head
    if head is not None:
        since = seconds(head.since or "")
        if head.uid == job.uid:
            yield words.no_room(head.reason, head.message, since)
        else:
            name = f"{head.namespace}/{head.name}"
            yield words.behind_head(queue, name, head.reason, head.message, since)
