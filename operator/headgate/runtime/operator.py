"""One operator process, from start to end.

It stands for the lead, serving its probes meanwhile. When it leads it lists all there is, rebuilds the engine, and
only then decides anything. It ends on SIGTERM, finishing what is under way and giving the lead back, or at once when
the lead is lost: what it holds in memory is worth nothing then.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from functools import partial
from time import time
from typing import TYPE_CHECKING, NoReturn, TypeVar

import kopf

from headgate.admission.keeper import BindingKeeper
from headgate.controllers.context import Context
from headgate.controllers.jobqueue import JOBQUEUES
from headgate.controllers.kinds import KINDS
from headgate.controllers.registry import registry_for
from headgate.controllers.resync import Resync
from headgate.controllers.statuses import StatusWriter
from headgate.dispatch.dispatcher import Dispatcher
from headgate.dispatch.informer import JobInformer
from headgate.dispatch.probe import ClusterProbe
from headgate.engine.engine import Engine
from headgate.kube.client import UNREACHABLE, Api, ApiError
from headgate.kube.events import EventRecorder
from headgate.kube.lookups import Lookups
from headgate.kube.resources import list_all
from headgate.kube.retry import backoff, pause_after
from headgate.members.identities import Identities, identity_of
from headgate.members.member import Surroundings
from headgate.members.members import Members
from headgate.members.proxies import Proxies
from headgate.runtime.defaults import create_defaults
from headgate.runtime.ending import end_all, end_in_time, run_until_told
from headgate.runtime.health import STALE_SECONDS, HealthServer, Remark
from headgate.runtime.leader import Leadership
from headgate.scaling.scaler import Scaler
from headgate.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from headgate.controllers.kind import Kind
    from headgate.runtime.settings import Settings

logger = logging.getLogger(__name__)

FENCE_SECONDS = 0.5
"""How long the API server may take to refuse the term before: policies were measured to follow within 14 ms."""
LOST_LEAD = 3
"""Exit code of a process that lost the lead."""

T = TypeVar("T")


class Operator:
    """Holds the parts together and ends them in order."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._api = api
        self._settings = settings
        self._metrics = Metrics()
        self._leadership = Leadership(
            api,
            name=settings.lease_name,
            namespace=settings.lease_namespace,
            identity=settings.identity,
            timing=settings.timing,
        )
        self._engine = Engine()
        self._events = EventRecorder(api, self._metrics, identity=settings.identity)
        self._bindings = BindingKeeper(api, self._metrics, self._events, policy_prefix=settings.policy_prefix)
        self._health = HealthServer(self._metrics, alive=self._alive, ready=self._ready)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._deposition: asyncio.Task[None] | None = None
        self._dispatcher: Dispatcher | None = None
        self._informer: JobInformer | None = None
        self._statuses: StatusWriter | None = None
        self._remote: list[asyncio.Task[None]] = []
        """What deals with remote clusters."""
        self._has_started = False
        self._finishing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run until told to stop."""
        self._listen()
        guard = asyncio.create_task(end_in_time(self._stop, self._leadership.release, _exit), name="guard")
        await self._health.start(self._settings.metrics_host, self._settings.metrics_port)
        lost = self._leadership.stand()
        lost.add_done_callback(self._on_lost)
        try:
            if await self._wait_for_lead():
                await self._lead()
        finally:
            await self._leadership.release()
            await self._health.stop()
            await self._api.close()
            guard.cancel()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop.set)

    async def _wait_for_lead(self) -> bool:
        """Wait until this replica leads; return False if told to stop before."""
        waits = [asyncio.create_task(self._leadership.won()), asyncio.create_task(self._stop.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        return not self._stop.is_set()

    async def _lead(self) -> None:
        logger.info("leading, term %s", self._leadership.term)
        # What an earlier leader still has under way lands before the list, or never.
        await asyncio.sleep(FENCE_SECONDS)
        self._metrics.leader.set(1)
        self._dispatcher = Dispatcher(
            self._api,
            self._engine,
            term=self._leadership.term,
            events=self._events,
            metrics=self._metrics,
            clock=time,
            suspect_deposed=self._suspect_deposed,
            queue_vanished=lambda name: JOBQUEUES.vanished(context, name),
        )
        context = Context(self._engine, self._bindings, self._metrics, time, self._dispatcher.changed)
        resync = Resync(self._api, context)
        self._statuses = StatusWriter(self._api, context, resync, events=self._events)
        registry = registry_for(
            self._api,
            start=lambda: self._start(context, resync),
            stop=self._finish,
            listed=resync.soon,
        )
        following = kopf.operator(
            registry=registry, memo=context, standalone=True, clusterwide=True, stop_flag=self._stop
        )
        await run_until_told(following, self._stop, self._finish)

    async def _start(self, context: Context, resync: Resync) -> None:
        """Rebuild the engine from all there is, then begin to decide. kopf calls it before it watches."""
        assert self._dispatcher is not None
        assert self._statuses is not None
        self._listen()  # kopf has taken the signals for itself, and says nothing before it has ended
        hub_id = await self._insist("read the namespace kube-system", lambda: identity_of(self._api))
        if self._settings.create_defaults:
            await self._insist("create the defaults", lambda: create_defaults(self._api))
        for kind in KINDS:
            await self._insist(f"list the {kind.plural}", partial(self._load, kind, context))
        proxies = Proxies(
            self._api, self._engine, hub_id=hub_id, events=self._events, metrics=self._metrics, clock=time
        )
        self._informer = JobInformer(
            self._api, self._engine, self._metrics, clock=time, changed=context.changed, proxies=proxies
        )
        await self._insist("list the Jobs", self._informer.list)
        scaler = Scaler(
            self._api,
            self._engine,
            events=self._events,
            metrics=self._metrics,
            clock=time,
            changed=context.changed,
        )
        await scaler.read_all()
        self._metrics.watch(self._engine, time)
        # What is loaded stays: the collector need not look at a hundred thousand Jobs again and again.
        gc.collect()
        gc.freeze()
        probe = ClusterProbe(self._api, self._engine, clock=time, changed=context.changed)
        self._run("events", self._events.run())
        self._run("bindings", self._bindings.run())
        self._run("resync", resync.run())
        self._run("jobs", self._informer.run())
        self._run("probe", probe.run())
        self._run("scaling", scaler.run())
        members = self._members(hub_id, proxies, context)
        self._remote = [self._run("proxies", proxies.run()), self._run("members", members.run())]
        self._run("statuses", self._write_statuses(self._statuses, members))
        self._run("dispatch", self._dispatcher.run())
        self._has_started = True

    async def _write_statuses(self, statuses: StatusWriter, members: Members) -> None:
        # Not before the clusters were asked: until then, what the statuses say is newer.
        await members.hear()
        await statuses.run()

    def _members(self, hub_id: str, proxies: Proxies, context: Context) -> Members:
        return Members(
            Surroundings(
                hub=self._api,
                hub_id=hub_id,
                engine=self._engine,
                proxies=proxies,
                identities=Identities(hub_id),
                lookups=Lookups(),
                metrics=self._metrics,
                probe_seconds=self._settings.member_probe_seconds,
                trusts=self._settings.trust_kubeconfigs,
                clock=time,
                changed=context.changed,
            )
        )

    async def _finish(self) -> None:
        """End all parts in order, once."""
        # Whatever has ended kopf. It would wait for seconds for those who wait for this flag.
        self._stop.set()
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._end_in_order(), name="finish")
        await asyncio.shield(self._finishing)

    async def _end_in_order(self) -> None:
        """End decisions, the writes under way, remote clusters, statuses and events, each with its last words."""
        if self._dispatcher is not None:
            await self._dispatcher.stop()
        await end_all(self._remote)
        if self._statuses is not None and self._has_started:
            await self._statuses.flush()
        await self._events.drain(2.0)
        await end_all(self._tasks)

    async def _load(self, kind: Kind[Any], context: Context) -> None:
        async for raw in list_all(self._api, kind.model):
            kind.take(raw, context)

    async def _insist(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works: without it there is nothing right to decide."""
        pauses = backoff()
        while True:
            try:
                return await attempt()
            except (ApiError, *UNREACHABLE) as error:
                logger.warning("cannot %s, trying again: %s", what, error)
                await asyncio.sleep(pause_after(error, next(pauses)))

    def _run(self, name: str, part: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a part of the operator; one that ends by an error ends the process, to begin anew from the truth."""
        task = asyncio.create_task(part, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._part_ended)
        return task

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("the part %s ended, the operator starts anew", task.get_name(), exc_info=error)
            _exit(1)

    def _suspect_deposed(self) -> None:
        if self._deposition is None or self._deposition.done():
            self._deposition = asyncio.create_task(self._check_lead())

    async def _check_lead(self) -> None:
        if not await self._leadership.still_leads():
            self._abdicate()

    def _on_lost(self, election: asyncio.Task[None]) -> None:
        if election.cancelled():
            return
        if (error := election.exception()) is not None:
            logger.critical("the election ended in an unforeseen way", exc_info=error)
        self._abdicate()

    def _abdicate(self) -> None:
        logger.critical("this replica no longer leads and ends")
        _exit(LOST_LEAD)

    def _alive(self) -> dict[str, str | None]:
        return {"loop": self._loop_problem()}

    def _loop_problem(self) -> str | None:
        cycled_at = self._dispatcher.cycled_at if self._dispatcher is not None else 0.0
        age = time() - cycled_at
        return f"has not turned for {age:.0f} s" if cycled_at and age > STALE_SECONDS else None

    def _ready(self) -> dict[str, str | None]:
        if not self._leadership.leads:
            return {"standby": None}
        synced = self._informer is not None and self._informer.synced
        return {
            "loop": self._loop_problem(),
            "jobs": None if synced else "not listed yet",
            # Not whether they answer: that is in the pools' statuses, and another replica would fare no better.
            "members": None if self._remote else "not followed yet",
            "bindings": self._bindings_problem(),
        }

    def _bindings_problem(self) -> str | None:
        if not self._bindings.synced:
            return "not in order yet"
        # That of a queue is no reason to keep all the others from an operator that is ready for them.
        trouble = self._bindings.trouble
        return Remark(trouble) if trouble else None


def _exit(code: int) -> NoReturn:
    """End at once: nothing in memory is to be acted upon any more."""
    logging.shutdown()
    os._exit(code)
