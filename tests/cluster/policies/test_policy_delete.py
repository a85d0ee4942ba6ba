"""A queue with live Jobs, the queue "default" and a pool with queues are not deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.policies.support import Api, eventually, local, queue, set_depth

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_queue_with_live_jobs(api: Api, make_queue: Callable[..., str]) -> None:
    name = make_queue()
    status = {"depth": {"current": 5, "limit": 10}, "jobs": {"total": 9, "waiting": 3, "active": 2}}
    status["jobs"].update(succeeded=4, failed=0, canceled=0, timedOut=0)
    api.patch("jobqueue", name, {"status": status}, subresource="status").accepted()
    answer = api.delete("jobqueue", name, dry_run=True)
    answer.refused(f'JobQueue "{name}" cannot be deleted: it has 5 live Jobs (3 waiting, 2 active)')
    set_depth(api, name, 0)
    api.delete("jobqueue", name).accepted()


def test_the_default_queue(api: Api) -> None:
    eventually(lambda: api.send("apply", queue("default")).accepted())
    answer = api.delete("jobqueue", "default", dry_run=True)
    answer.refused('JobQueue "default" cannot be deleted', "spec.dispatch.paused")


def test_a_pool_with_queues(api: Api, make_pool: Callable[..., str], namespace: str) -> None:
    name = make_pool(local(f"c-{namespace}"))
    api.patch("clusterpool", name, {"status": {"queues": 2}}, subresource="status").accepted()
    api.delete("clusterpool", name).refused(f'ClusterPool "{name}" cannot be deleted: 2 queues are in it')
