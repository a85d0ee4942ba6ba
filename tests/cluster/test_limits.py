"""A queue's limits hold at every revision that the witness sees, and are used up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, User, eventually, next_second
from tests.cluster.harness.invariants import decided, peaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.recorder import Recorder

pytestmark = pytest.mark.usefixtures("operator", "recorder")


def order(recorder: Recorder, queue: str) -> list[str]:
    return [body["metadata"]["name"] for body in decided(recorder.record(), queue)]


def test_one_action_at_a_time(given: User, recorder: Recorder) -> None:
    given.queue("line", actionConcurrency=1)

    given.jobs(4, "line", seconds=0.1)

    given.succeeded("line", 4)
    assert peaks(recorder.record(), given.full("line")) == (1, 1)


def test_no_limit_lets_all_go(given: User, recorder: Recorder) -> None:
    given.queue("line", depth=0)

    given.jobs(40, "line", seconds=ENDLESS)

    given.until_active("line", 40)
    given.end_all("line", 40)
    assert peaks(recorder.record(), given.full("line")) == (40, 40)


def test_a_job_alone_is_a_run_of_its_own(given: User, recorder: Recorder) -> None:
    given.queue("line", runConcurrency=2)

    given.jobs(5, "line", seconds=ENDLESS)

    given.until("line", waiting=3, active=2)
    given.end_all("line", 5)
    assert peaks(recorder.record(), given.full("line")) == (2, 2)


def test_jobs_of_one_run_count_once(
    given: User, recorder: Recorder, settled: Callable[..., dict[str, Any]]
) -> None:
    given.queue("line", runConcurrency=2, dispatch={"paused": True})
    for run in "abc":
        given.jobs(3, "line", prefix=run, labels={"headgate.dev/run": run}, seconds=ENDLESS)
        next_second()
    given.until_waiting("line", 9)

    given.change_queue("line", dispatch={"paused": False})

    given.until("line", waiting=3, active=6)
    given.end_all("line", 9)
    assert peaks(recorder.record(), given.full("line")) == (6, 2)
    assert [name[0] for name in order(recorder, given.full("line"))] == list("aaabbbccc")
    assert settled(given.full("line"))["runs"] == {"active": 0, "limit": 2}


def test_runs_of_the_same_name_in_two_namespaces_are_two(given: User, recorder: Recorder, site: Site) -> None:
    given.queue("line", runConcurrency=1)
    other = User(given.client, site.namespace())
    label = {"headgate.dev/run": "same"}
    given.job("mine", "line", labels=label, seconds=ENDLESS)
    given.until_active("line", 1)
    queue = {"headgate.dev/queue": given.full("line")}
    other.job("theirs", None, labels={**label, **queue}, seconds=0.1)

    given.until("line", waiting=1, active=1)
    given.end("mine")
    given.succeeded("line", 2)

    assert peaks(recorder.record(), given.full("line")) == (1, 1)


def test_children_of_an_admitted_job_pass_a_run_that_must_wait(
    given: User, recorder: Recorder, settled: Callable[..., dict[str, Any]]
) -> None:
    given.queue("line", runConcurrency=1)
    parent = given.job("parent", "line", seconds=ENDLESS)
    given.until_active("line", 1)
    given.job("stranger", "line", seconds=0.1)
    next_second()

    for number in range(2):
        given.job(f"child-{number}", "line", owner=parent, seconds=ENDLESS)

    given.until("line", waiting=1, active=3)
    assert given.status("line")["runs"] == {"active": 1, "limit": 1}
    given.end_all("line", 4)
    assert peaks(recorder.record(), given.full("line")) == (3, 1)
    assert order(recorder, given.full("line"))[-1] == "stranger"
    settled(given.full("line"))


def test_children_that_wait_beside_their_owners_do_not_overtake_them(given: User, recorder: Recorder) -> None:
    """All are let through at once, and admissions land in any order."""
    given.queue("line", runConcurrency=2, dispatch={"paused": True})
    for family in "abcdef":
        owner = given.job(f"{family}-owner", "line", seconds=0.5)
        for number in range(5):
            given.job(f"{family}-child-{number}", "line", owner=owner, seconds=0.1)
    given.until_waiting("line", 36)

    given.change_queue("line", dispatch={"paused": False})

    given.succeeded("line", 36)
    assert peaks(recorder.record(), given.full("line"))[1] == 2


def test_limits_that_change_while_the_queue_is_busy(
    given: User, recorder: Recorder, settled: Callable[..., dict[str, Any]]
) -> None:
    given.queue("line", actionConcurrency=6)
    given.jobs(12, "line", seconds=ENDLESS)
    given.until("line", waiting=6, active=6)

    # From the moment the generation is observed, the invariants hold the queue to the new limit.
    generation = given.change_queue("line", actionConcurrency=2)["metadata"]["generation"]
    eventually(lambda: given.status("line")["observedGeneration"] == generation)
    running = [body["metadata"]["name"] for body in given.all_jobs() if not body["spec"]["suspend"]]
    given.end(*running[:4])
    given.until("line", waiting=6, active=2, succeeded=4)
    given.end(running[4])
    given.until("line", waiting=5, active=2, succeeded=5)

    given.change_queue("line", actionConcurrency=0)

    given.until("line", waiting=0, active=7)
    given.end_all("line", 12)
    assert peaks(recorder.record(), given.full("line"))[0] == 7
    assert settled(given.full("line"))["actions"] == {"active": 0, "limit": 0}


def test_failed_jobs_give_their_place_back(
    given: User, recorder: Recorder, settled: Callable[..., dict[str, Any]]
) -> None:
    given.queue("line", actionConcurrency=2, runConcurrency=2)
    # It keeps one of the two places, so all the others go through the other one, one after the other.
    given.job("stays", "line", seconds=ENDLESS)
    given.until_active("line", 1)
    given.jobs(3, "line", prefix="bad", seconds=0.1, fail=True)
    given.jobs(3, "line", prefix="good", seconds=0.1)
    given.job("too-long", "line", seconds=ENDLESS, activeDeadlineSeconds=1)

    given.until("line", active=1, waiting=0, succeeded=3, failed=3, timedOut=1)
    given.end("stays")
    given.succeeded("line", 4)
    status = settled(given.full("line"))
    assert (status["jobs"]["failed"], status["jobs"]["timedOut"]) == (3, 1)
    assert peaks(recorder.record(), given.full("line")) == (2, 2)


def test_a_job_deleted_while_active_gives_its_place_back(
    given: User, settled: Callable[..., dict[str, Any]]
) -> None:
    given.queue("line", actionConcurrency=1)
    given.job("endless", "line", seconds=ENDLESS)
    given.until_active("line", 1)
    given.job("next", "line", seconds=0.1)

    given.client.delete(f"{given.jobs_path}/endless")

    given.succeeded("line", 1)
    settled(given.full("line"))
