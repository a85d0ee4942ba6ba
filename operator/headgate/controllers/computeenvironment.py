"""ComputeEnvironments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.api.computeenvironment import KIND, ComputeEnvironment
from headgate.controllers.kind import Kind
from headgate.engine.environment_status import environment_status
from headgate.engine.notices import environment_notices

if TYPE_CHECKING:
    from headgate.api.computeenvironment import ComputeEnvironmentStatus
    from headgate.engine.engine import Engine


def _status(engine: Engine, name: str, now: str) -> ComputeEnvironmentStatus:
    users = sum(name in queue.names_environments for queue in engine.queues.values())
    return environment_status(engine.environments[name], users, now)


COMPUTEENVIRONMENTS: Final = Kind(
    model=ComputeEnvironment,
    plural=KIND.plural,
    records=lambda engine: engine.environments,
    changed=lambda engine, resource, now: engine.environment_changed(resource, now),
    gone=lambda engine, name, now: engine.environment_gone(name, now),
    broken=lambda engine, name, message: engine.environment_broken(name, message),
    dirty=lambda engine: engine.dirty_environments,
    status=_status,
    notices=environment_notices,
    vanished=lambda context, name: context.metrics.forget_environment(name),
)
