"""Time limits for the Job at the head: shown without waiting ten minutes, by moving `since` back in time."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.cluster.harness.client import ENDLESS, QUEUES, User, eventually, next_second
from tests.cluster.harness.invariants import outcome, why_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Replicas = Callable[[str], OperatorProcess]

CORE = {"cpu": "1"}


def limit(reason: str, action: str = "Cancel", seconds: int = 600) -> dict[str, Any]:
    return {"reason": reason, "maxTimeSeconds": seconds, "action": action}


def head(given: User, queue: str = "line") -> dict[str, Any]:
    found: dict[str, Any] = eventually(lambda: given.status(queue)["head"])
    return found


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def since(given: User, when: str, queue: str = "line") -> None:
    """Have the status say that the Job at the head has been there since another time."""
    path = f"{QUEUES}/{given.full(queue)}/status"
    given.client.patch(path, {"status": {"head": {"since": when}}})


def restarted(site: Site, replicas: Replicas) -> OperatorProcess:
    site.free_lease()
    return replicas("second").wait_until_leading()


def full(given: User, *actions: dict[str, Any], **spec: Any) -> None:
    """A machine of one core that is taken, and a Job at the head that waits for it."""
    given.environment("machine", capacity={"cpu": "1"})
    given.queue("line", computeEnvironments=given.using("machine"), timeLimitActions=list(actions), **spec)
    given.job("runs", "line", requests=CORE, seconds=ENDLESS)
    given.until_active("line", 1)
    given.job("waits", "line", requests=CORE, seconds=0.1)
    assert head(given)["name"] == "waits"
    next_second()


def test_a_job_too_long_at_the_head_is_ended(given: User, site: Site, replicas: Replicas) -> None:
    leader = replicas("first").wait_until_leading()
    full(given, limit("InsufficientCapacity"))
    given.job("next", "line", requests=CORE, seconds=0.1)
    given.until_waiting("line", 2)
    leader.kill()
    since(given, ago(700))
    began = ago(0)

    restarted(site, replicas)

    eventually(lambda: why_failed(given.get_job("waits")) == "TimedOut")
    body = given.get_job("waits")
    assert outcome(body) == "timedOut"
    event = eventually(lambda: given.events_on("waits", reason="TimeLimit"))[0]
    assert "more than 600 s" in event["note"], event
    assert "spec.timeLimitActions says Cancel" in event["note"], event
    # The next one's time begins when it comes to the head.
    eventually(lambda: given.status("line")["head"]["name"] == "next")
    assert head(given)["since"] >= began
    eventually(lambda: given.status("line")["jobs"]["timedOut"] == 1)
    assert not given.get_job("runs")["spec"]["suspend"]


def test_its_time_goes_on_with_a_new_operator(
    given: User, site: Site, replicas: Replicas, recorder: Recorder
) -> None:
    leader = replicas("first").wait_until_leading()
    full(given, limit("InsufficientCapacity"), limit("NoMatchingEnvironment"))
    leader.kill()
    begun = ago(60)
    since(given, begun)

    restarted(site, replicas)

    given.job("next", "line", requests=CORE)
    given.until_waiting("line", 2)
    assert head(given)["since"] == begun
    assert given.get_job("waits")["spec"]["suspend"]
    assert outcome(given.get_job("waits")) is None


def test_each_reason_has_its_own_limit(given: User, site: Site, replicas: Replicas) -> None:
    leader = replicas("first").wait_until_leading()
    full(given, limit("ExceedsEnvironmentMaximum", "Terminate"))
    given.queue(
        "never",
        computeEnvironments=given.using("machine"),
        timeLimitActions=[limit("ExceedsEnvironmentMaximum", "Terminate")],
    )
    given.job("too-large", "never", requests={"cpu": "2"})
    assert head(given, "never")["reason"] == "ExceedsEnvironmentMaximum"
    leader.kill()
    for queue in ("line", "never"):
        since(given, ago(700), queue)

    restarted(site, replicas)

    eventually(lambda: outcome(given.get_job("too-large")) == "timedOut")
    event = eventually(lambda: given.events_on("too-large", reason="TimeLimit"))[0]
    assert "spec.timeLimitActions says Terminate" in event["note"], event
    assert outcome(given.get_job("waits")) is None


def test_a_limit_that_comes_later_counts_from_when_the_job_came(
    given: User, site: Site, replicas: Replicas
) -> None:
    leader = replicas("first").wait_until_leading()
    full(given)
    leader.kill()
    since(given, ago(700))
    restarted(site, replicas)
    given.job("next", "line", requests=CORE)
    given.until_waiting("line", 2)

    given.change_queue("line", timeLimitActions=[limit("InsufficientCapacity")])

    eventually(lambda: outcome(given.get_job("waits")) == "timedOut")
