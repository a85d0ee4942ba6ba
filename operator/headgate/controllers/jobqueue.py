"""JobQueues."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from headgate.api.jobqueue import KIND, JobQueue
from headgate.controllers.kind import Kind
from headgate.engine.notices import queue_notices
from headgate.engine.status import queue_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.controllers.context import Context
    from headgate.engine.engine import Engine


@contextmanager
def _writing(engine: Engine, name: str) -> Iterator[None]:
    """Take the count of finished Jobs for written down, if it does get there."""
    tally = engine.queues[name].tally
    tally.stale_watermark = False
    try:
        yield
    except BaseException:
        tally.stale_watermark = True
        raise


def _appeared(context: Context, resource: JobQueue) -> None:
    context.bindings.want(resource.metadata.name, resource.metadata.uid, resource.spec.pool)


def _vanished(context: Context, name: str) -> None:
    context.bindings.forget(name)
    context.metrics.forget(name)


JOBQUEUES: Final = Kind(
    model=JobQueue,
    plural=KIND.plural,
    records=lambda engine: engine.queues,
    changed=lambda engine, resource, now: engine.queue_changed(resource, now),
    gone=lambda engine, name, _now: engine.queue_gone(name),
    broken=lambda engine, name, message: engine.queue_broken(name, message),
    dirty=lambda engine: engine.dirty_queues,
    status=lambda engine, name, now: queue_status(engine.queues[name], engine.observed_version, now),
    notices=queue_notices,
    writing=_writing,
    appeared=_appeared,
    vanished=_vanished,
)
