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
from tests.cluster.harness.client import JOBS, QUEUES, Client, User, eventually
from tests.cluster.harness.cluster import LEASE, Site, install
from tests.cluster.harness.invariants import QUEUE, outcome, peaks, recount
from tests.cluster.harness.proxy import Wire, through
from tests.cluster.harness.witness import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

API_SERVER = "kube-apiserver"
CANNOT_RENEW = "cannot renew the Lease"
"""What the operator says then in its log."""


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
    """Restart it under an operator that has felt that it is away.

    A leader that cannot renew its Lease in time steps down, and rightly so, but to start an API server may take longer.
    So the operator is held still for that part, once it has failed to renew. Its clock goes on, but what it does first
    when it goes on itself is to try again.
    """
    before = operator.log.read_text().count(CANNOT_RENEW)
    site.cluster.stop_component(API_SERVER)
    eventually(lambda: operator.log.read_text().count(CANNOT_RENEW) > before)
    with operator.frozen():
        site.cluster.start_component(API_SERVER)
        token = yaml.safe_load(site.operator_kubeconfig.read_text())["users"][0]["user"]["token"]
        as_operator = Client(site.cluster.server, token, site.cluster.ca_file)
        eventually(lambda: as_operator.get(LEASE))


def exact(site: Site, given: User, queue: str) -> bool:
    """Whether a queue's status equals a recount from a fresh list."""
    jobs = site.admin.items(f"{JOBS}?labelSelector={QUEUE}%3D{given.full(queue)}")
    assert given.status(queue)["jobs"] == recount(jobs, given.full(queue))
    return True


def test_the_api_server_restarts_in_mid_run(own_site: Site, tmp_path: Path) -> None:
    """Its memory of watches is gone with it, so the operator is told 410 and lists anew."""
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
                since = eventually(site.lease)["renewTime"]
                eventually(partial(renewed_after, site, since))

            given.succeeded("line", full + 80, within=900)
            given.succeeded("runs", 20)
            eventually(lambda: exact(site, given, "line") and exact(site, given, "runs"))
            assert peaks(recorder.record(), given.full("line"))[0] == 7
    finally:
        code = operator.stop()
    log = operator.log.read_text()
    assert code == 0, log[-2000:]
    assert "listing them anew" in log, "the API server remembered: nothing was relisted"


def test_what_was_missed_while_the_watch_was_gone_is_made_up_for(
    site: Site, tmp_path: Path, recorder: Recorder, settled: Callable[..., dict[str, Any]]
) -> None:
    """Jobs and queues come and go while the operator cannot hear it."""
    given = site.given()
    site.free_lease()
    with Wire(site.cluster.server) as wire:
        operator = site.operator(
            tmp_path, kubeconfig=through(wire.server, site.operator_kubeconfig, tmp_path)
        ).start()
        try:
            operator.wait_until_leading()
            given.queue("line", dispatch={"paused": True})
            given.jobs(5, "line", seconds=0.1)
            given.until_waiting("line", 5)

            with operator.frozen():
                assert wire.cut() > 0
                given.client.delete(f"{given.jobs_path}/job-0000")
                given.job("new", "line", seconds=0.1)
                given.queue("other")
                given.job("there", "other", seconds=0.1)
                given.change_queue("line", dispatch={"paused": False})

            given.succeeded("line", 5)
            given.succeeded("other", 1)
            settled(given.full("line"))
        finally:
            assert operator.stop() == 0


def test_connections_are_cut_again_and_again(
    site: Site, tmp_path: Path, recorder: Recorder, settled: Callable[..., dict[str, Any]]
) -> None:
    """Watches drop, and answers of writes that were applied are lost."""
    rng = random.Random(7)
    given = site.given()
    site.free_lease()
    with Wire(site.cluster.server) as wire:
        operator = site.operator(
            tmp_path, kubeconfig=through(wire.server, site.operator_kubeconfig, tmp_path)
        ).start()
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
