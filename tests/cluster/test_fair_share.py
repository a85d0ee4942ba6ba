"""Fair share: who goes next is who has used least of what is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, POLICIES, User, eventually, next_second
from tests.cluster.harness.invariants import decided

if TYPE_CHECKING:
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

pytestmark = pytest.mark.usefixtures("operator", "recorder")

SHARE = "headgate.dev/share"


def submit(given: User, share: str, count: int, *, seconds: float = ENDLESS, cpu: str = "1") -> None:
    given.jobs(count, "line", prefix=share, labels={SHARE: share}, seconds=seconds, requests={"cpu": cpu})


def shares(given: User) -> dict[str, dict[str, Any]]:
    return {share["identifier"]: share for share in given.status("line")["shares"]}


def active(given: User) -> dict[str, int]:
    return {identifier: share["active"] for identifier, share in shares(given).items()}


def weights(**factors: float) -> list[dict[str, Any]]:
    return [{"identifier": name, "weightFactor": factor} for name, factor in factors.items()]


def opened(given: User, **limits: Any) -> None:
    given.change_queue("line", dispatch={"paused": False}, **limits)


def paused(given: User) -> None:
    given.change_queue("line", dispatch={"paused": True})
    eventually(lambda: given.condition("line", "Dispatching")["reason"] == "Paused")


def test_the_smaller_weight_factor_gets_more(given: User) -> None:
    given.policy("fair", shares=weights(big=0.5, small=1.0))
    given.queue("line", schedulingPolicy=given.full("fair"), actionConcurrency=6, dispatch={"paused": True})
    submit(given, "small", 6)
    submit(given, "big", 6)
    given.until_waiting("line", 12)

    opened(given)

    given.until_active("line", 6)
    eventually(lambda: active(given) == {"big": 4, "small": 2})
    assert {name: share["waiting"] for name, share in shares(given).items()} == {"big": 2, "small": 4}
    eventually(lambda: given.policy_status("fair")["queues"] == 1)


def test_what_is_used_weighs_as_much_as_it_takes(given: User) -> None:
    """One Job of four cores counts as four of one."""
    given.policy("fair")
    given.queue("line", schedulingPolicy=given.full("fair"), actionConcurrency=5, dispatch={"paused": True})
    submit(given, "wide", 3, cpu="4")
    submit(given, "narrow", 5)
    given.until_waiting("line", 8)

    opened(given)

    given.until_active("line", 5)
    eventually(lambda: active(given) == {"narrow": 4, "wide": 1})


def test_an_identifier_may_end_in_a_star(given: User) -> None:
    given.policy("fair", shares=weights(**{"team-*": 0.25, "team-b": 1.0}))
    given.queue("line", schedulingPolicy=given.full("fair"), actionConcurrency=10, dispatch={"paused": True})
    for share in ("team-a", "team-b"):
        submit(given, share, 10)
    given.until_waiting("line", 20)

    opened(given)

    given.until_active("line", 10)
    eventually(lambda: active(given) == {"team-a": 8, "team-b": 2})


def test_usage_survives_a_new_operator(
    given: User, site: Site, operator: OperatorProcess, recorder: Recorder
) -> None:
    """Share "eager" has used the queue, and nothing else is left of that but the status."""
    given.policy("fair", shareDecaySeconds=604800)
    given.queue("line", schedulingPolicy=given.full("fair"), actionConcurrency=1)
    submit(given, "eager", 2, seconds=2, cpu="8")
    given.succeeded("line", 2)
    used = eventually(lambda: float(shares(given)["eager"]["usage"]))
    paused(given)

    operator.kill()
    for body in given.all_jobs():
        given.client.delete(f"{given.jobs_path}/{body['metadata']['name']}")
    given.job("first", "line", labels={SHARE: "eager"}, requests={"cpu": "1"}, seconds=0.1)
    next_second()
    given.job("second", "line", labels={SHARE: "modest"}, requests={"cpu": "1"}, seconds=0.1)
    site.free_lease()
    operator.start().wait_until_leading()
    given.until_waiting("line", 2)
    assert float(shares(given)["eager"]["usage"]) == pytest.approx(used, rel=0.05)
    opened(given)

    given.succeeded("line", 4)
    names = [body["metadata"]["name"] for body in decided(recorder.record(), given.full("line"))]
    assert names[2:] == ["second", "first"]


def test_a_policy_may_be_replaced_and_changed(given: User) -> None:
    given.policy("even")
    given.policy("uneven", shares=weights(a=0.2))
    given.queue("line", schedulingPolicy=given.full("even"), actionConcurrency=2, dispatch={"paused": True})
    for share in "ab":
        submit(given, share, 20)
    given.until_waiting("line", 40)
    opened(given)
    given.until_active("line", 2)
    eventually(lambda: active(given) == {"a": 1, "b": 1})

    given.change_queue("line", schedulingPolicy=given.full("uneven"), actionConcurrency=12)
    given.until_active("line", 12)
    eventually(lambda: active(given) == {"a": 10, "b": 2})
    eventually(lambda: given.policy_status("even")["queues"] == 0)
    eventually(lambda: given.policy_status("uneven")["queues"] == 1)

    given.change_policy("uneven", shares=weights(a=5.0, b=1.0))
    eventually(lambda: given.policy_status("uneven")["observedGeneration"] == 2)
    given.change_queue("line", actionConcurrency=20)
    given.until_active("line", 20)
    eventually(lambda: active(given) == {"a": 10, "b": 10})


def test_some_is_kept_for_shares_that_are_not_there_yet(given: User) -> None:
    given.environment("machine", capacity={"cpu": "8"})
    given.policy("fair", computeReservation=50)
    given.queue("line", schedulingPolicy=given.full("fair"), computeEnvironments=given.using("machine"))
    submit(given, "first", 8)
    given.until_active("line", 4)
    eventually(lambda: given.status("line")["head"]["reason"] == "InsufficientCapacity")
    eventually(lambda: given.environment_status("machine")["free"] == {"cpu": "4"})

    paused(given)
    submit(given, "second", 8)
    given.until_waiting("line", 12)
    # A Job that its own controller is about to touch may lose its place for a moment, and the room with it.
    waiting = [body["metadata"]["name"] for body in given.all_jobs() if body["spec"]["suspend"]]
    eventually(lambda: all(given.get_job(name)["status"].get("conditions") for name in waiting))
    opened(given)

    given.until_active("line", 6)
    eventually(lambda: active(given) == {"first": 4, "second": 2})
    eventually(lambda: given.environment_status("machine")["free"] == {"cpu": "2"})


def test_a_queue_waits_for_its_policy(given: User) -> None:
    given.queue("line", schedulingPolicy=given.full("late"))
    submit(given, "a", 1, seconds=0.1)

    def stalled() -> bool:
        condition = given.condition("line", "Stalled")
        assert (condition["status"], condition["reason"]) == ("True", "SchedulingPolicyNotFound"), condition
        assert given.full("late") in condition["message"]
        return True

    eventually(stalled)
    assert eventually(lambda: given.events_on(given.full("line"), reason="SchedulingPolicyNotFound"))

    given.policy("late")
    given.succeeded("line", 1)
    eventually(lambda: given.condition("line", "Stalled")["status"] == "False")
    given.client.delete(f"{POLICIES}/{given.full('late')}")
    eventually(stalled)


def test_without_a_label_the_project_is_the_share(given: User) -> None:
    given.policy("fair")
    given.queue("line", schedulingPolicy=given.full("fair"))
    given.job("plain", "line", seconds=ENDLESS)
    given.job("project", "line", labels={"headgate.dev/project": "blue"}, seconds=ENDLESS)
    given.until_active("line", 2)

    eventually(lambda: active(given) == {given.namespace: 1, "blue": 1})


def test_metrics_by_share(given: User, operator: OperatorProcess) -> None:
    given.policy("fair")
    given.queue("line", schedulingPolicy=given.full("fair"), actionConcurrency=2)
    submit(given, "a", 2, cpu="3")
    given.until_active("line", 2)
    submit(given, "b", 1)
    given.until_waiting("line", 1)

    def usage(share: str) -> float | None:
        return operator.metric("headgate_share_usage", queue=given.full("line"), share=share)

    assert (usage("a"), usage("b"), usage("c")) == (6.0, 0.0, None)
