"""Headgate as its administrators and users have it: installed by Helm, in Pods, with Jobs of real containers.

The tests build on each other, in their order.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import JOBS, User, eventually
from tests.cluster.harness.client import QUEUES as QUEUE_PATH
from tests.cluster.harness.cluster import RELEASE, SYSTEM
from tests.cluster.harness.invariants import COUNTS, FINISHED, peaks, recount
from tests.cluster.harness.witness import watched
from tests.cluster.node.workload import NARROW, NOT_STARTED, OWNER, QUEUES, RUNS, WIDE, Work, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.node.node import Node

    from tests.cluster.harness.cluster import Kubectl, Site
    from tests.cluster.node.release import Release

Json = dict[str, Any]

EVERY_SECONDS = 0.5
"""How often a Job is submitted while the operator is upgraded."""


@pytest.fixture(scope="module")
def notes(release: Release) -> str:
    """The release, and what Helm said of it."""
    return release.install()


@pytest.fixture(scope="module")
def team(site: Site, notes: str) -> User:
    """A namespace of users, for all tests of this file."""
    return site.given()


def test_install(release: Release, site: Site, node: Node, notes: str) -> None:
    assert "WARNING" not in notes
    deployment = site.admin.get(f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/{RELEASE}")
    assert deployment["status"]["readyReplicas"] == 2
    pods = release.pods()
    assert len(pods) == 2
    assert {pod["spec"]["nodeName"] for pod in pods} == {node.name}
    eventually(lambda: release.lead()[1] in {pod["metadata"]["name"] for pod in pods})
    # As the kernel has it: a user without a name, without any right, who cannot write where the program is.
    for pod in pods:
        pid = pid_of(node, release.container(pod["metadata"]["name"]))
        status = dict(line.split(":\t", 1) for line in node.run("cat", f"/proc/{pid}/status").splitlines())
        assert status["Uid"].split() == ["65532"] * 4
        assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        (root,) = [
            line.split()[5]
            for line in node.run("cat", f"/proc/{pid}/mountinfo").splitlines()
            if line.split()[4] == "/"
        ]
        assert "ro" in root.split(",")


def pid_of(node: Node, container: str) -> int:
    """Return the process of a container, as it is numbered on the node."""
    tasks = node.run("ctr", "--namespace", "k8s.io", "tasks", "list").splitlines()
    (pid,) = [line.split()[1] for line in tasks if line.startswith(container)]
    return int(pid)


def test_sixty_jobs_while_the_operator_and_kubelet_fall_over(
    release: Release, site: Site, node: Node, team: User, kubectl: Kubectl
) -> None:
    with watched(site.recorder()) as recorder:
        for queue, limits in QUEUES.items():
            team.queue(queue, **limits)
        for queue in QUEUES:
            team.accepts(queue)
        submitted = list(work())
        assert len(submitted) == 60
        submit(team, submitted)

        # The one that leads gives the lead away when its Pod is deleted, and loses it when it is killed.
        until_succeeded(team, 5)
        term, leader = release.lead()
        kubectl("delete", "pod", leader, "-n", SYSTEM, "--wait=false")
        _, second = release.lead(after=term)
        assert second != leader
        until_succeeded(team, 10)
        term, second = release.lead()
        release.kill(second)
        node.restart_kubelet()
        assert not finished(team, submitted), "all was over before the operator and kubelet were"
        release.lead(after=term)

        eventually(lambda: finished(team, submitted), within=900)
        outcomes = Counter((one.queue, one.outcome) for one in submitted)
        for queue in QUEUES:
            wanted = {name: outcomes[queue, name] for name in FINISHED}
            team.until(queue, **wanted, total=sum(wanted.values()), waiting=0, active=0)
            assert recount(site.admin.items(JOBS), team.full(queue)) == team.status(queue)["jobs"]
        assert set(team.status(WIDE)["jobs"]) == set(COUNTS)

        record = recorder.record()
    assert peaks(record, team.full(WIDE))[0] == 6
    assert peaks(record, team.full(NARROW))[0] == 2
    assert peaks(record, team.full(RUNS))[1] == 3

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(partial(told, kubectl, team), submitted)) == [
            (one.name, one.output, one.codes) for one in submitted
        ]
    # All is as it was: two Pods, of which kubelet started one again.
    eventually(lambda: [ready(pod) for pod in release.pods()] == [True, True])
    assert {pod["metadata"]["name"]: restarts(pod) for pod in release.pods()}[second]


def submit(team: User, submitted: list[Work]) -> None:
    """Create all, first the one that others are owned by."""
    bodies = (one.body(team, None) for one in submitted if not one.owned)
    created = team.client.create_all(team.jobs_path, bodies, at_once=4)
    (owner,) = [body for body in created if body["metadata"]["name"] == OWNER]
    team.client.create_all(team.jobs_path, (one.body(team, owner) for one in submitted if one.owned))


def until_succeeded(team: User, count: int) -> None:
    eventually(lambda: sum(team.status(queue)["jobs"]["succeeded"] for queue in QUEUES) >= count)


def finished(team: User, submitted: list[Work]) -> bool:
    """Whether all have come to their end."""
    ended = [
        body["metadata"]["name"]
        for body in team.all_jobs()
        if any(
            one["type"] in ("Complete", "Failed") and one["status"] == "True"
            for one in body["status"].get("conditions", ())
        )
    ]
    return {one.name for one in submitted} <= set(ended)


def told(kubectl: Kubectl, team: User, one: Work) -> tuple[str, list[str], list[int]]:
    """Return what the containers of a Job said and how they ended, of those that were started and are left."""
    lines, codes = list[str](), list[int]()
    for pod in team.pods(one.name):
        (status,) = pod["status"]["containerStatuses"]
        code = status["state"]["terminated"]["exitCode"]
        if code != NOT_STARTED:
            codes.append(code)
            lines += kubectl("logs", pod["metadata"]["name"], "-n", team.namespace).stdout.splitlines()
    return one.name, sorted(lines), sorted(codes)


def ready(pod: Json) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"]["conditions"])


def restarts(pod: Json) -> int:
    return sum(status["restartCount"] for status in pod["status"]["containerStatuses"])


def test_an_upgrade_does_not_hold_up_admission(release: Release, site: Site, team: User) -> None:
    team.queue("stream")
    team.accepts("stream")
    (term, _), before = release.lead(), {pod["metadata"]["name"] for pod in release.pods()}
    lease_seconds = site.lease()["leaseDurationSeconds"]
    with watched(site.recorder()), stream(team, "stream") as names:
        release.upgrade("--set", "logging.level=debug")
        release.lead(after=term)
        told_of = len(names)
        eventually(lambda: len(names) > told_of)  # one more, for the new leader
    pods = release.pods()
    assert len(pods) == 2
    assert not before & {pod["metadata"]["name"] for pod in pods}
    assert all("--log-level=debug" in pod["spec"]["containers"][0]["args"] for pod in pods)

    waits = eventually(lambda: admissions(team, names))
    # Who leads gives the lead away, so nobody waits for the Lease to expire. But a busy machine takes its time.
    slow = {name: seconds for name, seconds in waits.items() if seconds > 4 * lease_seconds}
    assert not slow, f"admission took longer than four times the lease of {lease_seconds} s: {slow}"


@contextmanager
def stream(team: User, queue: str) -> Iterator[list[str]]:
    """Submit Jobs all the time, of no Pods: only their admission is of interest."""
    stop, names = Event(), list[str]()

    def submit() -> None:
        while not stop.wait(EVERY_SECONDS):
            name = f"stream-{len(names):04}"
            # An error in this thread would be nobody's.
            eventually(partial(team.job, name, queue, parallelism=0))
            names.append(name)

    thread = Thread(target=submit)
    thread.start()
    try:
        yield names
    finally:
        stop.set()
        thread.join()


def admissions(team: User, names: list[str]) -> dict[str, float]:
    """Return how many seconds each of these Jobs waited; a KeyError while one still waits."""
    waits = {}
    for body in team.all_jobs():
        metadata = body["metadata"]
        if metadata["name"] in names:
            times = (metadata["creationTimestamp"], metadata["annotations"]["headgate.dev/admitted-at"])
            created, admitted = map(datetime.fromisoformat, times)
            waits[metadata["name"]] = (admitted - created).total_seconds()
    return waits


def test_helm_test(release: Release) -> None:
    assert "Succeeded" in release.test()


def test_uninstalling_leaves_jobs_and_queues(release: Release, site: Site, team: User) -> None:
    team.queue("left")
    team.queue("held", dispatch={"paused": True})
    team.accepts("left")
    team.accepts("held")
    script = "while [ ! -e /tmp/end ]; do sleep 0.2; done; echo released"
    running = Work("left", "running", script)
    team.client.create(team.jobs_path, running.body(team, None))
    team.client.create(team.jobs_path, Work("held", "waiting", "true").body(team, None))
    (pod,) = eventually(lambda: [one for one in team.pods("running") if one["status"]["phase"] == "Running"])
    team.until("held", waiting=1)
    jobs = {body["metadata"]["uid"] for body in team.all_jobs()}
    queues = {body["metadata"]["uid"]: body["spec"] for body in site.admin.items(QUEUE_PATH)}

    release.uninstall()

    eventually(lambda: not release.pods())
    assert {body["metadata"]["uid"] for body in team.all_jobs()} == jobs
    assert {body["metadata"]["uid"]: body["spec"] for body in site.admin.items(QUEUE_PATH)} == queues
    assert team.get_job("waiting")["spec"]["suspend"]
    # What runs has noticed nothing, and ends as it would have.
    site.kubectl("exec", pod["metadata"]["name"], "-n", team.namespace, "--", "touch", "/tmp/end")
    eventually(lambda: team.get_job("running")["status"].get("succeeded") == 1)
    assert site.kubectl("logs", pod["metadata"]["name"], "-n", team.namespace).stdout == "released\n"
