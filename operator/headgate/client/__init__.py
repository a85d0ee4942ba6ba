"""Headgate from Python, with the user's own kubeconfig and rights: `Client`, and `AsyncClient` for asyncio.

Every public name is here; modules with an underscore are not for use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from headgate.client._client import AsyncClient, UserInfo
from headgate.client._connection import Outage
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
    NotInstalledError,
    NotPausedError,
    RefusedError,
    ServerError,
    TimeoutError,  # noqa: A004 - as in asyncio, and it is one
    UnreachableError,
)
from headgate.client._flux import (
    AsyncJobList,
    JobList,
    JobListFuture,
    JobListIdFuture,
    async_get_job,
    async_job_list,
    async_job_list_id,
    async_job_list_inactive,
    get_job,
    job_list,
    job_list_id,
    job_list_inactive,
)
from headgate.client._job_info import ATTRIBUTES, RESULTS, STATES, JobException, JobInfo
from headgate.client._job_query import JobFilters, JobSelection
from headgate.client._jobs import AsyncJobs, JobEvent, LogLine
from headgate.client._leader import Leader
from headgate.client._policies import AsyncPolicies, PolicyEvent
from headgate.client._pools import AsyncPools, PoolEvent
from headgate.client._queue_fields import QueueChanges, QueueFields
from headgate.client._queue_filters import SORT_FIELDS, QueueFilters, QueueSelection
from headgate.client._queues import AsyncQueues, QueueEvent
from headgate.client._submission import JobOptions, job_manifest
from headgate.client._sync import Client, Environments, Jobs, Policies, Pools, Queues

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
    from headgate.client._pods import JobPod
    from headgate.engine.explain import Ahead, Explanation
    from headgate.engine.forecast import Doubt
    from headgate.engine.holds import Hold
    from headgate.engine.top import Place, QueueLine

__all__ = [
    "ATTRIBUTES",
    "RESULTS",
    "SORT_FIELDS",
    "STATES",
    "Ahead",
    "AlreadyExistsError",
    "AlreadyPausedError",
    "AsyncClient",
    "AsyncEnvironments",
    "AsyncJobList",
    "AsyncJobs",
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
    "Doubt",
    "EnvironmentEvent",
    "Environments",
    "Explanation",
    "ForbiddenError",
    "HeadgateError",
    "Hold",
    "JobEvent",
    "JobException",
    "JobFilters",
    "JobInfo",
    "JobList",
    "JobListFuture",
    "JobListIdFuture",
    "JobOptions",
    "JobPod",
    "JobQueue",
    "JobQueueSpec",
    "JobQueueStatus",
    "JobSelection",
    "Jobs",
    "Leader",
    "LogLine",
    "NotAuthenticatedError",
    "NotFoundError",
    "NotInstalledError",
    "NotPausedError",
    "Outage",
    "Place",
    "Policies",
    "PolicyEvent",
    "PoolEvent",
    "Pools",
    "QueueChanges",
    "QueueEnvironment",
    "QueueEvent",
    "QueueFields",
    "QueueFilters",
    "QueueLine",
    "QueueSelection",
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
    "async_get_job",
    "async_job_list",
    "async_job_list_id",
    "async_job_list_inactive",
    "get_job",
    "job_list",
    "job_list_id",
    "job_list_inactive",
    "job_manifest",
]

_LATER: Final = {
    "Ahead": "engine.explain",
    "ClusterPool": "api.clusterpool",
    "ClusterPoolSpec": "api.clusterpool",
    "ClusterPoolStatus": "api.clusterpool",
    "ComputeEnvironment": "api.computeenvironment",
    "ComputeEnvironmentSpec": "api.computeenvironment",
    "ComputeEnvironmentStatus": "api.computeenvironment",
    "Dispatch": "api.jobqueue",
    "Doubt": "engine.forecast",
    "Explanation": "engine.explain",
    "Hold": "engine.holds",
    "JobPod": "client._pods",
    "JobQueue": "api.jobqueue",
    "JobQueueSpec": "api.jobqueue",
    "JobQueueStatus": "api.jobqueue_status",
    "Place": "engine.top",
    "QueueEnvironment": "api.jobqueue",
    "QueueLine": "engine.top",
    "SchedulingPolicy": "api.schedulingpolicy",
    "SchedulingPolicySpec": "api.schedulingpolicy",
    "SchedulingPolicyStatus": "api.schedulingpolicy",
    "TimeLimitAction": "api.jobqueue",
}
"""What takes a fifth of a second to import: it is, when it is first needed."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"headgate.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
