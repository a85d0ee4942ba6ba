"""What the client says of a Job that waits is what the operator then does."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.harness.client import ENDLESS, JOBS, PATIENCE, User, eventually, next_second
from tests.cluster.harness.cluster import LEASE, RBAC

from headgate.api.times import seconds
from headgate.client import Client, NotFoundError, RefusedError
from headgate.kube.client import Api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess

    from headgate.client import Explanation

pytestmark = pytest.mark.usefixtures("operator")


def admission_order(given: User) -> list[str]:
    """Return the names of the Jobs in the order in which they were admitted."""
    stamps = {
        body["metadata"]["name"]: body["metadata"]["annotations"].get("headgate.dev/admitted-at")
        for body in given.all_jobs()
    }
    return sorted((name for name in stamps if stamps[name]), key=lambda name: str(stamps[name]))


def test_the_order_that_is_told_is_the_order_that_comes(client: Client, given: User) -> None:
    given.queue("line", actionConcurrency=1, executionMode="PRIORITY", dispatch={"paused": True})
    given.job("runs", "line", seconds=ENDLESS, annotations={"headgate.dev/priority": "9999"})
    for number in range(6):
        given.job(
            f"job-{number}",
            "line",
            seconds=ENDLESS,
            annotations={"headgate.dev/priority": str(number % 4)},
        )
    given.until_waiting("line", 7)
    client.queues.resume(given.full("line"))
    given.until("line", active=1, waiting=6)
    first = admission_order(given)
    waiting = [job.name for job in client.jobs.list(filters="sched")]

    told = {name: client.jobs.why(name) for name in waiting}

    assert sorted(one.position or 0 for one in told.values()) == [1, 2, 3, 4, 5, 6]
    line = sorted(told, key=lambda name: told[name].position or 0)
    for place, name in enumerate(line):
        assert [ahead.name for ahead in told[name].ahead] == line[:place]
        assert [hold.reason for hold in told[name].holds] == ["ActionLimit"]
    top = client.queues.line(given.full("line"), limit=4)
    assert (top.queue, top.waiting, [place.name for place in top.places]) == (given.full("line"), 6, line[:4])
    assert [hold.reason for hold in top.places[0].holds] == ["ActionLimit"]
    given.end_all("line", 7)
    assert admission_order(given) == first + line


def test_whose_turn_it_is_follows_from_the_jobs(client: Client, given: User) -> None:
    given.queue("line", actionConcurrency=1, dispatch={"paused": True})
    for project in "ab":
        for number in range(3):
            given.job(
                f"{project}-{number}", "line", seconds=ENDLESS, labels={"headgate.dev/project": project}
            )
        next_second()
    given.until_waiting("line", 6)
    client.queues.resume(given.full("line"))
    given.until("line", active=1, waiting=5)
    first = admission_order(given)

    top = client.queues.line(given.full("line"))

    given.end_all("line", 6)
    assert admission_order(given) == first + [place.name for place in top.places]
    assert [name[0] for name in admission_order(given)] == list("ababab")


RUNTIME = 10.0


def test_when_it_goes_is_what_past_runtimes_say_and_no_later_than_it_then_does(
    client: Client, given: User
) -> None:
    """A Job never runs for less than it is told to here, so what comes cannot come sooner than is estimated."""
    given.queue("line", actionConcurrency=2)
    given.jobs(2, "line", prefix="past", seconds=RUNTIME)
    given.succeeded("line", 2)
    given.change_queue("line", actionConcurrency=1)

    def estimates() -> list[tuple[float, float]]:
        """Ask while the first of three runs, which is not overdue yet; a slow machine may need another three."""
        names = [f"j{next(serial)}" for _ in range(3)]
        for name in names:
            given.job(name, "line", seconds=RUNTIME)
            next_second()
        given.until("line", active=1, waiting=2)
        asked = time.time()
        told = [client.jobs.why(name).estimate for name in names[1:]]
        given.until("line", active=0, waiting=0)
        assert None not in told, "it took longer to ask than the Job runs"
        waits = [(client.jobs.get(name).t_run or 0.0) - asked for name in names[1:]]
        return [(estimate or 0.0, wait) for estimate, wait in zip(told, waits, strict=True)]

    serial = count()
    (first, first_wait), (second, second_wait) = eventually(estimates, within=400)
    usual = second - first

    assert usual >= RUNTIME - 2
    assert 0 < first <= usual
    # Where the machine was slower in the past than it was then, it was expected to be so again.
    slower = max(0.0, usual - RUNTIME)
    assert first_wait >= first - slower - 2
    assert second_wait >= second - 2 * slower - 2


def test_of_what_is_overdue_nobody_knows_the_end(client: Client, given: User) -> None:
    given.queue("line", actionConcurrency=1)
    given.job("quick", "line", seconds=0.1)
    given.succeeded("line", 1)
    given.job("runs", "line", seconds=ENDLESS)
    given.until("line", active=1)
    given.job("next", "line")
    given.until("line", active=1, waiting=1)

    def overdue() -> bool:
        told = client.jobs.why("next")
        assert (told.position, told.estimate) == (1, None), told
        assert told.doubt is not None
        assert (told.doubt.name, (told.doubt.overdue or 0.0) > 0) == ("runs", True)
        return True

    eventually(overdue)


def test_since_when(client: Client, given: User) -> None:
    given.queue("line", actionConcurrency=1)
    given.queue("stalled", pool=given.full("nowhere"))
    given.job("runs", "line", seconds=ENDLESS)
    given.until("line", active=1)
    given.job("next", "line", annotations={"headgate.dev/depends-on": "runs"})
    next_second()
    hold = {"metadata": {"annotations": {"headgate.dev/hold": "true"}}}
    given.client.patch(f"{given.jobs_path}/next?fieldManager=somebody-else", hold)
    given.job("stuck", "stalled")
    eventually(lambda: given.condition("stalled", "Stalled")["status"] == "True")
    runs, waits = client.jobs.get("runs"), client.jobs.get("next")

    since = {hold.reason: hold.since for hold in client.jobs.why("next").holds}

    assert since.keys() == {"Held", "Depends", "ActionLimit"}
    assert since["ActionLimit"] == runs.t_run
    assert waits.t_submit <= (since["Depends"] or 0.0) < (since["Held"] or 0.0) <= time.time() + 1
    (stall,) = client.jobs.why("stuck").holds
    told = given.condition("stalled", "Stalled")["lastTransitionTime"]
    assert (stall.reason, stall.since) == ("PoolNotFound", seconds(told))


def test_the_lines_of_several_queues_take_one_list(
    client: Client, given: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for queue in ("one", "two"):
        given.queue(queue, dispatch={"paused": True})
        for number in range(3):
            given.job(f"{queue}-{number}", queue, annotations={"headgate.dev/priority": str(number)})
        given.until_waiting(queue, 3)
    names = [given.full("one"), given.full("two")]
    alone = {name: client.queues.line(name) for name in names}
    begun: list[str] = []
    call = Api.call

    async def counted(api: Api, method: str, path: str, *rest: Any, **more: Any) -> dict[str, Any]:
        # How many pages a list has is up to those who left Jobs here before.
        if not (more.get("params") or {}).get("continue"):
            begun.append(path)
        return await call(api, method, path, *rest, **more)

    monkeypatch.setattr(Api, "call", counted)
    together = client.queues.lines(names)

    assert together == alone
    assert begun.count(JOBS) == 1


def test_without_an_operator_nothing_goes(
    client: Client,
    viewer: Client,
    site: Site,
    given: User,
    operator: OperatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given.queue("line")
    given.job("before", "line", seconds=ENDLESS)
    given.until("line", active=1)
    leader = client.leader()
    assert leader is not None
    assert leader.leads(time.time())

    with operator.frozen():
        given.job("next", "line")
        lease = site.admin.get(LEASE)
        site.admin.patch(LEASE, {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}})
        (hold,) = client.jobs.why("next").holds
        line = client.queues.line(given.full("line"))
        # Who may not see the Lease is told when it becomes strange that it still waits.
        monkeypatch.setattr("headgate.client._why.AT_ONCE_SECONDS", 3600.0)
        unseen = viewer.jobs.why(f"{given.namespace}/next")
        monkeypatch.setattr("headgate.client._why.AT_ONCE_SECONDS", -60.0)
        strange = viewer.jobs.why(f"{given.namespace}/next")
        site.admin.patch(LEASE, {"spec": {"renewTime": lease["spec"]["renewTime"]}})

    assert hold.reason == "NoOperator"
    assert "nothing is admitted" in hold.message
    assert hold.since == seconds("2020-01-01T00:00:00Z")
    assert [(place.name, place.seconds, place.holds[0].reason) for place in line.places] == [
        ("next", None, "NoOperator")
    ]
    assert (unseen.holds, unseen.estimate) == ((), 0.0)
    assert [hold.reason for hold in strange.holds] == ["NotYetAdmitted"]


def test_who_may_not_list_everything_is_told_what_the_queue_says(
    client: Client, site: Site, given: User, kubeconfig_with: Callable[[str], Path]
) -> None:
    given.queue("line", actionConcurrency=1, dispatch={"paused": True, "note": "for now"})
    given.job("next", "line", annotations={"headgate.dev/depends-on": "nobody", "headgate.dev/hold": "true"})
    eventually(lambda: given.status("line")["dispatch"]["paused"])

    def told_to(role: str) -> Explanation:
        """Ask as somebody who sees this namespace and, by a ClusterRole, something or nothing of Headgate's."""
        with Client.connect(str(kubeconfig_with(role)), namespace=given.namespace) as client:
            name = client.whoami().username.rpartition(":")[2]
            binding = {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": name}],
            }
            site.admin.create(f"/apis/{RBAC}/v1/namespaces/{given.namespace}/rolebindings", binding)
            eventually(lambda: client.can("get", "jobs", group="batch", namespace=given.namespace))
            return client.jobs.why("next")

    nothing_of_queues, told = told_to(""), told_to("headgate-viewer")

    assert [hold.reason for hold in nothing_of_queues.holds] == ["Held", "Depends"]
    assert nothing_of_queues.unseen is not None
    assert "get jobqueues.headgate.dev" in nothing_of_queues.unseen
    assert [hold.reason for hold in told.holds] == ["Held", "Depends", "Paused"]
    assert told.holds == client.jobs.why("next").holds
    assert (told.unseen, told.position, told.estimate) == ("list jobs.batch", None, None)


def test_what_holds_it(client: Client, viewer: Client, given: User) -> None:
    given.environment("small", capacity={"cpu": "1"})
    given.queue("line", computeEnvironments=given.using("small"))
    given.job("runs", "line", seconds=ENDLESS, requests={"cpu": "1"}, activeDeadlineSeconds=3600)
    given.until("line", active=1)
    given.job("next", "line", requests={"cpu": "1"})
    eventually(lambda: given.status("line").get("head"))

    (hold,) = client.jobs.why("next").holds

    assert hold.reason == "InsufficientCapacity"
    assert hold.message == f"{given.full('small')} on local has 0 cpu free, the Job asks for 1"
    assert hold.remedy
    told = viewer.jobs.why(f"{given.namespace}/next")
    assert told.position == 1
    assert told.estimate is not None
    assert 3000 < told.estimate <= 3600
    client.queues.pause(given.full("line"), note="for now")
    eventually(lambda: given.status("line")["dispatch"]["paused"])
    assert client.jobs.why("next").holds[0].reason == "Paused"
    (place,) = viewer.queues.line(given.full("line")).places
    assert (place.name, place.seconds, place.holds[0].reason) == ("next", None, "Paused")
    assert client.jobs.why("runs").holds == ()


def test_of_what_there_is_nothing_to_say(client: Client, given: User) -> None:
    given.queue("line")
    given.job("done", "line", seconds=0.1)
    client.jobs.wait("done", timeout=PATIENCE)
    given.job("free", None)

    with pytest.raises(RefusedError, match=r'Job ".*/done" is finished: completed'):
        client.jobs.why("done")
    with pytest.raises(RefusedError, match=r'Job ".*/free" is in no queue'):
        client.jobs.why("free")
    with pytest.raises(NotFoundError):
        client.jobs.why("nobody")
    assert client.queues.line(given.full("line")).places == ()
    with pytest.raises(NotFoundError):
        client.queues.line("nobody")
    with pytest.raises(ValueError, match="must be 1 or more"):
        client.queues.line(given.full("line"), limit=0)
