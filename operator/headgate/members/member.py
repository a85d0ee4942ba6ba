"""One remote cluster: a connection that is kept up, and what is told of it.

A cluster is *in order* once its copies have been listed and the stale ones among them are gone, or do not go. From then
on Jobs may go there, until it fails to answer a probe: then all of that begins anew. What is there already is looked
after as soon as it has been listed. It has connections and tasks of its own, so that a slow or dead one holds up
nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Final

from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.retry import backoff
from headgate.members.connection import OTHER_CLUSTER, Connection
from headgate.members.errors import ClusterError, CredentialsError, failure
from headgate.members.informer import CopyInformer
from headgate.members.secret import read_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headgate.api.clusterpool import KubeconfigSecretRef
    from headgate.engine.engine import Engine
    from headgate.kube.client import Api
    from headgate.kube.lookups import Lookups
    from headgate.members.identities import Identities
    from headgate.members.proxies import Proxies
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

RECOGNIZE: Final = 12
"""With every so many probes it is made sure that it is the same cluster as before: an address may lead to another."""


@dataclass(frozen=True)
class Surroundings:
    """What all members have in common."""

    hub: Api
    hub_id: str
    """What the copies that are this hub's are labelled with."""
    engine: Engine
    proxies: Proxies
    identities: Identities
    lookups: Lookups
    metrics: Metrics
    probe_seconds: float
    """How often a cluster is asked how it is, and how long it may take to answer."""
    trusts: bool
    """Whether kubeconfigs may have this process run programs and read files."""
    clock: Callable[[], float]
    changed: Callable[[], None]


class Member:
    """Keeps in touch with one cluster."""

    def __init__(
        self,
        pool: str,
        name: str,
        ref: KubeconfigSecretRef,
        surroundings: Surroundings,
        *,
        elders: Callable[[Member], Iterable[Member]],
    ) -> None:
        self.pool = pool
        self.name = name
        self.ref = ref
        """The Secret with its kubeconfig; another one takes effect with the next probe."""
        self.tried = asyncio.Event()
        """Whether it has been found out which cluster it is, or that it cannot be found out now."""
        self.heard = asyncio.Event()
        """Whether anything has been told of it."""
        self._all = surroundings
        self._elders = elders
        self._connection: Connection | None = None
        self._probed = asyncio.Event()
        self._version = ""
        self._in_order = False
        self._said: str | None = None
        """What was last told of it; nothing wrong, if that is empty."""

    async def run(self) -> None:
        """Keep in touch until cancelled."""
        pauses = backoff()
        try:
            while True:
                self._probed.clear()
                try:
                    await self._stay_connected()
                except ClusterError as error:
                    self._silent(str(error))
                except (ApiError, *UNREACHABLE) as error:
                    # It is the hub that does not tell: nothing is known of the cluster.
                    self._all.metrics.api_error("secret", error)
                    logger.warning("cannot read Secret %s: %s", self.ref, error or type(error).__name__)
                except Exception as error:
                    self._silent("the operator met something that nobody foresaw: its log has it")
                    # Without its message, which may be out of the kubeconfig.
                    place = "".join(traceback.format_tb(error.__traceback__))
                    logger.error("cluster %s: Traceback of %s\n%s", self.name, type(error).__name__, place)
                self.tried.set()
                if self._in_order:
                    self._in_order = False
                    pauses = backoff()
                await asyncio.sleep(min(next(pauses), self._all.probe_seconds))
        finally:
            # Who waits to know which cluster it is need not wait any more.
            self.tried.set()
            self._all.identities.release(self.pool, self.name)
            self._all.metrics.forget_cluster(self.pool, self.name)

    async def _stay_connected(self) -> None:
        """Connect and do all there is to do there, until that fails; raises why."""
        self._connection = await self._connect(await read_kubeconfig(self._all.hub, self.ref))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._probe())
                tasks.create_task(self._follow())
        except ExceptionGroup as group:
            # The rest broke because of the first.
            raise _first(group) from None
        finally:
            await self._connection.api.close()

    async def _connect(self, content: bytes) -> Connection:
        connection = await Connection.open(
            content,
            self.ref,
            trusted=self._all.trusts,
            seconds=self._all.probe_seconds,
            lookups=self._all.lookups,
        )
        try:
            # Of two names for one cluster, the older keeps it, whoever is faster.
            for elder in self._elders(self):
                await elder.tried.wait()
            self._all.identities.claim(self.pool, self.name, connection.identity)
        except BaseException:
            await connection.api.close()
            raise
        self.tried.set()
        return connection

    @property
    def _connected(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def _api(self) -> Api:
        return self._connected.api

    # ---- is it well? ------------------------------------------------------------------------------------------

    async def _probe(self) -> None:
        for number in count(1):
            began = monotonic()
            await self._renew()
            try:
                self._version = await self._connected.ask(seconds=self._all.probe_seconds)
            except CredentialsError:
                if not await self._renew(anyway=self._connected.fetches_credentials):
                    raise
                self._version = await self._connected.ask(seconds=self._all.probe_seconds)
            took = monotonic() - began
            if number % RECOGNIZE == 0:
                await self._connected.recognize(seconds=self._all.probe_seconds)
            self._all.metrics.cluster_probed(self.pool, self.name, took)
            self._probed.set()
            if self._in_order:
                self._answered()
            await asyncio.sleep(max(self._all.probe_seconds - took, 0))

    async def _renew(self, *, anyway: bool = False) -> bool:
        """Connect anew if the Secret has changed, or `anyway`; return whether that was so. Raises `ClusterError`."""
        old = self._connected
        try:
            async with asyncio.timeout(self._all.probe_seconds):
                content = await read_kubeconfig(self._all.hub, self.ref)
        except (ApiError, *UNREACHABLE) as error:
            # The hub's trouble, not the cluster's: the credentials that are known will do.
            self._all.metrics.api_error("secret", error)
            content = old.content
        if content == old.content and not anyway:
            return False
        new = await self._connect(content)
        if new.identity != old.identity:
            await new.api.close()
            raise ClusterError(OTHER_CLUSTER)
        # What is under way over the old one breaks, and is tried again over the new one.
        self._connection = new
        await old.api.close()
        logger.info("cluster %s of ClusterPool %s: new credentials", self.name, self.pool)
        return True

    # ---- what is there ----------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        copies = CopyInformer(self.name, self._api, self._all.proxies, hub_id=self._all.hub_id)
        try:
            await copies.list()
        except (ApiError, *UNREACHABLE) as error:
            raise failure(error, "list Jobs") from None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(copies.run())
            tasks.create_task(self._all.proxies.serve(self.name, self._api))
            tasks.create_task(self._come_in_order())

    async def _come_in_order(self) -> None:
        takes_long = asyncio.get_running_loop().call_later(
            self._all.probe_seconds,
            self._hold,
            "answers, and waits until copies of Jobs that are not there any more have been deleted",
        )
        try:
            await self._all.proxies.clear(self.name)
        finally:
            takes_long.cancel()
        await self._probed.wait()
        self._in_order = True
        self._answered()

    # ---- what is told -----------------------------------------------------------------------------------------

    def _answered(self) -> None:
        if self._said != "":
            logger.info("cluster %s of ClusterPool %s answers: %s", self.name, self.pool, self._version)
            self._said = ""
        self._all.engine.cluster_answered(self.pool, self.name, self._version, self._all.clock())
        self._told()

    def _silent(self, message: str) -> None:
        if self._said != message:
            logger.warning("cluster %s of ClusterPool %s: %s", self.name, self.pool, message)
            self._said = message
        self._all.engine.cluster_silent(self.pool, self.name, message, self._all.clock())
        self._told()

    def _hold(self, message: str) -> None:
        """Tell why no Job goes there yet, although it answers: that is no silence, and does not lose it."""
        logger.info("cluster %s of ClusterPool %s: %s", self.name, self.pool, message)
        self._said = message
        self._all.engine.cluster_held(self.pool, self.name, message, self._all.clock())
        self._told()

    def _told(self) -> None:
        self.heard.set()
        self._all.changed()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return one error of several: one of the cluster's, if there is one."""
    errors = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((error for error in errors if isinstance(error, ClusterError)), errors[0])
