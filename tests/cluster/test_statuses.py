"""Statuses: exact, rare, silent at rest, and with totals that never forget."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, JOBS, POOLS, QUEUES, User, eventually
from tests.cluster.harness.invariants import QUEUE, outcome
from tests.cluster.harness.rest import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Replicas = Callable[..., OperatorProcess]
    Settled = Callable[..., dict[str, Any]]


@pytest.fixture
def leader(replicas: Replicas) -> OperatorProcess:
    return replicas("leader").wait_until_leading()


def versions(site: Site, *paths: str) -> dict[str, str]:
    return {
        body["metadata"]["uid"]: body["metadata"]["resourceVersion"]
        for path in paths
        for body in site.admin.items(path)
    }


def unleased(entries: list[dict[str, Any]]) -> list[str]:
    """What the operator wrote besides its Lease."""
    return [
        f"{entry['verb']} {entry['objectRef']['resource']} {entry['objectRef'].get('name')}"
        for entry in entries
        if entry["objectRef"]["resource"] != "leases"
    ]


def test_an_unchanged_world_causes_no_write(
    given: User, site: Site, leader: OperatorProcess, recorder: Recorder, settled: Settled
) -> None:
    if site.cluster.audit_log is None:
        pytest.skip("needs the API server's audit log")
    given.queue("busy", actionConcurrency=1, depth=8)
    given.queue("paused", dispatch={"paused": True})
    given.queue("stalled", pool=given.full("nowhere"))
    given.queue("drained", state="Drained")
    given.jobs(2, "busy", seconds=0.1)
    given.succeeded("busy", 2)
    given.job("endless", "busy", seconds=ENDLESS)
    given.jobs(2, "busy", prefix="behind")
    given.jobs(3, "paused", prefix="paused")
    given.jobs(3, "stalled", prefix="stalled")
    given.job("lost", "missing")
    given.until("busy", waiting=2, active=1)
    eventually(lambda: given.get_job("endless")["status"].get("ready") == 1)
    eventually(lambda: given.status("drained")["state"] == "Drained")
    assert eventually(lambda: given.events_on("lost", reason="QueueNotFound"))
    for queue in ("busy", "paused", "stalled", "drained"):
        settled(given.full(queue))
    watched = Watched(
        mark=site.audit_size,
        written=lambda since: unleased(site.audit(since)),
        versions=partial(versions, site, JOBS, QUEUES, POOLS),
    )

    since, before = watched.rests()

    # The operator has lived through the rest, and the audit log is what it is taken for.
    eventually(lambda: len(site.audit(since)) >= 3)
    assert len(before) >= 3 + 12
    given.change_queue("busy", state="Terminated")


def test_a_restart_writes_nothing_where_all_is_as_it_should_be(
    given: User, site: Site, replicas: Replicas, leader: OperatorProcess, settled: Settled
) -> None:
    if site.cluster.audit_log is None:
        pytest.skip("needs the API server's audit log")
    given.queue("line", depth=9)
    given.jobs(5, "line", seconds=0.1)
    given.succeeded("line", 5)
    given.queue("paused", dispatch={"paused": True})
    given.jobs(2, "paused", prefix="paused")
    given.until_waiting("paused", 2)
    for queue in ("line", "paused"):
        settled(given.full(queue))
    since = site.audit_size()
    leader.stop()
    stopped = datetime.now(UTC)
    mine = {
        given.full("line"),
        given.full("paused"),
        *(body["metadata"]["name"] for body in given.all_jobs()),
    }

    replicas("second").wait_until_leading()

    def of_the_second() -> list[dict[str, Any]]:
        # By when it was asked for: a line is written when the answer has been sent, or later.
        return [
            entry
            for entry in site.audit(since)
            if datetime.fromisoformat(entry["requestReceivedTimestamp"]) > stopped
        ]

    eventually(lambda: sum(entry["objectRef"]["resource"] == "leases" for entry in of_the_second()) >= 3)
    touched = [
        entry
        for entry in of_the_second()
        if entry["objectRef"].get("name") in mine and entry["objectRef"]["resource"] in ("jobs", "jobqueues")
    ]
    assert touched == []


def test_at_most_one_status_a_second_under_load(
    given: User, site: Site, leader: OperatorProcess, recorder: Recorder, settled: Settled
) -> None:
    if site.cluster.audit_log is None:
        pytest.skip("needs the API server's audit log")
    since = site.audit_size()
    given.queue("line", actionConcurrency=10)

    given.jobs(80, "line", seconds=0.1)

    given.succeeded("line", 80)
    settled(given.full("line"))
    # When a write reached the API server. The next one is begun a second after the answer at the earliest, so however
    # slow they are, they are never closer together than that.
    writes = [
        datetime.fromisoformat(entry["requestReceivedTimestamp"])
        for entry in site.audit(since)
        if entry["objectRef"]["resource"] == "jobqueues"
        and entry["objectRef"].get("subresource") == "status"
        and entry["objectRef"]["name"] == given.full("line")
    ]
    assert len(writes) >= 4
    assert min((two - one).total_seconds() for one, two in pairwise(writes)) >= 0.999
    # Jobs cost one write each, besides.
    admissions = leader.metric("headgate_admitted_total", queue=given.full("line"))
    assert admissions == 80


def test_totals_survive_the_jobs_and_the_operator(
    given: User, replicas: Replicas, leader: OperatorProcess, recorder: Recorder, site: Site
) -> None:
    given.queue("line")
    given.jobs(4, "line", prefix="kept", seconds=0.1)
    given.jobs(3, "line", prefix="bad", seconds=0.1, fail=True)
    given.jobs(3, "line", prefix="brief", seconds=0.1, ttlSecondsAfterFinished=0)

    def counts(succeeded: int, failed: int) -> None:
        wanted = {
            **dict.fromkeys(("waiting", "active", "canceled", "timedOut"), 0),
            "total": succeeded + failed,
            "succeeded": succeeded,
            "failed": failed,
        }

        def check() -> bool:
            assert given.status("line")["jobs"] == wanted, given.status("line")["jobs"]
            return True

        eventually(check)

    counts(7, 3)
    eventually(lambda: len(given.all_jobs()) == 7)
    for number in range(2):
        given.client.delete(f"{given.jobs_path}/kept-{number:04}")
    eventually(lambda: len(given.all_jobs()) == 5)
    given.job("marker", "line", seconds=0.1)
    counts(8, 3)

    # Jobs finish, and some of them are deleted, while nobody runs.
    given.change_queue("line", dispatch={"paused": False}, actionConcurrency=0)
    given.jobs(2, "line", prefix="late", seconds=ENDLESS)
    given.until_active("line", 2)
    leader.kill()
    site.free_lease()
    given.end("late-0000", "late-0001")
    eventually(lambda: [outcome(given.get_job(f"late-{n:04}")) for n in range(2)] == ["succeeded"] * 2)
    given.client.delete(f"{given.jobs_path}/bad-0000")
    eventually(lambda: len(given.all_jobs()) == 7)

    second = replicas("second").wait_until_leading()

    counts(10, 3)
    second.stop()
    for body in given.all_jobs():
        given.client.delete(f"{given.jobs_path}/{body['metadata']['name']}")
    eventually(lambda: not given.all_jobs())
    replicas("third").wait_until_leading()
    given.job("afterwards", "line", seconds=0.1)
    counts(11, 3)
    totals = [
        one.body["status"]["jobs"]["total"]
        for one in recorder.record()
        if one.kind == "JobQueue" and one.name == given.full("line") and one.body.get("status")
    ]
    assert [total for total, _ in groupby(totals)] == sorted(set(totals))


def test_counts_are_exact(given: User, site: Site, leader: OperatorProcess, settled: Settled) -> None:
    given.queue("line", actionConcurrency=5, depth=0)
    given.jobs(10, "line", prefix="good", seconds=0.1)
    given.jobs(7, "line", prefix="bad", seconds=0.1, fail=True)
    given.jobs(2, "line", prefix="slow", seconds=ENDLESS, activeDeadlineSeconds=1)

    given.succeeded("line", 10)

    eventually(lambda: given.status("line")["depth"]["current"] == 0)
    jobs = settled(given.full("line"))["jobs"]
    assert jobs == {
        "total": 19,
        "waiting": 0,
        "active": 0,
        "succeeded": 10,
        "failed": 7,
        "canceled": 0,
        "timedOut": 2,
    }
    selector = f"{QUEUE}%3D{given.full('line')}"
    assert len(site.admin.items(f"{JOBS}?labelSelector={selector}")) == 19
