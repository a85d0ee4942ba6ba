"""The Pods of a Job, as far as one has to know them to read what they wrote."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from headgate.client._errors import RefusedError
from headgate.client._events import changes, versions
from headgate.kube.jobs import job_from
from headgate.kube.paths import job_path, jobs_path

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping

    from headgate.client._connection import Connection
    from headgate.client._events import Change
    from headgate.engine.job import Job

Json = dict[str, Any]

OWNER: Final = "batch.kubernetes.io/controller-uid"
MAIN: Final = "kubectl.kubernetes.io/default-container"
INDEX: Final = "batch.kubernetes.io/job-completion-index"


ENDED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class JobPod:
    """A Pod of a Job of which at least one container has started, or has ended since."""

    name: str
    phase: str
    """Pending, as long as not all of its containers have started, Running, Succeeded, Failed or Unknown."""
    index: int | None
    """Which completion of an indexed Job it is for."""
    containers: tuple[str, ...]
    """Its containers, those that run before the others first."""
    main: str
    """The container that is meant where none is named: of those before the main one, the last, until that starts."""
    started: tuple[str, ...] = ()
    """Its containers that have started."""


class JobPods:
    """The Pods of one Job, while it is there."""

    def __init__(self, connection: Connection, raw: Json) -> None:
        self._connection = connection
        self._job = job_from(raw)
        self._who = f'Job "{self._job.namespace}/{self._job.name}"'
        self._path = f"/api/v1/namespaces/{quote(self._job.namespace, safe='')}/pods"

    async def started(self, *, wait: Wanted | None = None) -> list[JobPod]:
        """Return those of which a container has started, the oldest first; raises `RefusedError` where there are none.

        With `wait` it waits for a container that is wanted, unless the Job is finished before or runs in another
        cluster.
        """
        if self._job.managed:
            raise RefusedError(_elsewhere(self._who, self._job))
        pods = await self._all()
        if wait and self._job.result is None and not any(wait.of(raw) for raw in pods):
            await _first_of(self._start(wait), self.end())
            path = job_path(quote(self._job.namespace, safe=""), quote(self._job.name, safe=""))
            self._job = job_from(await self._connection.call("GET", path))
            pods = await self._all()
        found = [_pod(raw) for raw in pods if started_containers(raw)]
        if not found:
            raise RefusedError(f"{self._who} {self._why_none(pods)}")
        return found

    async def coming(self, wanted: Wanted) -> AsyncGenerator[tuple[JobPod, str], None]:
        """Yield containers that are wanted and have started, and each that starts from now on, with its Pod.

        It ends with the Job, or with the only Pod that is wanted.
        """
        seen: set[tuple[str, str]] = set()
        fresh: asyncio.Queue[Json | None] = asyncio.Queue()

        async def follow() -> None:
            async with aclosing(self._changes()) as told:
                async for type_, raw in told:
                    fresh.put_nowait(raw)
                    gone = type_ == "DELETED" or raw["status"].get("phase") in ENDED
                    if gone and raw["metadata"]["name"] == wanted.pod:
                        return

        async def feed() -> None:
            await _first_of(follow(), self.end())
            # What the watch was too late to tell.
            for raw in await self._all():
                fresh.put_nowait(raw)

        feeding = asyncio.create_task(feed())
        feeding.add_done_callback(lambda _: fresh.put_nowait(None))
        try:
            while (raw := await fresh.get()) is not None:
                pod = _pod(raw)
                for container in wanted.of(raw):
                    if (pod.name, container) not in seen:
                        seen.add((pod.name, container))
                        yield pod, container
                        if wanted.is_one:
                            return
            feeding.result()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def end(self) -> None:
        """Wait until the Job is finished, or is not there any more."""
        path = jobs_path(quote(self._job.namespace, safe=""))
        async with aclosing(versions(self._connection, path, self._job.name, job_from)) as jobs:
            async for job in jobs:
                if job.uid != self._job.uid or job.result is not None:
                    return

    async def log(self, pod: JobPod, container: str, params: Mapping[str, str]) -> AsyncGenerator[str, None]:
        """Yield the lines of a container's log; `params` are those of the request."""
        path = f"{self._path}/{quote(pod.name, safe='')}/log"
        api = await self._connection.open()
        with self._connection.translated():
            async with api.lines(path, container=container, **params) as lines:
                async for line in lines:
                    yield line

    async def _start(self, wanted: Wanted) -> None:
        async with aclosing(self._changes()) as told:
            async for _, raw in told:
                if wanted.of(raw):
                    return

    def _changes(self) -> AsyncGenerator[Change[Json], None]:
        return changes(self._connection, self._path, dict, labels=f"{OWNER}={self._job.uid}")

    async def _all(self) -> list[Json]:
        listed = self._connection.objects(self._path, labelSelector=f"{OWNER}={self._job.uid}")
        async with aclosing(listed):
            pods = [pod async for pod in listed]
        return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def _why_none(self, pods: list[Json]) -> str:
        if self._job.result is not None:
            if self._job.queue and self._job.admitted_at is None:
                return "has never had Pods: it ended while it waited"
            return "has no Pods any more: they were deleted"
        if not pods:
            return "has no Pods yet: it waits"
        reasons = {reason for pod in pods if (reason := _why_not(pod))}
        return "has no Pod that has started yet" + (f": {', '.join(sorted(reasons))}" if reasons else "")


@dataclass(frozen=True)
class Wanted:
    """Which containers are asked for: of all Pods or one, all of them, one by name, or the main one."""

    pod: str | None = None
    container: str | None = None
    all_containers: bool = False

    @property
    def is_one(self) -> bool:
        """Whether it is a single container of a single Pod."""
        return self.pod is not None and not self.all_containers

    def of(self, raw: Json) -> tuple[str, ...]:
        """Return those of a Pod that have started, and one that it does not have: the API server says so."""
        if self.pod is not None and raw["metadata"]["name"] != self.pod:
            return ()
        started, names = started_containers(raw), _containers(raw)
        if self.all_containers:
            return started
        wanted = self.container or _main(raw)
        return (wanted,) if wanted in started or (started and wanted not in names) else ()


def started_containers(raw: Json) -> tuple[str, ...]:
    """Return the containers of a Pod that there is something to read from.

    A Pod is Pending as long as one of its containers is yet to start, others may run, or crash, for long before.
    """
    status = raw.get("status") or {}
    if (status.get("phase") or "Pending") != "Pending":
        return _containers(raw)
    return tuple(one["name"] for one in _statuses(status) if _has_started(one))


def _has_started(container: Json) -> bool:
    now, before = container.get("state") or {}, container.get("lastState") or {}
    return any(state.get(how) for state in (now, before) for how in ("running", "terminated"))


def _statuses(status: Json) -> Iterator[Json]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _containers(raw: Json) -> tuple[str, ...]:
    spec = raw["spec"]
    return tuple(one["name"] for one in (*(spec.get("initContainers") or ()), *spec["containers"]))


def _main(raw: Json) -> str:
    named: str = (raw["metadata"].get("annotations") or {}).get(MAIN) or ""
    return named if named in _containers(raw) else str(raw["spec"]["containers"][0]["name"])


def _pod(raw: Json) -> JobPod:
    started, main = started_containers(raw), _main(raw)
    index = (raw["metadata"].get("annotations") or {}).get(INDEX)
    return JobPod(
        name=raw["metadata"]["name"],
        phase=(raw.get("status") or {}).get("phase") or "Pending",
        index=int(index) if index is not None else None,
        containers=_containers(raw),
        main=main if main in started or not started else started[-1],
        started=started,
    )


def _why_not(raw: Json) -> str | None:
    """Return why a Pod has not started, as far as that is known: ``ImagePullBackOff``."""
    status = raw["status"]
    for container in _statuses(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return str(waiting["reason"])
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason')} ({condition.get('message')})"
    return None


def _elsewhere(who: str, job: Job) -> str:
    if job.cluster is None:
        return f"{who} has no Pods yet: it waits, and they will be in the cluster that it goes to"
    return (
        f'{who} runs in cluster "{job.cluster}", and its Pods are there: connect to that cluster and ask for the logs '
        "of the Job of this namespace and name"
    )


async def _first_of(*awaited: Coroutine[Any, Any, None]) -> None:
    """Wait until one of these has ended, and end the others; raises what that one raises."""
    tasks = [asyncio.create_task(one) for one in awaited]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
