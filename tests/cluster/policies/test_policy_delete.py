"""A queue with live Jobs, the queue "default" and a pool with queues are not deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.policies.support import Api, eventually, queue, remote, set_depth

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


def test_a_pool_with_queues(
    api: Api, make_pool: Callable[..., str], make_queue: Callable[..., str], namespace: str
) -> None:
    name, other = make_pool(remote(f"c-{namespace}")), make_pool()
    line = make_queue(pool=name)
    # No operator has counted it: the queue itself is looked at.
    assert "queues" not in api.get("clusterpool", name).get("status", {})
    told = (
        f'ClusterPool "{name}" cannot be deleted: queue "{line}" is in it; delete its queues first',
        f"kubectl get jobqueues --field-selector spec.pool={name}",
    )
    eventually(lambda: api.delete("clusterpool", name, dry_run=True).refused(*told))
    api.delete("clusterpool", other, dry_run=True).accepted()
    api.delete("jobqueue", line).accepted()
    eventually(lambda: api.delete("clusterpool", name, dry_run=True).accepted())


def test_many_at_once_are_guarded_like_one(
    api: Api, make_pool: Callable[..., str], make_queue: Callable[..., str], namespace: str
) -> None:
    here = make_pool(remote(f"c-{namespace}"))
    busy = make_queue(pool=here)
    label = {"metadata": {"labels": {"test": namespace}}}
    api.patch("jobqueue", busy, label).accepted()
    api.patch("clusterpool", here, label).accepted()
    set_depth(api, busy, 5)
    both = f"test={namespace}"
    told = f'queue "{busy}" is in it'
    eventually(lambda: api.delete_all("clusterpool", both, dry_run=True).refused(told))
    api.delete_all("clusterpool", both).refused(told)
    eventually(lambda: api.delete_all("jobqueue", both, dry_run=True).refused("it has 5 live Jobs"))
    api.delete_all("jobqueue", both).refused("it has 5 live Jobs")
    assert api.exists("jobqueue", busy)
    assert api.exists("clusterpool", here)
    set_depth(api, busy, 0)
    api.delete_all("jobqueue", both).accepted()
    assert not api.exists("jobqueue", busy)
