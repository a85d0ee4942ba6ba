"""All remote clusters of all pools: one `Member` each, as the pools say now.

A disabled one stays connected: what runs there goes on, and copies are deleted with the Jobs they are of.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from headgate.members.member import Member

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.api.clusterpool import KubeconfigSecretRef
    from headgate.engine.pool import Pool
    from headgate.members.member import Surroundings

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often the pools are looked at."""
FIRST_SECONDS: Final = 5.0
"""How long the first statuses wait for what is to be said of the clusters."""


class Members:
    """Begins and ends what keeps in touch with each remote cluster."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._all = surroundings
        self._members: dict[str, Member] = {}
        """By name, the elder first."""
        self._tasks: dict[Member, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Follow the pools until cancelled."""
        try:
            while True:
                self._look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def hear(self) -> None:
        """Wait a moment until something is known of each: the first statuses should tell how things are."""
        self._look()
        waits = [asyncio.ensure_future(member.heard.wait()) for member in self._members.values()]
        if waits:
            await asyncio.wait(waits, timeout=FIRST_SECONDS)
            for wait in waits:
                wait.cancel()

    def _look(self) -> None:
        wanted: dict[str, tuple[str, KubeconfigSecretRef]] = {}
        for pool, name, ref in self._listed():
            if name in wanted:
                # Policies refuse it, but of pools that are made at the same moment neither sees the other.
                message = f'ClusterPool "{wanted[name][0]}" has a cluster of this name: a cluster is in one pool only'
                self._all.engine.cluster_held(pool, name, message, self._all.clock())
            else:
                wanted[name] = (pool, ref)
        for name, member in list(self._members.items()):
            if name not in wanted or wanted[name][0] != member.pool:
                self._tasks[member].cancel()
                del self._members[name]
        before, self._members = self._members, {}
        for name, (pool, ref) in wanted.items():
            member = before.get(name) or self._begin(pool, name, ref)
            member.ref = ref
            self._members[name] = member

    def _listed(self) -> Iterator[tuple[str, str, KubeconfigSecretRef]]:
        """Yield pool, name and Secret of each remote cluster, those of older pools first."""
        for pool in sorted(self._all.engine.pools.values(), key=_age):
            for cluster in pool.resource.spec.clusters if pool.resource else ():
                if cluster.kubeconfig_secret_ref is not None:
                    yield pool.name, cluster.name, cluster.kubeconfig_secret_ref

    def _begin(self, pool: str, name: str, ref: KubeconfigSecretRef) -> Member:
        self._all.proxies.join(name, pool)
        member = Member(pool, name, ref, self._all, elders=self._elders)
        task = self._tasks[member] = asyncio.create_task(member.run(), name=f"cluster {name}")
        task.add_done_callback(lambda _: self._ended(member))
        return member

    def _ended(self, member: Member) -> None:
        del self._tasks[member]
        if member.name not in self._members:
            self._all.proxies.forget(member.name)

    def _elders(self, of: Member) -> Iterator[Member]:
        for member in list(self._members.values()):
            if member is of:
                return
            yield member


def _age(pool: Pool) -> tuple[str, str]:
    return (pool.resource.metadata.creation_timestamp if pool.resource else "", pool.name)
