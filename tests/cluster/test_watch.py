"""Connections break, the API server goes away and comes back with no memory of what it told: the operator goes on."""

from __future__ import annotations

import os
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from controlplane import ControlPlane
from tests.cluster.harness.client import (
    ENVIRONMENTS,
    JOBS,
    POLICIES,
    POOLS,
    QUEUES,
    Client,
    User,
    condition,
    eventually,
)
from tests.cluster.harness.cluster import LEASE, Site, install
from tests.cluster.harness.invariants import QUEUE, outcome, peaks, recount
from tests.cluster.harness.proxy import Gate, Wire
from tests.cluster.harness.witness import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

KINDS = (QUEUES, POOLS, ENVIRONMENTS, POLICIES)
WATCHES = "watch="
"""In every request for a watch."""
KOPFS_START = "GET /apis/headgate.dev/v1alpha1 HTTP"
"""The first that kopf asks for, after the operator has listed what there is."""
API_SERVER = "kube-apiserver"


@pytest.fixture(scope="module")
def own_site() -> Iterator[Site]:
    """A control plane of this file's own, to be broken."""
    if os.environ.get("HEADGATE_CLUSTER"):
        pytest.skip("restarts the API server: only on a control plane of the test's own")
    with ControlPlane.start(audit=True) as cluster:
        install(cluster)
        yield Site(cluster)


def renewed_after(site: Site, since: str) -> bool:
    return bool(site.lease()["renewTime"] > since)


def restart_the_api_server(site: Site, operator: OperatorProcess) -> None:
    """Restart it under an operator that is patient enough, and wait until that has renewed its Lease."""
    site.cluster.stop_component(API_SERVER)
    site.cluster.start_component(API_SERVER)
    token = yaml.safe_load(site.operator_kubeconfig.read_text())["users"][0]["user"]["token"]
    as_operator = Client(site.cluster.server, token, site.cluster.ca_file)
    since = eventually(lambda: as_operator.get(LEASE))["spec"]["renewTime"]
    eventually(lambda: operator.leads and renewed_after(site, since))


def exact(site: Site, given: User, queue: str) -> bool:
    """Whether a queue's status equals a recount from a fresh list."""
    jobs = site.admin.items(f"{JOBS}?labelSelector={QUEUE}%3D{given.full(queue)}")
    assert given.status(queue)["jobs"] == recount(jobs, given.full(queue))
    return True


def test_the_api_server_restarts_in_mid_run(own_site: Site, tmp_path: Path) -> None:
    """Its memory of watches is gone with it, and what was asked of it gets no answer."""
    site = own_site
    # However long it takes to start an API server twice.
    times = ("--lease-duration-seconds=1200", "--renew-deadline-seconds=900")
    operator = site.operator(tmp_path, arguments=times).start().wait_until_leading()
    given = site.given()
    try:
        with watched(site.recorder(), may_relist=True) as recorder:
            given.queue("line", actionConcurrency=7)
            given.queue("runs", runConcurrency=2)
            full = given.fill("line", 7)

            for part in range(2):
                # An API server that was started anew knows the kinds that its policies refer to a moment later.
                for queue in ("line", "runs"):
                    given.accepts(queue)
                given.jobs(10, "runs", prefix=f"runs-{part}", seconds=0.3)
                given.jobs(40, "line", prefix=f"line-{part}", seconds=0.3)
                assert [body for body in given.all_jobs() if body["spec"]["suspend"]], "nothing is left to do"
                restart_the_api_server(site, operator)

            given.succeeded("line", full + 80, within=900)
            given.succeeded("runs", 20)
            eventually(lambda: exact(site, given, "line") and exact(site, given, "runs"))
            assert peaks(recorder.record(), given.full("line"))[0] == 7
    finally:
        code = operator.stop()
    assert code == 0, operator.log.read_text()[-2000:]


@pytest.mark.parametrize("forgotten", [False, True], ids=["remembered", "forgotten"])
def test_what_was_missed_while_the_watch_was_gone_is_made_up_for(
    site: Site,
    tmp_path: Path,
    recorder: Recorder,
    settled: Callable[..., dict[str, Any]],
    forgotten: bool,
) -> None:
    """Jobs and queues come and go while the operator cannot hear it."""
    given = site.given()
    site.free_lease()
    with Gate(site.cluster.server, site.cluster.ca_file) as gate:
        operator = site.operator(tmp_path, server=gate.server).start()
        try:
            operator.wait_until_leading()
            given.queue("line", dispatch={"paused": True})
            given.jobs(5, "line", seconds=0.1)
            given.until_waiting("line", 5)

            gate.hold(WATCHES)
            gate.cut()
            given.client.delete(f"{given.jobs_path}/job-0000")
            given.job("new", "line", seconds=0.1)
            given.queue("other")
            given.job("there", "other", seconds=0.1)
            given.change_queue("line", dispatch={"paused": False})
            if forgotten:
                gate.forget(f"{JOBS}?", f"{QUEUES}?")
            gate.release()

            given.succeeded("line", 5)
            given.succeeded("other", 1)
            settled(given.full("line"))
            assert gate.remembers
        finally:
            assert operator.stop() == 0
    assert ("listing them anew" in operator.log.read_text()) is forgotten


def test_connections_are_cut_again_and_again(
    site: Site, tmp_path: Path, recorder: Recorder, settled: Callable[..., dict[str, Any]]
) -> None:
    """Watches drop, and answers of writes that were applied are lost."""
    rng = random.Random(7)
    given = site.given()
    site.free_lease()
    with Wire(site.cluster.server) as wire:
        operator = site.operator(tmp_path, server=wire.server).start()
        try:
            operator.wait_until_leading()
            given.queue("line", actionConcurrency=8)
            given.queue("free")
            given.queue("runs", runConcurrency=3)
            full = {"line": given.fill("line", 8), "free": 0, "runs": given.fill("runs", 3)}
            cuts = parts = 0
            # Three parts at least, and as many as it takes until some requests have gone without an answer.
            while parts < 3 or (operator.metric("headgate_api_errors_total") or 0) < 3:
                given.jobs(25, "line", prefix=f"line-{parts}", seconds=0.1)
                given.jobs(15, "free", prefix=f"free-{parts}", seconds=0.1)
                given.jobs(6, "runs", prefix=f"runs-{parts}", seconds=0.1)
                since = site.lease()["renewTime"]
                for _ in range(6):
                    time.sleep(rng.uniform(0.02, 0.3))
                    eventually(lambda: len(wire), every=0.01)
                    cuts += wire.cut()
                # Not oftener: a leader that cannot renew its Lease in time, try as it may, steps down.
                eventually(partial(renewed_after, site, since))
                parts += 1
            for queue, count in (("line", 25), ("free", 15), ("runs", 6)):
                given.succeeded(queue, full[queue] + parts * count, within=900)
                settled(given.full(queue))
            assert cuts >= parts * 6
            assert operator.leads
        finally:
            assert operator.stop() == 0
    assert {outcome(body) for body in given.all_jobs()} == {"succeeded"}
    record = recorder.record()
    assert peaks(record, given.full("line"))[0] == 8
    assert peaks(record, given.full("runs"))[1] == 3
    assert site.admin.get(f"{QUEUES}/{given.full('line')}")["status"]["jobs"]["total"] == 8 + parts * 25


def make_some(given: User) -> None:
    """Two of each kind: one to be deleted, one to be deleted and created anew."""
    for name in ("gone", "anew"):
        given.queue(name)
        given.pool(name, f"in-{name}")
        given.environment(name, capacity={"cpu": "1"})
        given.policy(name)
    given.job("done", "anew", seconds=0.1)
    given.succeeded("anew", 1)
    for path in KINDS:
        for name in ("gone", "anew"):
            eventually(partial(is_ready, given, path, name))


def is_ready(given: User, path: str, name: str) -> bool:
    return bool(
        condition(given.client.get(f"{path}/{given.full(name)}")["status"], "Ready")["status"] == "True"
    )


def delete_them(given: User) -> None:
    """Delete all of them, and create some anew with something else in their specs."""
    given.client.delete(f"{given.jobs_path}/done")
    for path in KINDS:
        for name in ("gone", "anew"):
            given.client.delete(f"{path}/{given.full(name)}")
    given.queue("anew", dispatch={"paused": True})
    given.pool("anew", "elsewhere")
    given.environment("anew", capacity={"cpu": "2"})
    given.policy("anew", computeReservation=10)


def knows_what_there_is(given: User, operator: OperatorProcess) -> None:
    """Wait until the operator goes by what there is now, and by nothing of what there was."""
    eventually(lambda: operator.metric("headgate_waiting", queue=given.full("gone")) is None)
    given.job("stranded", "gone", seconds=0.1)
    (event,) = eventually(lambda: given.events_on("stranded", reason="QueueNotFound"))
    assert given.full("gone") in event["note"]
    assert given.get_job("stranded")["spec"]["suspend"] is True
    for queue, spec, reason in (
        ("pool", {"pool": given.full("gone")}, "PoolNotFound"),
        ("environment", {"computeEnvironments": given.using("gone")}, "ComputeEnvironmentNotFound"),
        ("policy", {"schedulingPolicy": given.full("gone")}, "SchedulingPolicyNotFound"),
    ):
        given.queue(queue, **spec)
        eventually(lambda queue=queue, reason=reason: stalled(given, queue) == reason)  # type: ignore[misc]

    def anew() -> bool:
        status = given.status("anew")
        assert (status["jobs"]["total"], status["dispatch"]["paused"]) == (0, True)
        assert given.environment_status("anew")["free"]["cpu"] == "2"
        assert [cluster["name"] for cluster in given.pool_status("anew")["clusters"]] == [
            given.full("elsewhere")
        ]
        return is_ready(given, POLICIES, "anew")

    eventually(anew)


def stalled(given: User, queue: str) -> str:
    return str(given.condition(queue, "Stalled")["reason"])


def test_what_was_deleted_while_the_watch_was_gone_is_not_gone_by(
    site: Site, tmp_path: Path, recorder: Recorder
) -> None:
    """The API server has forgotten where the watch stopped, so kopf is told of all there is, and of nothing else."""
    given = site.given()
    site.free_lease()
    with Gate(site.cluster.server, site.cluster.ca_file) as gate:
        operator = site.operator(tmp_path, server=gate.server).start()
        try:
            operator.wait_until_leading()
            make_some(given)

            gate.hold(WATCHES)
            gate.cut()
            delete_them(given)
            gate.forget(*(f"{path}?" for path in KINDS))
            gate.release()

            knows_what_there_is(given, operator)
            eventually(lambda: gate.remembers)
        finally:
            assert operator.stop() == 0


def test_what_is_deleted_while_the_operator_starts_is_not_gone_by(
    site: Site, tmp_path: Path, recorder: Recorder
) -> None:
    """Between its own first list, by which it rebuilds the engine, and kopf's, no watch tells of anything."""
    given = site.given()
    site.free_lease()
    first = site.operator(tmp_path, "first").start()
    try:
        first.wait_until_leading()
        make_some(given)
    finally:
        assert first.stop() == 0
    with Gate(site.cluster.server, site.cluster.ca_file) as gate:
        gate.hold(KOPFS_START)
        operator = site.operator(tmp_path, "second", server=gate.server).start()
        try:
            operator.wait_until_leading()
            eventually(lambda: operator.metric("headgate_waiting", queue=given.full("gone")) is not None)

            delete_them(given)
            gate.release()

            knows_what_there_is(given, operator)
        finally:
            assert operator.stop() == 0
