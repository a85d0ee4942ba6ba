"""The client: one connection to an API server, and what can be done over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from headgate.api.names import GROUP
from headgate.client._connection import Connection
from headgate.client._environments import AsyncEnvironments
from headgate.client._jobs import AsyncJobs
from headgate.client._policies import AsyncPolicies
from headgate.client._pools import AsyncPools
from headgate.client._queues import AsyncQueues

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from headgate.client._connection import Outage
    from headgate.client._leader import Leader

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True)
class UserInfo:
    """Who the API server takes the user for."""

    username: str
    uid: str
    groups: tuple[str, ...]


class AsyncClient:
    """Headgate, with the rights of the user of a kubeconfig.

    Everything is done by the API server itself: there is nothing of Headgate's in between. For example::

        async with AsyncClient.connect() as client:
            async for queue in client.queues.list(pool="default"):
                print(queue.name, queue.status.state)
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.queues = AsyncQueues(connection)
        """The JobQueues."""
        self.pools = AsyncPools(connection)
        """The ClusterPools."""
        self.jobs = AsyncJobs(connection)
        """The Jobs of queues."""
        self.environments = AsyncEnvironments(connection)
        """The ComputeEnvironments."""
        self.policies = AsyncPolicies(connection)
        """The SchedulingPolicies."""

    @classmethod
    def connect(
        cls, kubeconfig: str | None = None, context: str | None = None, namespace: str | None = None
    ) -> Self:
        """Return a client for a kubeconfig (KUBECONFIG, ~/.kube/config), or for the Pod that this runs in.

        `namespace` is where Jobs are made and looked for unless a call says otherwise: else it is the context's, or the
        Pod's. It connects when it is entered, or at the first call, which raise `ConfigurationError` where there is
        nothing to connect to.
        """
        return cls(Connection(kubeconfig, context, namespace))

    async def __aenter__(self) -> Self:
        await self._connection.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    @property
    def namespace(self) -> str:
        """Where Jobs are made and looked for unless a call says otherwise; known once the client is connected."""
        return self._connection.namespace

    @property
    def server(self) -> str:
        """The URL of the API server; known once the client is connected."""
        return self._connection.server

    @property
    def outage(self) -> Outage | None:
        """Since when the API server is not heard by a watch, and why; None while all of them are well.

        A watch itself says nothing of it: it goes on as soon as the API server is there again.
        """
        return min(self._connection.outages.values(), default=None)

    async def whoami(self) -> UserInfo:
        """Return who the API server takes the user for; raises `UnreachableError` and `NotAuthenticatedError`."""
        user = await self._connection.user()
        return UserInfo(user.get("username", ""), user.get("uid", ""), tuple(user.get("groups") or ()))

    async def leader(self) -> Leader | None:
        """Return which operator leads, or led last; None where no policy of Headgate's says by which Lease.

        Raises `ForbiddenError` for who may not look, and `UnreachableError`.
        """
        from headgate.client._leader import find_leader

        return await find_leader(self._connection)

    async def can(
        self,
        verb: str,
        resource: str,
        *,
        group: str = GROUP,
        name: str = "",
        namespace: str = "",
        subresource: str = "",
    ) -> bool:
        """Return whether the user has a right: ``can("update", "jobqueues")``; raises as `whoami` does."""
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "name": name,
            "namespace": namespace,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        return bool((await self._connection.call("POST", REVIEWS, body))["status"]["allowed"])

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Ask the API server for anything else, and return its JSON; raises `HeadgateError`."""
        return await self._connection.call(method, path, body, params=params, content_type=content_type)
