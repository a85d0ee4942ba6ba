"""What the Pods of a Job wrote, through the API server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from headgate.client._errors import HeadgateError, RefusedError
from headgate.client._jobs import LogLine
from headgate.kube.jobs import job_from

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from headgate.client._connection import Connection
    from headgate.engine.job import Job

Json = dict[str, Any]

OWNER: Final = "batch.kubernetes.io/controller-uid"
MAIN: Final = "kubectl.kubernetes.io/default-container"
_END: Final = object()


async def job_logs(
    connection: Connection, raw: Json, container: str | None, options: Mapping[str, str]
) -> AsyncGenerator[LogLine, None]:
    """Yield the lines of a Job's Pods; `options` are the parameters of the log subresource."""
    job = job_from(raw)
    who = f'Job "{job.namespace}/{job.name}"'
    if job.managed:
        raise RefusedError(_elsewhere(who, job))
    path = f"/api/v1/namespaces/{quote(job.namespace, safe='')}/pods"
    listed = connection.objects(path, labelSelector=f"{OWNER}={job.uid}")
    async with aclosing(listed):
        pods = [pod async for pod in listed]
    if not pods:
        gone = job.result is not None
        raise RefusedError(f"{who} has no Pods {'any more: they were deleted' if gone else 'yet: it waits'}")
    pods = [pod for pod in pods if (pod.get("status") or {}).get("phase") != "Pending"]
    if not pods:
        raise RefusedError(f"{who}: none of its Pods has started yet")
    pods.sort(key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
    texts = [_pod(connection, path, pod, container, options) for pod in pods]
    async with aclosing(_together(texts) if options["follow"] else _in_turn(texts)) as lines:
        async for line in lines:
            yield line


def _elsewhere(who: str, job: Job) -> str:
    if job.cluster is None:
        return f"{who} has no Pods yet: it waits"
    return (
        f'{who} runs in cluster "{job.cluster}", and its Pods are there: connect to that cluster and ask for the logs '
        "of the Job of this namespace and name"
    )


async def _pod(
    connection: Connection, path: str, pod: Json, container: str | None, options: Mapping[str, str]
) -> AsyncGenerator[LogLine, None]:
    metadata = pod["metadata"]
    chosen = (
        container or (metadata.get("annotations") or {}).get(MAIN) or pod["spec"]["containers"][0]["name"]
    )
    params = {"container": chosen, **{name: value for name, value in options.items() if value}}
    api = await connection.open()
    with connection.translated():
        async with api.lines(f"{path}/{quote(metadata['name'], safe='')}/log", **params) as lines:
            async for line in lines:
                yield LogLine(metadata["name"], chosen, line)


async def _in_turn(texts: list[AsyncGenerator[LogLine, None]]) -> AsyncGenerator[LogLine, None]:
    for text in texts:
        async with aclosing(text):
            async for line in text:
                yield line


async def _together(texts: list[AsyncGenerator[LogLine, None]]) -> AsyncGenerator[LogLine, None]:
    """Yield lines as they come, from whichever Pod."""
    queue: asyncio.Queue[LogLine | HeadgateError | object] = asyncio.Queue(1000)

    async def read(text: AsyncGenerator[LogLine, None]) -> None:
        try:
            async with aclosing(text):
                async for line in text:
                    await queue.put(line)
            await queue.put(_END)
        except HeadgateError as error:
            await queue.put(error)

    tasks = [asyncio.create_task(read(text)) for text in texts]
    try:
        left = len(tasks)
        while left:
            told = await queue.get()
            if isinstance(told, HeadgateError):
                raise told
            if isinstance(told, LogLine):
                yield told
            else:
                left -= 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
