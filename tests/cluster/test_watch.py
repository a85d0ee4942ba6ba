"""Connections break, the API server goes away and comes back with no memory of what it told: the operator goes on."""

from __future__ import annotations

import os
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from controlplane import ControlPlane
from tests.cluster.harness.client import JOBS, QUEUES, User, eventually
from tests.cluster.harness.cluster import Site, install
from tests.cluster.harness.invariants import QUEUE, outcome, peaks, recount
from tests.cluster.harness.proxy import Wire
from tests.cluster.harness.witness import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.harness.recorder import Recorder

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


def exact(site: Site, given: User, queue: str) -> bool:
    """Whether a queue's status equals a recount from a fresh list."""
    jobs = site.admin.items(f"{JOBS}?labelSelector={QUEUE}%3D{given.full(queue)}")
    assert given.status(queue)["jobs"] == recount(jobs, given.full(queue))
    return True


def test_the_api_server_restarts_in_mid_run(own_site: Site, tmp_path: Path) -> None:
    """Its memory of watches is gone with it, so the operator is told 410 and lists anew."""
    site = own_site
    operator = site.operator(tmp_path).start().wait_until_leading()
    given = site.given()
    try:
        with watched(site, may_relist=True) as recorder:
            given.queue("line", actionConcurrency=7)
            given.queue("runs", runConcurrency=2)
            given.accepts("runs")
            given.jobs(80, "line", prefix="line", seconds=0.3)
            given.jobs(20, "runs", prefix="runs", seconds=0.3)
            eventually(lambda: given.status("line")["jobs"]["succeeded"] >= 4)

            for _ in range(2):
                assert given.status("line")["jobs"]["waiting"], "all was over before the API server went"
                site.cluster.stop_component(API_SERVER)
                site.cluster.start_component(API_SERVER)
                # It must renew its Lease within ten seconds, or it would rightly step down.
                since = eventually(site.lease)["renewTime"]
                eventually(partial(renewed_after, site, since))

            given.succeeded("line", 80, within=90)
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
        operator = site.operator(tmp_path, kubeconfig=through(wire, site, tmp_path)).start()
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
        operator = site.operator(tmp_path, kubeconfig=through(wire, site, tmp_path)).start()
        try:
            operator.wait_until_leading()
            given.queue("line", actionConcurrency=8)
            given.queue("free")
            given.queue("runs", runConcurrency=3)
            cuts = 0
            for part in range(3):
                given.jobs(25, "line", prefix=f"line-{part}", seconds=0.1)
                given.jobs(15, "free", prefix=f"free-{part}", seconds=0.1)
                given.jobs(6, "runs", prefix=f"runs-{part}", seconds=0.1)
                for _ in range(6):
                    time.sleep(rng.uniform(0.02, 0.3))
                    cuts += wire.cut()
            for queue, count in (("line", 75), ("free", 45), ("runs", 18)):
                given.succeeded(queue, count)
                settled(given.full(queue))
            assert cuts >= 18
            assert (operator.metric("headgate_api_errors_total") or 0) >= 3
            assert operator.leads
        finally:
            assert operator.stop() == 0
    assert {outcome(body) for body in given.all_jobs()} == {"succeeded"}
    record = recorder.record()
    assert peaks(record, given.full("line"))[0] == 8
    assert peaks(record, given.full("runs"))[1] == 3
    assert site.admin.get(f"{QUEUES}/{given.full('line')}")["status"]["jobs"]["total"] == 75


def through(wire: Wire, site: Site, directory: Path) -> Path:
    """Return the operator's kubeconfig, over the wire."""
    path = directory / "wire.kubeconfig"
    path.write_text(site.operator_kubeconfig.read_text().replace(site.cluster.server, wire.server))
    return path
