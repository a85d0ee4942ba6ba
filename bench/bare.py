"""The loops that Headgate is measured against: they know no queue, no limit and no order, they only PATCH.

As little Python as an admission takes, on the stack that the operator uses: uvloop, aiohttp, orjson, 32 in flight. Each
runs in a process of its own with the token of the operator's ServiceAccount, so that the API server does the same
work for both: authenticate, authorize, evaluate the admission policies (the PATCH passes the fence because it carries
the current term), store. Unlike Headgate it demands no resourceVersion, follows nothing, and recovers from nothing.

    python -m bench.bare create|patch|follow < parameters as JSON
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import orjson
import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

IN_FLIGHT: Final = 32
QUEUE_LABEL: Final = "headgate.dev/queue"
MERGE: Final = "application/merge-patch+json"
BRIEF: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
"""The operator asks for no more than this in answer to a PATCH, so the bare loop does not either."""


@dataclass(frozen=True)
class Task:
    """What a loop has to do."""

    server: str
    ca_file: str
    token: str
    namespace: str
    queue: str
    count: int
    term: str = ""
    seconds: float = 1.0
    """How long a Job's Pod runs."""
    pods: int = 1
    """How many Pods a Job has at a time; with 0 it is active and runs nothing."""

    @property
    def path(self) -> str:
        """The Jobs of the namespace."""
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    def to_json(self) -> bytes:
        """Return it as JSON."""
        return orjson.dumps(asdict(self))


def job_body(task: Task, name: str) -> dict[str, Any]:
    """Return a Job whose Pods do nothing."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {QUEUE_LABEL: task.queue}},
        "spec": {
            "backoffLimit": 0,
            "parallelism": task.pods,
            "template": {
                "metadata": {"annotations": {"headgate.dev/test-duration": f"{task.seconds}s"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]},
            },
        },
    }


async def create(task: Task, session: aiohttp.ClientSession) -> None:
    """Create the Jobs at full speed."""

    async def one(name: str) -> None:
        async with session.post(task.path, data=orjson.dumps(job_body(task, name))) as answer:
            await _check(answer)

    await _all(one, (f"job-{number:05}" for number in range(task.count)))


async def patch(task: Task, session: aiohttp.ClientSession) -> None:
    """Admit Jobs that wait already."""
    await _all(lambda name: _admit(task, session, name), (f"job-{number:05}" for number in range(task.count)))


async def follow(task: Task, session: aiohttp.ClientSession) -> None:
    """Watch, and admit each Job as it appears."""
    slots = asyncio.Semaphore(IN_FLIGHT)
    seen: set[str] = set()

    async def one(name: str) -> None:
        try:
            await _admit(task, session, name)
        finally:
            slots.release()

    query = {"watch": "1", "labelSelector": f"{QUEUE_LABEL}={task.queue}"}
    timeout = aiohttp.ClientTimeout(total=None)
    async with asyncio.TaskGroup() as group, session.get(task.path, params=query, timeout=timeout) as answer:
        await _check(answer, read=False)
        # The benchmark waits for this line before it creates Jobs.
        print("watching", flush=True)
        rest = b""
        async for chunk in answer.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                body = orjson.loads(line)["object"]
                name = body["metadata"]["name"]
                if name not in seen and body["spec"].get("suspend"):
                    seen.add(name)
                    await slots.acquire()
                    group.create_task(one(name))
            if len(seen) == task.count:
                break


async def _admit(task: Task, session: aiohttp.ClientSession, name: str) -> None:
    body = {
        "metadata": {
            "annotations": {
                "headgate.dev/admitted-at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "headgate.dev/term": task.term,
                "headgate.dev/cluster": "local",
            }
        },
        "spec": {"suspend": False},
    }
    data = orjson.dumps(body)
    headers = {"Content-Type": MERGE, "Accept": BRIEF}
    async with session.patch(f"{task.path}/{name}", data=data, headers=headers) as answer:
        await _check(answer)


async def _all(one: Callable[[str], Awaitable[None]], names: Iterable[str]) -> None:
    waiting = iter(names)

    async def worker() -> None:
        for name in waiting:
            await one(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(worker())


async def _check(answer: aiohttp.ClientResponse, *, read: bool = True) -> None:
    if answer.status >= 400:
        raise RuntimeError(f"{answer.method} {answer.url}: {answer.status} {await answer.text()}")
    if read:
        await answer.read()


async def main(work: str, task: Task) -> None:
    """Do one of the three."""
    headers = {"Authorization": f"Bearer {task.token}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=64, ssl=ssl.create_default_context(cafile=task.ca_file))
    async with aiohttp.ClientSession(task.server, connector=connector, headers=headers) as session:
        await {"create": create, "patch": patch, "follow": follow}[work](task, session)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Task(**orjson.loads(sys.stdin.buffer.read()))))
