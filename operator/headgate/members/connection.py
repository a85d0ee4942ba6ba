"""A connection to a member: from what a Secret holds to a client for a cluster that has said who it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from headgate.kube.client import UNREACHABLE, ApiError
from headgate.members import kubeconfig
from headgate.members.errors import ClusterError, failure
from headgate.members.identities import identity_of

if TYPE_CHECKING:
    from headgate.api.clusterpool import KubeconfigSecretRef
    from headgate.kube.client import Api
    from headgate.kube.lookups import Lookups

REQUEST_SECONDS: Final = 10.0
"""How long a member may take for one request."""

OTHER_CLUSTER: Final = "the kubeconfig leads to another cluster than before, which is looked at anew"


@dataclass(frozen=True, repr=False)
class Connection:
    """A client, and what it was made of."""

    api: Api
    identity: str
    """Which cluster it is, see `identities`."""
    content: bytes
    """The kubeconfig."""
    fetches_credentials: bool
    """Whether the same kubeconfig may give other credentials another time."""

    @classmethod
    async def open(
        cls,
        content: bytes,
        ref: KubeconfigSecretRef,
        *,
        trusted: bool,
        seconds: float,
        lookups: Lookups,
    ) -> Self:
        """Connect, and ask who is there, for so long at most; `ref` is where the content is from.

        Raises `ClusterError`.
        """
        try:
            # In a thread: a large one takes a while to parse, and nothing else may wait for that.
            parsed = await asyncio.to_thread(kubeconfig.parse, content, trusted=trusted)
            api = await parsed.connect(request_seconds=REQUEST_SECONDS, lookups=lookups)
        except ClusterError as error:
            raise ClusterError(f"the kubeconfig in Secret {ref} cannot be used: {error}") from None
        try:
            async with asyncio.timeout(seconds):
                identity = await identity_of(api)
        except (ApiError, *UNREACHABLE) as error:
            await api.close()
            raise failure(error, "get the namespace kube-system") from None
        except (KeyError, TypeError):
            await api.close()
            raise ClusterError("does not answer as a Kubernetes API server does") from None
        except BaseException:
            await api.close()
            raise
        return cls(api, identity, content, parsed.fetches_credentials)

    async def recognize(self, *, seconds: float) -> None:
        """Make sure that it still is the cluster that it was, within so long at most. Raises `ClusterError`."""
        try:
            async with asyncio.timeout(seconds):
                identity = await identity_of(self.api)
        except (ApiError, *UNREACHABLE) as error:
            raise failure(error, "get the namespace kube-system") from None
        if identity != self.identity:
            raise ClusterError(OTHER_CLUSTER)

    async def ask(self, *, seconds: float) -> str:
        """Ask whether it is ready, for so long at most; return its version. Raises `ClusterError`."""
        doing = "say whether it is ready"
        try:
            async with asyncio.timeout(seconds):
                await self.api.text("/readyz")
                doing = "tell its version"
                version = (await self.api.call("GET", "/version")).get("gitVersion")
        except (ApiError, *UNREACHABLE) as error:
            raise failure(error, doing) from None
        except AttributeError:
            raise ClusterError("does not answer as a Kubernetes API server does") from None
        return str(version or "")[:64]
