"""What the client says of a Job that waits is what the operator then does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cluster.harness.client import ENDLESS, PATIENCE, User, eventually, next_second

from headgate.client import NotFoundError, RefusedError

if TYPE_CHECKING:
    from headgate.client import Client

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
