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
    from collections.abc import AsyncGenerator, Coroutine, Mapping

    from headgate.client._connection import Connection
    from headgate.engine.job import Job

Json = dict[str, Any]

OWNER: Final = "batch.kubernetes.io/controller-uid"
MAIN: Final = "kubectl.kubernetes.io/default-container"
INDEX: Final = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True, slots=True)
class JobPod:
    """A Pod of a Job that has started, or has ended since."""

    name: str
    phase: str
    """Running, Succeeded, Failed or Unknown."""
    index: int | None
    """Which completion of an indexed Job it is for."""
    containers: tuple[str, ...]
    """Its containers, those that ran before the others first."""
    main: str
    """The container that is meant where none is named."""


class JobPods:
    """The Pods of one Job, while it is there."""

    def __init__(self, connection: Connection, raw: Json) -> None:
        self._connection = connection
        self._job = job_from(raw)
        self._who = f'Job "{self._job.namespace}/{self._job.name}"'
        self._path = f"/api/v1/namespaces/{quote(self._job.namespace, safe='')}/pods"

    async def started(self, *, wait: bool) -> list[JobPod]:
        """Return those that have started, the oldest first; raises `RefusedError` where there are none.

        With `wait` it waits for one, unless the Job is finished before or runs in another cluster.
        """
        if self._job.managed:
            raise RefusedError(_elsewhere(self._who, self._job))
        pods = await self._all()
        if wait and self._job.result is None and not any(map(has_started, pods)):
            await _first_of(self._start(), self.end())
            path = job_path(quote(self._job.namespace, safe=""), quote(self._job.name, safe=""))
            self._job = job_from(await self._connection.call("GET", path))
            pods = await self._all()
        found = [_pod(raw) for raw in pods if has_started(raw)]
        if not found:
            raise RefusedError(f"{self._who} {self._why_none(pods)}")
        return found

    async def coming(self) -> AsyncGenerator[JobPod, None]:
        """Yield those that have started, and each that starts from now on; ends with the Job."""
        seen: set[str] = set()
        fresh: asyncio.Queue[JobPod | None] = asyncio.Queue()

        async def follow() -> None:
            async with aclosing(self._changes()) as told:
                async for pod in told:
                    fresh.put_nowait(pod)

        async def feed() -> None:
            await _first_of(follow(), self.end())
            # What the watch was too late to tell.
            for raw in await self._all():
                if has_started(raw):
                    fresh.put_nowait(_pod(raw))

        feeding = asyncio.create_task(feed())
        feeding.add_done_callback(lambda _: fresh.put_nowait(None))
        try:
            while (pod := await fresh.get()) is not None:
                if pod.name not in seen:
                    seen.add(pod.name)
                    yield pod
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

    async def _start(self) -> None:
        async with aclosing(self._changes()) as told:
            async for _ in told:
                return

    async def _changes(self) -> AsyncGenerator[JobPod, None]:
        told = changes(self._connection, self._path, dict, labels=f"{OWNER}={self._job.uid}")
        async with aclosing(told):
            async for type_, raw in told:
                if type_ != "DELETED" and has_started(raw):
                    yield _pod(raw)

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


def has_started(raw: Json) -> bool:
    """Whether a Pod has anything to read from."""
    phase: str = (raw.get("status") or {}).get("phase") or "Pending"
    return phase != "Pending"


def _pod(raw: Json) -> JobPod:
    metadata, spec = raw["metadata"], raw["spec"]
    annotations = metadata.get("annotations") or {}
    names = [one["name"] for one in (*(spec.get("initContainers") or ()), *spec["containers"])]
    main: str = annotations.get(MAIN) or ""
    index = annotations.get(INDEX)
    return JobPod(
        name=metadata["name"],
        phase=raw["status"]["phase"],
        index=int(index) if index is not None else None,
        containers=tuple(names),
        main=main if main in names else spec["containers"][0]["name"],
    )


def _why_not(raw: Json) -> str | None:
    """Return why a Pod has not started, as far as that is known: ``ImagePullBackOff``."""
    status = raw["status"]
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
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
