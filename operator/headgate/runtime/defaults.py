"""The pool and the queue called `default`, made where they are missing.

The chart cannot bring them itself: it brings their CRDs, and Helm knows a kind only once it is served.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from headgate.api.clusterpool import ClusterPool
from headgate.api.jobqueue import JobQueue
from headgate.api.names import DEFAULT_NAME, GROUP, VERSION
from headgate.kube.client import ApiError
from headgate.kube.resources import path_of

if TYPE_CHECKING:
    from headgate.kube.client import Api

logger = logging.getLogger(__name__)

_SPECS: Final[dict[type[ClusterPool] | type[JobQueue], dict[str, Any]]] = {
    ClusterPool: {
        "description": "The cluster that Headgate runs in.",
        "clusters": [{"name": "local", "local": True}],
    },
    JobQueue: {
        "description": "For Jobs that need no queue of their own.",
        "runConcurrency": 0,
        "actionConcurrency": 0,
    },
}


async def create_defaults(api: Api) -> None:
    """Create what is missing; what is there, however it was changed, is left alone. Raises as `Api.call` does."""
    for model, spec in _SPECS.items():
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": model.__name__,
            "metadata": {"name": DEFAULT_NAME},
            "spec": spec,
        }
        try:
            await api.call("POST", path_of(model), body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        else:
            logger.info("created %s %s", model.__name__, DEFAULT_NAME)
