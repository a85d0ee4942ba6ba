"""Dependencies: a Job waits until those it names have succeeded, and no longer than there is hope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, User, eventually
from tests.cluster.harness.invariants import decided, outcome, why_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator", "recorder")


def after(*jobs: str) -> dict[str, str]:
    """Return the annotation of a Job that depends on others."""
    return {"headgate.dev/depends-on": ", ".join(jobs)}


def order(recorder: Recorder, *queues: str) -> list[str]:
    return [body["metadata"]["name"] for body in decided(recorder.record(), *queues)]


def canceled(given: User, job: str, reason: str, *parts: str) -> None:
    """Wait until a Job is cancelled for a reason, in words that have these parts, as an event too."""

    def check() -> bool:
        body = given.get_job(job)
        assert why_failed(body) == reason, body.get("status")
        words = next(c["message"] for c in body["status"]["conditions"] if c["type"] == "Failed")
        assert all(part in words for part in parts), words
        return outcome(body) == "canceled"

    eventually(check)
    assert eventually(lambda: given.events_on(job, reason=reason))


def test_a_job_waits_for_those_it_names(given: User, recorder: Recorder, settled: Settled) -> None:
    """Also across queues; whoever waits for nothing passes it, although it came later."""
    given.queue("line", actionConcurrency=1)
    given.queue("other")
    given.job("last", "line", annotations=after("first", "second", "elsewhere"), seconds=0.1)
    given.until_waiting("line", 1)

    given.job("second", "line", annotations=after("first"), seconds=0.1)
    given.job("first", "line", seconds=0.1)
    given.job("elsewhere", "other", seconds=0.1)

    given.succeeded("line", 3)
    assert order(recorder, given.full("line")) == ["first", "second", "last"]
    assert order(recorder, given.full("line"), given.full("other"))[-1] == "last"
    assert settled(given.full("line"))["jobs"]["total"] == 3


def test_what_succeeded_before_counts(given: User) -> None:
    given.queue("line")
    given.job("first", "line", seconds=0.1)
    given.succeeded("line", 1)

    given.job("second", "line", annotations=after("first"), seconds=0.1)

    given.succeeded("line", 2)


def test_a_failed_dependency_cancels_all_that_hope_for_it(given: User, settled: Settled) -> None:
    given.queue("line")
    given.job("second", "line", annotations=after("first"))
    given.job("third", "line", annotations=after("second"))
    given.until_waiting("line", 2)

    given.job("first", "line", fail=True, seconds=0.1)

    canceled(given, "second", "DependencyFailed", '"first"')
    canceled(given, "third", "DependencyFailed", '"second"')
    given.job("late", "line", annotations=after("first"))
    canceled(given, "late", "DependencyFailed", '"first"')
    assert settled(given.full("line"))["jobs"]["canceled"] == 3
    assert not given.pods("second")


def test_a_cycle_is_found_and_told(given: User) -> None:
    given.queue("line", dispatch={"paused": True})
    given.job("a", "line", annotations=after("b"))
    given.job("b", "line", annotations=after("c"))
    given.job("outside", "line", annotations=after("a"))
    given.until_waiting("line", 3)

    given.job("c", "line", annotations=after("a"))

    for job in "abc":
        canceled(given, job, "DependencyCycle", "c -> a -> b -> c")
    canceled(given, "outside", "DependencyFailed", '"a"')
    given.job("self", "line", annotations=after("self"))
    canceled(given, "self", "DependencyCycle", "self -> self")


def test_a_missing_dependency_says_so_and_may_come_later(given: User) -> None:
    given.queue("line")
    given.job("second", "line", annotations=after("first"), seconds=0.1)

    events = eventually(lambda: given.events_on("second", reason="DependencyNotFound"))
    assert "first" in events[0]["note"], events
    assert given.get_job("second")["spec"]["suspend"]

    given.job("first", "line", seconds=0.1)
    given.succeeded("line", 2)


def test_the_annotation_may_be_taken_away(given: User) -> None:
    given.queue("line")
    given.job("second", "line", annotations=after("first"), seconds=0.1)
    given.until_waiting("line", 1)

    given.annotate("second", **{"depends-on": None})

    given.succeeded("line", 1)


def test_dependencies_survive_a_new_operator(given: User, site: Site, operator: OperatorProcess) -> None:
    """What finished while nobody looked counts, as well as what was known before."""
    given.queue("line")
    given.job("known", "line", seconds=0.1)
    given.succeeded("line", 1)
    given.job("runs", "line", seconds=ENDLESS)
    given.job("bad", "line", seconds=ENDLESS)
    given.job("good", "line", annotations=after("known", "runs"), seconds=0.1)
    given.job("doomed", "line", annotations=after("bad"))
    given.until_active("line", 2)
    given.until_waiting("line", 2)

    operator.kill()
    end(given, "runs", "Succeeded")
    end(given, "bad", "Failed")
    site.free_lease()
    operator.start().wait_until_leading()

    eventually(lambda: outcome(given.get_job("good")) == "succeeded")
    canceled(given, "doomed", "DependencyFailed", '"bad"')


def end(given: User, job: str, phase: str) -> None:
    """Have a Job's only pod end now, Succeeded or Failed, and wait until the Job controller has seen it."""
    eventually(lambda: running(given, job))
    pod = running(given, job)[0]
    path = f"/api/v1/namespaces/{given.namespace}/pods/{pod['metadata']['name']}/status"
    code = {"Succeeded": 0, "Failed": 1}[phase]
    ended = {"terminated": {"exitCode": code, "reason": phase, "startedAt": None, "finishedAt": None}}
    containers = [{**one, "state": ended, "ready": False} for one in pod["status"]["containerStatuses"]]
    given.client.patch(path, {"status": {"phase": phase, "containerStatuses": containers}})
    eventually(lambda: outcome(given.get_job(job)))


def running(given: User, job: str) -> list[dict[str, Any]]:
    return [pod for pod in given.pods(job) if pod["status"].get("phase") == "Running"]
