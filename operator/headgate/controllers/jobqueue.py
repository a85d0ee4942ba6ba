"""JobQueues: tell the engine what they are now."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from headgate.api.jobqueue import JobQueue
from headgate.api.meta import explain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.controllers.context import Context

logger = logging.getLogger(__name__)


def take(raw: Mapping[str, Any], context: Context, *, deleted: bool = False) -> None:
    """Take in a JobQueue's JSON. One that makes no sense is reported on itself and stops nothing else."""
    name = raw["metadata"]["name"]
    engine = context.engine
    if deleted:
        queue = engine.queues.get(name)
        if (
            queue is not None
            and queue.resource is not None
            and queue.resource.metadata.uid != raw["metadata"]["uid"]
        ):
            # It was created anew before its deletion was told.
            return
        engine.queue_gone(name)
        context.bindings.forget(name)
        context.metrics.forget(name)
    else:
        try:
            queue_now = JobQueue.parse(raw)
        except ValidationError as error:
            logger.warning("JobQueue %s makes no sense: %s", name, explain(error))
            context.metrics.unreadable.inc()
            engine.queue_broken(name, explain(error))
        else:
            engine.queue_changed(queue_now, context.clock())
            context.bindings.want(name, queue_now.metadata.uid)
    context.changed()
