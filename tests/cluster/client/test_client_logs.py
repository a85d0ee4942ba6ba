"""Logs, through a real API server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from tests.cluster.harness.client import ENDLESS, PATIENCE, eventually
from tests.cluster.harness.kubelet import a_node_with_logs

from headgate.client import LogLine, NotFoundError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness.client import User
    from tests.cluster.harness.cluster import Site

    from headgate.client import Client

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(scope="module")
def node(site: Site) -> Iterator[str]:
    with a_node_with_logs(site) as name:
        yield name


def test_logs(client: Client, viewer: Client, given: User, node: str) -> None:
    given.queue("line")
    containers = [{"name": name, "image": "none"} for name in ("main", "side")]
    given.job("two", "line", seconds=ENDLESS, parallelism=2, pod={"nodeName": node, "containers": containers})
    eventually(lambda: [pod["status"]["phase"] for pod in given.pods("two")] == ["Running"] * 2)
    pods = {pod["metadata"]["name"] for pod in given.pods("two")}

    lines = list(client.jobs.logs("two"))

    assert len(lines) == 6
    assert {line.pod for line in lines} == pods
    assert [line.text for line in lines[:3]] == ["main ", "zweite Zeile: ü", "the end"]
    assert {line.pod for line in lines[:3]} == {lines[0].pod}
    asked = next(iter(client.jobs.logs("two", container="side", tail=5, timestamps=True)))
    assert asked == LogLine(asked.pod, "side", "side tailLines=5,timestamps=true")
    asked = next(iter(client.jobs.logs("two", since=1_772_366_400.0, previous=True)))
    assert asked.text == "main previous=true,sinceTime=2026-03-01T12:00:00Z"
    found = viewer.jobs.pods(f"{given.namespace}/two")
    assert {pod.name for pod in found} == pods
    assert {(pod.phase, pod.main, pod.containers) for pod in found} == {("Running", "main", ("main", "side"))}
    of_one = list(client.jobs.logs("two", pod=found[0].name, all_containers=True))
    assert [(line.pod, line.container) for line in of_one[::3]] == [
        (found[0].name, "main"),
        (found[0].name, "side"),
    ]
    followed = list(viewer.jobs.logs(f"{given.namespace}/two", pod=found[0].name, follow=True))
    assert [line.text for line in followed] == ["main follow=true", "zweite Zeile: ü", "the end"]
    for line in client.jobs.logs("two", follow=True):
        assert line.container == "main"
        break
    with pytest.raises(RefusedError, match="container nothing is not valid"):
        list(client.jobs.logs("two", container="nothing", follow=True))
    with pytest.raises(NotFoundError, match='no Pod "nobody"'):
        list(client.jobs.logs("two", pod="nobody"))
    given.end("two")


def test_what_runs_before_the_main_container_can_be_read(client: Client, given: User, site: Site) -> None:
    given.queue("line")
    with a_node_with_logs(site, simulated=False) as node:
        init = [{"name": name, "image": "none"} for name in ("fetch", "unpack")]
        given.job("starts", "line", pod={"nodeName": node, "initContainers": init})
        eventually(lambda: len(given.pods("starts")) == 1)
        with pytest.raises(RefusedError, match="no Pod that has started yet"):
            client.jobs.pods("starts")

        [pod] = given.pods("starts")
        path = f"/api/v1/namespaces/{given.namespace}/pods/{pod['metadata']['name']}"
        crashed = {"terminated": {"exitCode": 1, "reason": "Error"}}
        waiting = {"waiting": {"reason": "PodInitializing"}}
        blank = {"image": "none", "imageID": "", "ready": False, "restartCount": 0}
        status = {
            "phase": "Pending",
            "initContainerStatuses": [
                {
                    "name": "fetch",
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": crashed,
                    **blank,
                },
                {"name": "unpack", "state": waiting, **blank},
            ],
            "containerStatuses": [{"name": "main", "state": waiting, **blank}],
        }
        site.admin.patch(f"{path}/status", {"status": status})

        (seen,) = client.jobs.pods("starts")
        assert (seen.phase, seen.main, seen.started) == ("Pending", "fetch", ("fetch",))
        for options in ({}, {"container": "fetch"}, {"all_containers": True}):
            line = next(client.jobs.logs("starts", **options))
            assert (line.container, line.text) == ("fetch", "fetch ")
        followed = next(client.jobs.logs("starts", container="fetch", follow=True))
        assert followed.text == "fetch follow=true"
        assert next(client.jobs.logs("starts", all_containers=True, follow=True)).container == "fetch"
        site.admin.call("DELETE", path, {"gracePeriodSeconds": 0})
        client.jobs.cancel("starts")


def test_a_job_is_followed_from_the_line_to_its_end(client: Client, given: User, node: str) -> None:
    given.queue("line", dispatch={"paused": True})
    given.job("twice", "line", seconds=ENDLESS, parallelism=1, completions=2, pod={"nodeName": node})
    lines: list[LogLine] = []

    def follow() -> None:
        lines.extend(client.jobs.logs("twice", follow=True))

    following = threading.Thread(target=follow)
    following.start()
    client.queues.resume(given.full("line"))
    given.end_all("line", 1)
    following.join(timeout=PATIENCE)

    assert not following.is_alive()
    assert len({line.pod for line in lines}) == 2
    assert [line.text for line in lines] == ["main follow=true", "zweite Zeile: ü", "the end"] * 2


def test_logs_that_are_not_there(client: Client, given: User) -> None:
    given.queue("line", dispatch={"paused": True})
    given.job("waits", "line")
    with pytest.raises(RefusedError, match=r'Job ".*/waits" has no Pods yet: it waits'):
        list(client.jobs.logs("waits"))
    with pytest.raises(NotFoundError):
        list(client.jobs.logs("nobody"))
    errors: list[RefusedError] = []

    def wait() -> None:
        with pytest.raises(RefusedError) as caught:
            client.jobs.pods("waits", wait=True)
        errors.append(caught.value)

    waiting = threading.Thread(target=wait)
    waiting.start()
    client.jobs.cancel("waits")
    client.jobs.wait("waits", timeout=PATIENCE)
    waiting.join(timeout=PATIENCE)
    assert ["has never had Pods: it ended while it waited" in str(error) for error in errors] == [True]


def test_pods_that_have_not_started(client: Client, given: User) -> None:
    given.queue("line")
    given.job("large", "line", requests={"cpu": "1000"})
    eventually(lambda: given.pods("large"))

    def told() -> bool:
        with pytest.raises(RefusedError) as caught:
            client.jobs.pods("large")
        assert "has no Pod that has started yet: Unschedulable (" in str(caught.value)
        return True

    eventually(told)
    client.jobs.cancel("large")
    client.jobs.wait("large", timeout=PATIENCE)
    with pytest.raises(RefusedError, match="has no Pods any more: they were deleted"):
        list(client.jobs.logs("large"))
