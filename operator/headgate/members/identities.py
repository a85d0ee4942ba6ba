"""Which physical cluster each name stands for.

Two names for one cluster would have each name take the other's copies for stale ones, and delete them. So a cluster is
reached by one name, and never by the hub's operator as a member of its own pools. What tells clusters apart is the UID
of their namespace kube-system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.members.errors import ClusterError

if TYPE_CHECKING:
    from headgate.kube.client import Api

NAMESPACE: Final = "/api/v1/namespaces/kube-system"


async def identity_of(api: Api) -> str:
    """Return what tells a cluster from all others; raises `ApiError`, or one of `UNREACHABLE`."""
    uid: str = (await api.call("GET", NAMESPACE))["metadata"]["uid"]
    return uid


class Identities:
    """The clusters that are reached, by name."""

    def __init__(self, hub_id: str) -> None:
        self._hub_id = hub_id
        self._claims: dict[str, tuple[str, str]] = {}
        """The pool and the name under which a cluster is reached, by identity."""

    def claim(self, pool: str, cluster: str, identity: str) -> None:
        """Take note which cluster a name stands for from now on; raises `ClusterError` where another one does."""
        if identity == self._hub_id:
            raise ClusterError(
                "is the cluster that Headgate runs in: it cannot be in a pool of remote clusters; give it a pool of "
                "its own with local: true"
            )
        holder = self._claims.get(identity)
        if holder not in (None, (pool, cluster)):
            raise ClusterError(
                f'is the same cluster as "{holder[1]}" of ClusterPool "{holder[0]}": correct one of their kubeconfigs, '
                "or remove one of them"
            )
        self.release(pool, cluster)
        self._claims[identity] = (pool, cluster)

    def release(self, pool: str, cluster: str) -> None:
        """Take note that a name stands for no cluster any more."""
        self._claims = {key: holder for key, holder in self._claims.items() if holder != (pool, cluster)}
