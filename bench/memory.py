"""What the operator holds in memory for 100,000 waiting Jobs.

They are real Jobs, read by the operator through the API server like any others, but most are written to etcd directly:
one Job is created through the API server, with everything its policies and the Job controller add, and copied under
other names and UIDs. Creating 100,000 one by one takes seven minutes on a small machine and would tell nothing more.

The Job controller, the scheduler and KWOK are stopped: nothing runs here, and they would only warm up the room.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import aiohttp
import orjson

from bench.bare import Task, job_body
from bench.cluster import QUEUES, Cluster, Json, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUES_COUNT: Final = 100
PROJECTS: Final = 50
NAMESPACE: Final = "bench-rss"
_BATCH: Final = 100


@dataclass(frozen=True)
class Memory:
    """Resident memory of the operator in MB (10^6 bytes)."""

    resident: float
    peak: float
    empty: float
    start_seconds: float
    """From the start of the process until it was ready, with the list."""


def measure(cluster: Cluster, jobs: int) -> Memory:
    """Fill the API server with waiting Jobs, start the operator, and look."""
    cluster.admin.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    task = Task(server="", ca_file="", token="", namespace=NAMESPACE, queue=_queue(0), count=jobs)
    with cluster.operator() as operator:
        for number in range(QUEUES_COUNT):
            cluster.create_queue(_queue(number), paused=True)
        cluster.wait_for_bindings()
        empty = operator.memory_mb()
    body = job_body(task, "original-name-of-job")
    body["metadata"]["labels"]["headgate.dev/project"] = "original-project"
    original = cluster.admin.call("POST", task.path, body)
    path = f"{task.path}/{original['metadata']['name']}"
    eventually(
        lambda: cluster.admin.call("GET", path)["status"].get("conditions"), within=30, what="a suspended Job"
    )
    original = cluster.admin.call("GET", path)
    for component in ("kube-controller-manager", "kube-scheduler", "kwok"):
        cluster.control_plane.stop_component(component)
    asyncio.run(_write_copies(cluster, original, jobs - 1))
    began = time.monotonic()
    with cluster.operator() as operator:
        ready = time.monotonic() - began
        # Statuses of all queues are written now; what that takes goes back to the allocator or stays.
        time.sleep(10)
        _check(cluster, jobs)
        return Memory(operator.memory_mb(), operator.memory_mb("VmHWM"), empty, ready)


def _queue(number: int) -> str:
    return f"bench-rss-{number}"


def _check(cluster: Cluster, jobs: int) -> None:
    """Make sure that the operator knows of all of them."""
    queues = cluster.admin.items(QUEUES)
    waiting = sum(((queue.get("status") or {}).get("jobs") or {}).get("waiting", 0) for queue in queues)
    if waiting != jobs:
        raise RuntimeError(f"{waiting} Jobs wait by the queues' statuses, not {jobs}")


def _copies(original: Json, count: int) -> Iterator[tuple[str, bytes]]:
    original["metadata"].pop("resourceVersion")
    original.setdefault("apiVersion", "batch/v1")
    original.setdefault("kind", "Job")
    text = orjson.dumps(original).decode()
    name, uid = original["metadata"]["name"], original["metadata"]["uid"]
    queue = orjson.dumps(_queue(0)).decode()
    for number in range(count):
        copy = f"nightly-training-{number:06}"
        body = (
            text.replace(uid, str(uuid4()))
            .replace(name, copy)
            .replace(queue, orjson.dumps(_queue(number % QUEUES_COUNT)).decode())
            .replace("original-project", f"project-{number // QUEUES_COUNT % PROJECTS}")
        )
        yield copy, body.encode()


async def _write_copies(cluster: Cluster, original: Json, count: int) -> None:
    """Put copies of a Job where the API server keeps its objects; it reads JSON there as well as protobuf."""
    etcd, prefix = _etcd_of(cluster.control_plane.pids["kube-apiserver"])
    copies = _copies(original, count)

    async def worker(session: aiohttp.ClientSession) -> None:
        while batch := [copy for _, copy in zip(range(_BATCH), copies, strict=False)]:
            puts = [
                {
                    "requestPut": {
                        "key": _b64(f"{prefix}/jobs/{NAMESPACE}/{name}".encode()),
                        "value": _b64(body),
                    }
                }
                for name, body in batch
            ]
            async with session.post("/v3/kv/txn", data=orjson.dumps({"success": puts})) as answer:
                answer.raise_for_status()
                await answer.read()

    async with aiohttp.ClientSession(etcd) as session, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(worker(session))


def _etcd_of(api_server: int) -> tuple[str, str]:
    """Return the address of an API server's etcd, and the prefix of its keys."""
    arguments = Path(f"/proc/{api_server}/cmdline").read_bytes().decode().split("\0")
    flags = dict(argument.split("=", 1) for argument in arguments if argument.startswith("--etcd-"))
    url = flags["--etcd-servers"]
    assert urllib.parse.urlsplit(url).hostname == "127.0.0.1", "only a control plane of our own is written to"
    return url, os.path.normpath(flags["--etcd-prefix"])


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
