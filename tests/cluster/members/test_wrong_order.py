"""Jobs, queues and pools of members that come in the wrong order: nothing stays broken for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, POOLS, eventually
from tests.cluster.harness.copies import MANAGED_BY, ended
from tests.cluster.harness.invariants import outcome, why_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.client import User
    from tests.cluster.harness.members import Fleet

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator")


def test_jobs_that_come_too_early_end_and_those_that_follow_run(
    fleet: Fleet, given: User, settled: Settled
) -> None:
    # As a commit with all of it may be applied: no queue, no pool, a pool without clusters.
    given.job("before-its-queue", "line", ttlSecondsAfterFinished=1)
    given.queue("line", pool=given.full("pool"))
    given.queue("hollow", pool=given.full("empty"))
    eventually(lambda: given.status("hollow").get("state"))
    given.accepts("line")
    given.job("before-its-pool", "line")
    given.job("proxy", "line", managedBy=MANAGED_BY, seconds=0.1)
    pools = {"kind": "ClusterPool", "apiVersion": "headgate.dev/v1alpha1"}
    given.client.create(POOLS, {**pools, "metadata": {"name": given.full("empty")}, "spec": {}})
    given.job("before-its-clusters", "hollow")
    given.until("line", waiting=3)
    given.until("hollow", waiting=1)

    fleet.pool("pool", "east")
    clusters = [fleet.cluster("west")]
    given.client.patch(f"{POOLS}/{given.full('empty')}", {"spec": {"clusters": clusters}})
    fleet.adopt("empty")

    # Who was made for it goes at once; the others are told, and fail a minute later.
    given.until("line", succeeded=1)
    for name in ("before-its-queue", "before-its-pool", "before-its-clusters"):
        (event,) = eventually(lambda name=name: given.events_on(name, reason="WrongManager"))  # type: ignore[misc]
        assert "create it anew" in event["note"]
    given.change_queue("line", state="Drained")
    eventually(lambda: why_failed(given.get_job("before-its-pool")) == "WrongManager")
    eventually(lambda: why_failed(given.get_job("before-its-clusters")) == "WrongManager")
    assert "create it anew" in ended(given.get_job("before-its-pool"))["message"]
    eventually(lambda: given.status("line")["state"] == "Drained")
    assert fleet.places() == {"proxy": "east"}
    # What has a TTL makes way for another of its name.
    eventually(lambda: "before-its-queue" not in {body["metadata"]["name"] for body in given.all_jobs()})
    given.change_queue("line", state="Active")
    given.accepts("line")
    for name, queue in (("before-its-queue", "line"), ("anew", "hollow")):
        fleet.until_proxied(queue)
        given.job(name, queue, seconds=ENDLESS)
    fleet.until_mirrored("before-its-queue", "anew")
    assert fleet.places() == {"proxy": "east", "before-its-queue": "east", "anew": "west"}
    fleet.end("before-its-queue", "anew")
    given.until("line", succeeded=2, failed=0, canceled=2)
    given.until("hollow", succeeded=1, canceled=1)
    assert outcome(given.get_job("before-its-queue")) == "succeeded"
    settled(given.full("hollow"))
