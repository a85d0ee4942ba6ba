"""What is due about a proxy and its copy, done: requests to the hub and to the member.

No write trusts a watch alone where it could do harm. A status is written at the version it was computed from. Before a
copy is made, and before one is deleted, the hub is asked how its Job is now; before a proxy is ended because it has no
copy, the member is asked. So a process that was frozen and wakes up undoes nothing that its successor did.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from headgate.api.names import HUB_LABEL, REASON_COPY_REFUSED, REASON_NAME_TAKEN
from headgate.api.times import timestamp
from headgate.engine.decisions import Notice
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.members import jobs
from headgate.members.copies import copy_of
from headgate.members.mirror import FAILURE_TARGET, ended, new_condition, reset
from headgate.members.reconcile import (
    Cancel,
    Create,
    Delete,
    Finish,
    Mirror,
    Outwait,
    Reset,
    WallOff,
)
from headgate.members.records import copy_from, proxy_from
from headgate.members.trouble import (
    SOON,
    HubError,
    NotYetError,
    StaleViewError,
    shortened,
    trouble,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headgate.engine.engine import Engine
    from headgate.kube.client import Api, Json
    from headgate.kube.events import EventRecorder
    from headgate.members.reconcile import Action
    from headgate.members.records import Copy, Proxy
    from headgate.members.view import MemberView, View
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")

REASON_WRONG_POOL: Final = "WrongPool"


class Executor:
    """Does what is due, and lets the view know what came of it.

    What does not work raises `NotYetError`, `HubError`, `StaleViewError`, `ApiError` or one of `UNREACHABLE`.
    """

    def __init__(
        self,
        hub: Api,
        engine: Engine,
        view: View,
        *,
        hub_id: str,
        events: EventRecorder,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._hub = hub
        self._engine = engine
        self._view = view
        self._hub_id = hub_id
        self._events = events
        self._metrics = metrics
        self._clock = clock

    async def at_hub(self, proxy: Proxy, action: Action) -> None:
        """Do what is due about a proxy whatever its cluster says."""
        match action:
            case Finish():
                await self._finish(proxy, action)
            case Reset():
                await self._write(proxy, reset(proxy.status, action.message, self._now()))

    async def in_member(
        self,
        member: MemberView,
        proxy: Proxy | None,
        copy: Copy | None,
        action: Action,
        api: Api,
    ) -> None:
        """Do what is due in a member."""
        match action:
            case Create() if proxy is not None:
                await self._create(member, proxy, api)
            case Outwait():
                raise NotYetError(
                    "CopyNotDeleted",
                    f'an older Job of this name is still being deleted in cluster "{member.name}": this one is sent '
                    "there when that one and its Pods are gone; if they do not go, look at their finalizers",
                    after=SOON,
                )
            case WallOff() if proxy is not None:
                pool = self._engine.pool_of(proxy.queue, proxy.pool)
                raise NotYetError(
                    REASON_WRONG_POOL,
                    f'admitted to cluster "{member.name}", which is not in its pool "{pool}": nothing is sent there',
                )
            case Mirror() if proxy is not None:
                if await self._write(proxy, action.patch):
                    self._metrics.mirrored(member.name)
            case Finish() if proxy is not None:
                await self._finish_without(member, proxy, action, api)
            case Cancel() if copy is not None:
                await self._cancel(copy, action, api)
            case Delete() if copy is not None:
                await self._delete(member, copy, api)

    def tell(self, proxy: Proxy | None, reason: str, message: str) -> None:
        """Tell a person something about a proxy, if it is there."""
        if proxy is not None:
            namespace, name = proxy.key
            self._events.record(Notice("Job", namespace, name, proxy.uid, "Warning", reason, message))

    # ---- copies -----------------------------------------------------------------------------------------------

    async def _create(self, member: MemberView, proxy: Proxy, api: Api) -> None:
        raw = await self._ask_hub(jobs.get(self._hub, proxy.key))
        if raw is None or raw["metadata"]["uid"] != proxy.uid or not self._view.has(proxy.uid):
            # Deleted: the watch says so.
            return
        self._view.job_seen(raw)
        fresh = self._view.proxies[proxy.key]
        still = isinstance(self._view.due_in(member, proxy.key)[2], Create)
        still = still and not self._engine.is_abandoned(member.pool, member.name)
        if not still or fresh.resource_version != int(raw["metadata"]["resourceVersion"]):
            member.lane.add(proxy.key)
            return
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
                    refusal = f'cluster "{member.name}" refuses the Job: {shortened(error.message)}'
                    await self._finish(fresh, Finish(REASON_COPY_REFUSED, refusal))
                case _:
                    raise
            return
        self._metrics.copy_created(member.name)
        self._view.assume(member, copy_from(made))

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
        now = self._now()
        status: Json = {"conditions": [new_condition(FAILURE_TARGET, cancel.reason, cancel.message, now)]}
        if not copy.status.get("startTime"):
            # The API demands it of a finished Job.
            status["startTime"] = now
        await _unless_outdated(jobs.patch_status(api, copy, status))
        copy.written = True

    async def _delete(self, member: MemberView, copy: Copy, api: Api) -> None:
        raw = await self._ask_hub(jobs.get(self._hub, copy.key))
        fresh = proxy_from(raw) if raw is not None else None
        if fresh is not None and not isinstance(self._view.due_between(fresh, copy, member), Delete):
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

    # ---- proxies ----------------------------------------------------------------------------------------------

    async def _finish_without(self, member: MemberView, proxy: Proxy, finish: Finish, api: Api) -> None:
        """End a proxy that has no copy in its cluster, once the cluster has said so itself."""
        raw = await jobs.get(api, proxy.key)
        if raw is not None and self._is_ours(raw) and (found := copy_from(raw)).is_of(proxy):
            self._view.correct(member, found)
            return
        await self._finish(proxy, finish)

    async def _finish(self, proxy: Proxy, finish: Finish) -> None:
        wanted = proxy.cancellation is not None
        status = ended(proxy.status, finish.reason, finish.message, self._now())
        if await self._write(proxy, status) and not wanted:
            self.tell(proxy, finish.reason, finish.message)

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

    def _now(self) -> str:
        return timestamp(self._clock())


async def _unless_outdated(request: Awaitable[None]) -> bool:
    """Make a request that demands a version; return False where the object has another, or is gone."""
    try:
        await request
    except ApiError as error:
        if error.status in (404, 409):
            return False
        raise
    return True
