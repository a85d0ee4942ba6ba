"""Keeps every proxy and its copy in step: decides whose turn it is, and what is due.

A proxy is the hub's Job in a pool of remote clusters, its copy the Job in a member that does the work. What the watches
say is remembered in a `View`; `reconcile` decides from it what is due, one `Lane` for each member and one for the hub
line it up, and an `Executor` does it. Nothing is kept that the hub and the members do not hold: after a crash their
lists say at which step everything is.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from headgate.kube.client import UNREACHABLE, ApiError
from headgate.members.executor import Executor
from headgate.members.lane import Slots, Work
from headgate.members.reconcile import Cancel, Create, Finish, Mirror
from headgate.members.trouble import (
    HubError,
    NotYetError,
    StaleViewError,
    tries_before_telling,
    trouble,
    unreadable,
)
from headgate.members.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from headgate.engine.engine import Engine
    from headgate.kube.client import Api, Json
    from headgate.kube.events import EventRecorder
    from headgate.members.lane import Lane
    from headgate.members.reconcile import Action
    from headgate.members.records import Copy, Key, Proxy
    from headgate.members.view import MemberView
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

ABANDONED_SECONDS: Final = 1.0
"""How often the engine is asked for which clusters nobody waits any more."""
CLEAR_SECONDS: Final = 60.0
"""How long the next of the stale copies in a member may take to go: longer than Pods that end in order."""
LOOK_SECONDS: Final = (0.1, 2.0)
"""First and longest pause between two looks whether they are gone."""


class Proxies:
    """Every proxy of the hub, and every copy in the members."""

    def __init__(
        self,
        hub: Api,
        engine: Engine,
        *,
        hub_id: str,
        events: EventRecorder,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._view = View(engine.pool_of, engine.is_abandoned)
        self._executor = Executor(
            hub, engine, self._view, hub_id=hub_id, events=events, metrics=metrics, clock=clock
        )

    # ---- what the watches say ---------------------------------------------------------------------------------

    def job_seen(self, raw: Json) -> None:
        """Take in a version of a proxy, in whatever state: raw JSON of a Job whose managedBy is Headgate's."""
        self._view.job_seen(raw)

    def job_gone(self, uid: str) -> None:
        """Take note that a Job of the hub was deleted; one that is no proxy is ignored."""
        self._view.job_gone(uid)

    def join(self, cluster: str, pool: str) -> None:
        """Take note for which pool a cluster is reached from now on."""
        self._view.join(cluster, pool)

    def copies_listed(self, cluster: str, raws: list[Json], *, anew: bool = False) -> None:
        """Take in all copies that are in a member now; `anew`: with a connection over which nothing else was asked."""
        self._view.copies_listed(cluster, raws, anew=anew)

    def copy_seen(self, cluster: str, raw: Json) -> None:
        """Take in a version of a copy in a member."""
        self._view.copy_seen(cluster, raw)

    def copy_gone(self, cluster: str, raw: Json) -> None:
        """Take note that a copy in a member was deleted."""
        self._view.copy_gone(cluster, raw)

    def forget(self, cluster: str) -> None:
        """Forget what is in a cluster that is in no pool any more; it is listed anew if it comes back."""
        self._view.forget(cluster)
        self._metrics.forget_copies(cluster)

    # ---- lanes ------------------------------------------------------------------------------------------------

    async def serve(self, cluster: str, api: Callable[[], Api]) -> None:
        """Work off what is due in a member until cancelled; `api` gives the client that is right now."""
        member = self._view.member(cluster)
        await member.lane.work(lambda key: self._start_in(member, key, api))

    async def clear(self, cluster: str) -> None:
        """Wait until the stale copies in a member are gone, after `copies_listed`, while it is served.

        Until then no copy is made there. If nothing more goes, that is enough: whoever waits for the name of one that
        is left goes on waiting, and nobody else does.
        """
        member = self._view.member(cluster)
        left = {copy.uid for copy in self._view.stale(member)}
        if left:
            logger.info("cluster %s has %d stale copies, which go before any is made", cluster, len(left))
        pause, longest = LOOK_SECONDS
        patience = monotonic() + CLEAR_SECONDS
        try:
            while left and monotonic() < patience:
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
                now = left & {copy.uid for copy in self._view.stale(member)}
                if now != left:
                    left, patience = now, monotonic() + CLEAR_SECONDS
        finally:
            member.clearing = False
            self._view.touch_all(cluster)
        if left:
            logger.warning(
                "cluster %s still has %d stale copies, and is used all the same", cluster, len(left)
            )

    async def run(self) -> None:
        """Work off what concerns the hub alone until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._view.lane.work(self._start_at_hub))
            tasks.create_task(self._follow_abandoned())

    async def _follow_abandoned(self) -> None:
        """Look again at the proxies of a cluster that is abandoned, or is not any more."""
        before: set[tuple[str, str]] = set()
        while True:
            now = {
                (pool, cluster)
                for cluster in self._view.admitted
                for pool in ("", *self._engine.pools)
                if self._engine.is_abandoned(pool, cluster)
            }
            for cluster in {cluster for _, cluster in before ^ now}:
                self._view.touch_all(cluster)
            before = now
            await asyncio.sleep(ABANDONED_SECONDS)

    # ---- what is due ------------------------------------------------------------------------------------------

    def _start_at_hub(self, key: Key) -> Work | None:
        lane = self._view.lane
        proxy = self._view.proxies.get(key)
        action = self._view.due_at_hub(proxy) if proxy is not None and not proxy.written else None
        if proxy is None or action is None:
            lane.settled(key)
            return None
        if not lane.may_try(key, type(action)):
            return None
        return Work(
            Slots.CARING,
            partial(
                self._attempt, lane, "", key, type(action), partial(self._executor.at_hub, proxy, action)
            ),
        )

    def _start_in(self, member: MemberView, key: Key, api: Callable[[], Api]) -> Work | None:
        if not member.listed:
            return None
        try:
            proxy, copy, action = self._view.due_in(member, key)
        except Exception as error:
            # A status that no API server should have: it alone is left as it is.
            self._cannot_read(member, key, error)
            return None
        if action is None:
            member.lane.settled(key)
            return None
        if self._is_held(member, proxy, copy, action) or not member.lane.may_try(key, type(action)):
            return None
        slots = Slots.CARING
        if isinstance(action, Create):
            slots = Slots.REMAKING if member.lane.has_failed(key, Create) else Slots.MAKING

        async def do() -> None:
            await self._executor.in_member(member, proxy, copy, action, api())

        return Work(slots, partial(self._attempt, member.lane, member.name, key, type(action), do))

    def _is_held(self, member: MemberView, proxy: Proxy | None, copy: Copy | None, action: Action) -> bool:
        """Whether something else has to come first, which will have the name looked at again."""
        match action:
            case Mirror() | Finish():
                return proxy is not None and proxy.written
            case Cancel():
                return copy is not None and copy.written
            case Create():
                return member.clearing or self._engine.is_abandoned(member.pool, member.name)
        return False

    async def _attempt(
        self,
        lane: Lane,
        cluster: str,
        key: Key,
        kind: type[Action],
        work: Callable[[], Coroutine[None, None, None]],
    ) -> None:
        """Try an action; have it tried again if it does not work, and a person told why."""
        try:
            await work()
        except (NotYetError, HubError, StaleViewError, ApiError, *UNREACHABLE) as error:
            self._metrics.copy_error(cluster, kind.__name__)
            failed = lane.failed(key, kind, error)
            reason, message = trouble(error, kind, cluster, key)
            level = logging.WARNING if isinstance(error, HubError) else logging.INFO
            logger.log(level, "Job %s/%s: %s: %s", *key, reason, message)
            if failed.count > tries_before_telling(error) and failed.told != message:
                failed.told = message
                self._executor.tell(self._view.proxies.get(key), reason, message)
        except Exception as error:
            # One Job of which something is not as it should be stops no other.
            logger.exception("%s failed for Job %s/%s in cluster %s", kind.__name__, *key, cluster)
            self._metrics.copy_error(cluster, kind.__name__)
            lane.failed(key, kind, error)
        else:
            lane.settled(key)

    def _cannot_read(self, member: MemberView, key: Key, error: Exception) -> None:
        self._metrics.copy_error(member.name, Mirror.__name__)
        failed = member.lane.failed(key, Mirror, error)
        reason, message = unreadable(error, member.name)
        if failed.told != message:
            failed.told = message
            logger.error("the copy of Job %s/%s in cluster %s", *key, member.name, exc_info=error)
            self._executor.tell(self._view.proxies.get(key), reason, message)
