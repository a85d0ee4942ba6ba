"""ClusterPools: tell the engine what they are now."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from headgate.api.clusterpool import ClusterPool
from headgate.api.meta import explain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.controllers.context import Context

logger = logging.getLogger(__name__)


def take(raw: Mapping[str, Any], context: Context, *, deleted: bool = False) -> None:
    """Take in a ClusterPool's JSON. One that makes no sense is reported on itself and stops nothing else."""
    name = raw["metadata"]["name"]
    if deleted:
        context.engine.pool_gone(name)
    else:
        try:
            pool = ClusterPool.parse(raw)
        except ValidationError as error:
            logger.warning("ClusterPool %s makes no sense: %s", name, explain(error))
            context.metrics.unreadable.inc()
            context.engine.pool_broken(name, explain(error))
        else:
            context.engine.pool_changed(pool)
    context.changed()
