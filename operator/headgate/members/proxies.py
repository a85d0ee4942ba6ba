"""Keeps every proxy and its copy in step: creates, mirrors, cancels and deletes copies.

A proxy is the hub's Job in a pool of remote clusters, its copy the Job in a member that does the work. What the watches
say is remembered here; `reconcile` decides from it what is due, one `Lane` for each member and one for the hub line it
up, and it is done here. Nothing is kept that the hub and the members do not hold: after a crash their lists say at
which step everything is.

No write trusts a watch alone where it could do harm. A status is written at the version it was computed from. Before a
copy is made, and before one is deleted, the hub is asked how its Job is now; before a proxy is ended because it has no
copy, the member is asked. So a process that was frozen and wakes up undoes nothing that its successor did.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from headgate.api.names import HUB_LABEL, REASON_COPY_REFUSED, REASON_NAME_TAKEN
from headgate.api.times import timestamp
from headgate.engine.decisions import Notice
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.members import jobs
from headgate.members.copies import copy_of
from headgate.members.lane import AT_ONCE
from headgate.members.mirror import FAILURE_TARGET, ended, new_condition, reset
from headgate.members.reconcile import (
    Cancel,
    Create,
    Delete,
    Finish,
    Mirror,
    Reset,
    due_in_member,
)
from headgate.members.records import copy_from, proxy_from
from headgate.members.trouble import HubError, NotYetError, StaleViewError, trouble
from headgate.members.view import View

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from headgate.engine.engine import Engine
    from headgate.kube.client import Api, Json
    from headgate.kube.events import EventRecorder
    from headgate.members.lane import Lane
    from headgate.members.reconcile import Action
    from headgate.members.records import Copy, Key, Proxy
    from headgate.members.view import MemberView
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")

GIVEN_UP_SECONDS: Final = 1.0
"""How often the engine is asked which clusters are given up."""
GONE_SECONDS: Final = (0.1, 2.0)
"""First and longest pause between two looks whether a stale copy is gone."""
REASON_WRONG_POOL: Final = "WrongPool"


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
        self._hub = hub
        self._engine = engine
        self._hub_id = hub_id
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._view = View(engine.is_given_up)

    # ---- what the watches say ---------------------------------------------------------------------------------

    def job_seen(self, raw: Json) -> None:
        """Take in a version of a proxy, in whatever state: raw JSON of a Job whose managedBy is Headgate's."""
        self._view.job_seen(raw)

    def job_gone(self, uid: str) -> None:
        """Take note that a Job of the hub was deleted; one that is no proxy is ignored."""
        self._view.job_gone(uid)

    def copies_listed(self, cluster: str, raws: list[Json]) -> None:
        """Take in all copies that are in a member now; what the list lacks is gone."""
        self._view.copies_listed(cluster, raws)

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

    async def purge(self, cluster: str, api: Api) -> None:
        """Delete every stale copy in a member, after `copies_listed`; return when all of them are gone.

        Raises `ApiError` or one of `UNREACHABLE` when the member or the hub does not let it.
        """
        member = self._view.member(cluster)
        stale = [copy for copy in member.copies.values() if self._view.is_stale(copy, cluster)]
        if not stale:
            return
        logger.info("cluster %s has %d stale copies, deleting them before anything else", cluster, len(stale))
        limit = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.TaskGroup() as tasks:
                for copy in stale:
                    tasks.create_task(self._remove(member, copy, api, limit))
        except ExceptionGroup as errors:
            # One of them says what is wrong.
            error = errors.exceptions[0]
            raise (error.error if isinstance(error, HubError) else error) from None

    async def serve(self, cluster: str, api: Callable[[], Api]) -> None:
        """Work off what is due in a member until cancelled; `api` gives the client that is right now."""
        member = self._view.member(cluster)
        await member.lane.work(lambda key: self._start_in(member, key, api))

    async def run(self) -> None:
        """Work off what concerns the hub alone until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._view.lane.work(self._start_at_hub))
            tasks.create_task(self._follow_given_up())

    async def _follow_given_up(self) -> None:
        """Look again at the proxies of a cluster that is given up, or is not any more."""
        before: set[str] = set()
        while True:
            now = {cluster for cluster in self._view.admitted if self._engine.is_given_up(cluster)}
            for cluster in before ^ now:
                for key in self._view.admitted.get(cluster, ()):
                    self._view.touch(key)
            before = now
            await asyncio.sleep(GIVEN_UP_SECONDS)

    # ---- what is due ------------------------------------------------------------------------------------------

    def _start_at_hub(self, key: Key) -> Callable[[], Awaitable[None]] | None:
        proxy = self._view.proxies.get(key)
        action = self._view.due_at_hub(proxy) if proxy is not None and not proxy.written else None
        if proxy is None or action is None:
            self._view.lane.settled(key)
            return None
        if not self._view.lane.may_try(key, type(action)):
            return None
        work = partial(self._at_hub, proxy, action)
        return partial(self._attempt, self._view.lane, "", key, type(action), work)

    async def _at_hub(self, proxy: Proxy, action: Action) -> None:
        match action:
            case Finish():
                await self._finish(proxy, action)
            case Reset():
                status = reset(proxy.status, action.message, timestamp(self._clock()))
                await self._write(proxy, status)

    def _start_in(
        self, member: MemberView, key: Key, api: Callable[[], Api]
    ) -> Callable[[], Awaitable[None]] | None:
        if not member.listed:
            return None
        proxy, copy, action = self._view.due_in(member, key)
        if action is None:
            member.lane.settled(key)
            return None
        held = (
            (isinstance(action, Mirror | Finish) and proxy is not None and proxy.written)
            or (isinstance(action, Cancel) and copy is not None and copy.written)
            or (isinstance(action, Create) and self._engine.is_given_up(member.name))
        )
        if held or not member.lane.may_try(key, type(action)):
            return None
        work = partial(self._in_member, member, proxy, copy, action, api)
        return partial(self._attempt, member.lane, member.name, key, type(action), work)

    async def _in_member(
        self,
        member: MemberView,
        proxy: Proxy | None,
        copy: Copy | None,
        action: Action,
        api: Callable[[], Api],
    ) -> None:
        match action:
            case Create() if proxy is not None:
                await self._create(member, proxy, api())
            case Mirror() if proxy is not None:
                if await self._write(proxy, action.patch):
                    self._metrics.mirrored(member.name)
            case Finish() if proxy is not None:
                await self._finish_without(member, proxy, action, api())
            case Cancel() if copy is not None:
                await self._cancel(copy, action, api())
            case Delete() if copy is not None:
                await self._delete(member, copy, api())

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
            # What passes within a second is nothing to tell of.
            lasts = failed.count > 1 or isinstance(error, NotYetError)
            if lasts and failed.told != message and not isinstance(error, HubError | StaleViewError):
                failed.told = message
                self._tell(self._view.proxies.get(key), reason, message)
        except Exception as error:
            # One Job of which something is not as it should be stops no other.
            logger.exception("%s failed for Job %s/%s in cluster %s", kind.__name__, *key, cluster)
            self._metrics.copy_error(cluster, kind.__name__)
            lane.failed(key, kind, error)
        else:
            lane.settled(key)

    # ---- doing it ---------------------------------------------------------------------------------------------

    async def _create(self, member: MemberView, proxy: Proxy, api: Api) -> None:
        raw = await self._ask_hub(jobs.get(self._hub, proxy.key))
        if raw is None or raw["metadata"]["uid"] != proxy.uid or not self._view.has(proxy.uid):
            # Deleted: the watch says so.
            return
        self.job_seen(raw)
        fresh = self._view.proxies[proxy.key]
        still = isinstance(self._view.due_in(member, proxy.key)[2], Create)
        if not still or fresh.resource_version != int(raw["metadata"]["resourceVersion"]):
            member.lane.add(proxy.key)
            return
        self._check_wall(fresh, member.name)
        try:
            manifest = copy_of(raw, self._hub_id)
        except ValueError as error:
            raise NotYetError(REASON_COPY_REFUSED, f"no copy can be made of it: {error}") from error
        try:
            made = await jobs.create(api, manifest)
        except ApiError as error:
            match error.status:
                case 409 if await self._meet(member, fresh, api):
                    pass
                case 400 | 422:
                    refusal = f'cluster "{member.name}" refuses the Job: {error.message}'
                    await self._finish(fresh, Finish(REASON_COPY_REFUSED, refusal))
                case _:
                    raise
            return
        self._metrics.copy_created(member.name)
        self._view.assume(member, copy_from(made))

    def _check_wall(self, proxy: Proxy, cluster: str) -> None:
        queue = self._engine.queues.get(proxy.queue)
        # A queue never changes its pool: where nothing is written on the Job, that one stands as firmly.
        name = proxy.pool or (queue.resource.spec.pool if queue and queue.resource else "")
        pool = self._engine.pools.get(name)
        if pool is None or cluster not in (pool.clusters or {}):
            raise NotYetError(
                REASON_WRONG_POOL,
                f'admitted to cluster "{cluster}", which is not in its pool "{name}": nothing is sent there',
            )

    async def _meet(self, member: MemberView, proxy: Proxy, api: Api) -> bool:
        """Find out whose Job has the name already; return False where none will have it in a moment."""
        try:
            raw = await jobs.get(api, proxy.key)
        except ApiError as error:
            # It was not the creation that was refused.
            words = trouble(error, Finish, member.name, proxy.key)[1]
            raise NotYetError(REASON_COPY_REFUSED, words) from error
        if raw is None:
            return False
        if self._is_ours(raw):
            self._view.assume(member, copy_from(raw))
            return True
        if "deletionTimestamp" in raw["metadata"]:
            return False
        namespace, name = proxy.key
        message = (
            f'cluster "{member.name}" already has a Job {namespace}/{name} that is not Headgate\'s: '
            "give this one another name, or delete that one and submit this one again"
        )
        await self._finish(proxy, Finish(REASON_NAME_TAKEN, message))
        return True

    async def _cancel(self, copy: Copy, cancel: Cancel, api: Api) -> None:
        now = timestamp(self._clock())
        status: Json = {"conditions": [new_condition(FAILURE_TARGET, cancel.reason, cancel.message, now)]}
        if not copy.status.get("startTime"):
            # The API demands it of a finished Job.
            status["startTime"] = now
        await _unless_outdated(jobs.patch_status(api, copy, status))
        copy.written = True

    async def _delete(self, member: MemberView, copy: Copy, api: Api) -> None:
        raw = await self._ask_hub(jobs.get(self._hub, copy.key))
        fresh = proxy_from(raw) if raw is not None else None
        if fresh is not None and not isinstance(due_in_member(fresh, copy, member.name), Delete):
            raise StaleViewError(f"the hub's Job is at version {fresh.resource_version} already")
        try:
            await jobs.delete(api, copy)
        except ApiError as error:
            if error.status != 404:
                raise
            # It was seen to go before it was known to be there.
            self._view.vanished(member, copy)
            return
        namespace, name = copy.key
        logger.info("deleted the copy of Job %s/%s in cluster %s", namespace, name, member.name)
        self._metrics.copy_deleted(member.name)
        copy.deleting = True

    async def _remove(self, member: MemberView, copy: Copy, api: Api, limit: asyncio.Semaphore) -> None:
        """Delete a stale copy and wait until it is gone, also where no watch says so yet."""
        try:
            if not copy.deleting:
                async with limit:
                    await self._delete(member, copy, api)
        except StaleViewError:
            return
        pause, longest = GONE_SECONDS
        while (known := member.copies.get(copy.key)) is not None and known.uid == copy.uid:
            async with limit:
                raw = await jobs.get(api, copy.key)
            if raw is None or raw["metadata"]["uid"] != copy.uid:
                self._view.vanished(member, copy)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    async def _finish_without(self, member: MemberView, proxy: Proxy, finish: Finish, api: Api) -> None:
        """End a proxy that has no copy in its cluster, once the cluster has said so itself."""
        raw = await jobs.get(api, proxy.key)
        if raw is not None and self._is_ours(raw) and (found := copy_from(raw)).is_of(proxy):
            self._view.correct(member, found)
            return
        await self._finish(proxy, finish)

    async def _finish(self, proxy: Proxy, finish: Finish) -> None:
        wanted = proxy.cancellation is not None
        status = ended(proxy.status, finish.reason, finish.message, timestamp(self._clock()))
        if await self._write(proxy, status) and not wanted:
            self._tell(proxy, finish.reason, finish.message)

    async def _write(self, proxy: Proxy, status: Json) -> bool:
        """Write into a proxy's status, unless it has changed; return whether it was written."""
        written = await self._ask_hub(_unless_outdated(jobs.patch_status(self._hub, proxy, status)))
        known = self._view.proxies.get(proxy.key)
        if known is not None and known.resource_version <= proxy.resource_version:
            known.written = True
        return written

    async def _ask_hub(self, request: Awaitable[T]) -> T:
        try:
            return await request
        except (ApiError, *UNREACHABLE) as error:
            raise HubError(error) from error

    def _is_ours(self, raw: Json) -> bool:
        return (raw["metadata"].get("labels") or {}).get(HUB_LABEL) == self._hub_id

    def _tell(self, proxy: Proxy | None, reason: str, message: str) -> None:
        if proxy is not None:
            namespace, name = proxy.key
            self._events.record(Notice("Job", namespace, name, proxy.uid, "Warning", reason, message))


async def _unless_outdated(request: Awaitable[None]) -> bool:
    """Make a request that demands a version; return False where the object has another, or is gone."""
    try:
        await request
    except ApiError as error:
        if error.status in (404, 409):
            return False
        raise
    return True
