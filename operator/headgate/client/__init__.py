"""Headgate from Python, with the user's own kubeconfig and rights: `Client`, and `AsyncClient` for asyncio.

Every public name is here; modules with an underscore are not for use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from headgate.client._client import AsyncClient, UserInfo
from headgate.client._environments import AsyncEnvironments, EnvironmentEvent
from headgate.client._errors import (
    AlreadyExistsError,
    AlreadyPausedError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    HeadgateError,
    NotAuthenticatedError,
    NotFoundError,
    NotPausedError,
    RefusedError,
    ServerError,
    TimeoutError,  # noqa: A004 - as in asyncio, and it is one
    UnreachableError,
)
from headgate.client._policies import AsyncPolicies, PolicyEvent
from headgate.client._pools import AsyncPools, PoolEvent
from headgate.client._queue_fields import QueueChanges, QueueFields
from headgate.client._queue_filters import SORT_FIELDS, QueueFilters
from headgate.client._queues import AsyncQueues, QueueEvent
from headgate.client._sync import Client, Environments, Policies, Pools, Queues

if TYPE_CHECKING:
    from headgate.api.clusterpool import ClusterPool, ClusterPoolSpec, ClusterPoolStatus
    from headgate.api.computeenvironment import (
        ComputeEnvironment,
        ComputeEnvironmentSpec,
        ComputeEnvironmentStatus,
    )
    from headgate.api.jobqueue import (
        Dispatch,
        JobQueue,
        JobQueueSpec,
        QueueEnvironment,
        TimeLimitAction,
    )
    from headgate.api.jobqueue_status import JobQueueStatus
    from headgate.api.schedulingpolicy import SchedulingPolicy, SchedulingPolicySpec, SchedulingPolicyStatus

__all__ = [
    "SORT_FIELDS",
    "AlreadyExistsError",
    "AlreadyPausedError",
    "AsyncClient",
    "AsyncEnvironments",
    "AsyncPolicies",
    "AsyncPools",
    "AsyncQueues",
    "Client",
    "ClusterPool",
    "ClusterPoolSpec",
    "ClusterPoolStatus",
    "ComputeEnvironment",
    "ComputeEnvironmentSpec",
    "ComputeEnvironmentStatus",
    "ConfigurationError",
    "ConflictError",
    "Dispatch",
    "EnvironmentEvent",
    "Environments",
    "ForbiddenError",
    "HeadgateError",
    "JobQueue",
    "JobQueueSpec",
    "JobQueueStatus",
    "NotAuthenticatedError",
    "NotFoundError",
    "NotPausedError",
    "Policies",
    "PolicyEvent",
    "PoolEvent",
    "Pools",
    "QueueChanges",
    "QueueEnvironment",
    "QueueEvent",
    "QueueFields",
    "QueueFilters",
    "Queues",
    "RefusedError",
    "SchedulingPolicy",
    "SchedulingPolicySpec",
    "SchedulingPolicyStatus",
    "ServerError",
    "TimeLimitAction",
    "TimeoutError",
    "UnreachableError",
    "UserInfo",
]

_MODELS: Final = {
    "ClusterPool": "clusterpool",
    "ClusterPoolSpec": "clusterpool",
    "ClusterPoolStatus": "clusterpool",
    "ComputeEnvironment": "computeenvironment",
    "ComputeEnvironmentSpec": "computeenvironment",
    "ComputeEnvironmentStatus": "computeenvironment",
    "Dispatch": "jobqueue",
    "JobQueue": "jobqueue",
    "JobQueueSpec": "jobqueue",
    "JobQueueStatus": "jobqueue_status",
    "QueueEnvironment": "jobqueue",
    "SchedulingPolicy": "schedulingpolicy",
    "SchedulingPolicySpec": "schedulingpolicy",
    "SchedulingPolicyStatus": "schedulingpolicy",
    "TimeLimitAction": "jobqueue",
}
"""The models of the resources, which take a fifth of a second to import: they are when they are first needed."""


def __getattr__(name: str) -> Any:
    if name in _MODELS:
        return getattr(import_module(f"headgate.api.{_MODELS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
