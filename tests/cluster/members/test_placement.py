"""Which member a Job goes to, and how many go at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, POOLS, RefusedError, eventually
from tests.cluster.harness.invariants import ENVIRONMENT, peaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.client import User
    from tests.cluster.harness.members import Fleet
    from tests.cluster.harness.recorder import Recorder

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator")

RETRY_OF = "headgate.dev/retry-of"


@pytest.fixture(scope="session")
def operator_arguments() -> tuple[str, ...]:
    """Seldom: a member that is late with an answer would be passed over."""
    return ("--member-probe-seconds=10",)


@pytest.fixture
def all_three(fleet: Fleet) -> Fleet:
    """A pool of all members, and all of them answer."""
    fleet.pool("pool", *fleet.members)
    fleet.until_all_run()
    return fleet


def place(fleet: Fleet, name: str, queue: str = "line", **options: Any) -> str:
    """Create a Job while all members answer, and return the one it goes to."""
    fleet.until_all_run()
    return fleet.place(name, queue, **options)


def active_in(fleet: Fleet) -> dict[str, int]:
    """Return how many active Jobs each member has, says the pool's status."""
    clusters = fleet.given.pool_status("pool")["clusters"]
    return {one["name"].removeprefix(fleet.full("")): one["active"] for one in clusters}


def test_a_queue_is_pinned_and_pinned_anew(all_three: Fleet, given: User, settled: Settled) -> None:
    fleet = all_three
    fleet.queue("line", clusters=[fleet.full("west")], actionConcurrency=2)
    assert [place(fleet, name) for name in ("first", "second")] == ["west", "west"]
    given.job("third", "line", seconds=ENDLESS)
    given.until("line", active=2, waiting=1)

    with pytest.raises(RefusedError) as refusal:
        given.change_queue("line", clusters=[fleet.full("nowhere")])
    assert fleet.full("nowhere") in refusal.value.message
    assert fleet.full("east") in refusal.value.message

    body = given.change_queue("line", clusters=[fleet.full("north")])
    eventually(lambda: given.status("line")["observedGeneration"] == body["metadata"]["generation"])
    fleet.end("first")
    assert fleet.copy("third")[0] == "north"
    assert fleet.places()["second"] == "west"
    fleet.end_all("line", 3)
    settled(given.full("line"))


def test_without_environments_the_fewest_active_jobs_decide(all_three: Fleet, given: User) -> None:
    fleet = all_three
    fleet.queue("pinned", clusters=[fleet.full("east")])
    fleet.queue("line")
    given.jobs(2, "pinned", prefix="pinned", seconds=ENDLESS)
    given.until_active("pinned", 2)

    fleet.until_all_run()
    given.jobs(5, "line", prefix="free", seconds=ENDLESS)
    given.until_active("line", 5)

    eventually(lambda: active_in(fleet) == {"east": 3, "north": 2, "west": 2})
    fleet.end_all("line", 5)
    fleet.end_all("pinned", 2)


def test_within_an_environment_the_least_used_room_decides(
    all_three: Fleet, given: User, settled: Settled
) -> None:
    fleet = all_three
    given.environment(
        "rooms",
        pool=given.full("pool"),
        capacity={"cpu": "4", "memory": "64Gi"},
        nodeSelector={"kubernetes.io/os": "linux"},
        tolerations=[{"key": "for", "operator": "Equal", "value": "rooms", "effect": "NoSchedule"}],
    )
    fleet.queue("line", computeEnvironments=given.using("rooms"))

    places = [
        place(fleet, f"job-{number}", requests={"cpu": cpu})
        for number, cpu in enumerate(("3", "1", "1", "2", "1", "1"))
    ]

    # By the share of the room that is used with the Job in it, then the fewest active Jobs, then the name.
    assert places == ["east", "north", "west", "north", "west", "west"]
    given.job("too-large", "line", requests={"cpu": "2"}, seconds=0.1)
    given.until("line", waiting=1, active=6)
    full = {fleet.full(member): "3" for member in fleet.members}
    eventually(lambda: requested(given, "rooms") == full)
    proxy = given.get_job("job-0")
    assert proxy["metadata"]["annotations"][ENVIRONMENT] == given.full("rooms")
    # What its Pods get there is not the Job's own, and comes with the copy, which is checked against it.
    assert not proxy["spec"]["template"]["spec"].get("nodeSelector")
    assert not proxy["spec"]["template"]["spec"].get("tolerations")
    _, copy = fleet.copy("job-0")
    pod = copy["spec"]["template"]["spec"]
    assert pod["nodeSelector"]["kubernetes.io/os"] == "linux"
    assert [toleration["value"] for toleration in pod["tolerations"]] == ["rooms"]
    fleet.end("job-0")
    given.succeeded("line", 2)
    fleet.end_all("line", 7)
    assert settled(given.full("line"))["jobs"]["succeeded"] == 7


def test_limits_hold_across_clusters(
    all_three: Fleet, given: User, recorder: Recorder, settled: Settled
) -> None:
    fleet = all_three
    fleet.queue("actions", actionConcurrency=4)
    fleet.queue("runs", runConcurrency=2)
    fleet.until_all_run()
    given.jobs(4, "actions", prefix="full", seconds=ENDLESS)
    given.until_active("actions", 4)
    eventually(lambda: len(fleet.places()) == 4)
    assert set(fleet.places().values()) == set(fleet.members)
    given.jobs(12, "actions", prefix="action", seconds=0.1)
    for run in range(5):
        given.jobs(2, "runs", prefix=f"run-{run}", seconds=0.3, labels={"headgate.dev/run": str(run)})

    fleet.end_all("actions", 16)
    given.succeeded("runs", 10)

    record = recorder.record()
    assert peaks(record, given.full("actions"))[0] == 4
    assert peaks(record, given.full("runs"))[1] == 2
    for queue in ("actions", "runs"):
        settled(given.full(queue))


def test_a_disabled_member_drains_and_leaves_and_returns(
    all_three: Fleet, given: User, settled: Settled
) -> None:
    fleet = all_three
    fleet.queue("line")
    fleet.queue("pinned", clusters=[fleet.full("east")])
    assert place(fleet, "first") == "east"
    path = f"{POOLS}/{given.full('pool')}"
    clusters = given.client.get(path)["spec"]["clusters"]
    without = [one for one in clusters if one["name"] != fleet.full("east")]
    disabled = [*without, {**fleet.cluster("east"), "state": "Disabled"}]

    given.client.patch(path, {"spec": {"clusters": disabled}})

    fleet.until_state("east", "Terminated")
    assert [fleet.place(f"next-{number}") for number in range(2)] == ["north", "west"]
    eventually(lambda: active_in(fleet) == {"east": 1, "north": 1, "west": 1})
    with pytest.raises(RefusedError) as refusal:
        given.client.patch(path, {"spec": {"clusters": without}})
    assert fleet.full("east") in refusal.value.message
    assert "Disabled" in refusal.value.message

    fleet.end("first")
    given.succeeded("line", 1)
    eventually(lambda: active_in(fleet)["east"] == 0)
    given.client.patch(path, {"spec": {"clusters": without}})
    eventually(lambda: given.condition("pinned", "Stalled")["reason"] == "ClusterNotInPool")
    given.job("waits", "pinned", seconds=0.1)
    given.until("pinned", waiting=1)

    given.client.patch(path, {"spec": {"clusters": clusters}})

    given.succeeded("pinned", 1)
    eventually(lambda: given.condition("pinned", "Stalled")["status"] == "False")
    assert fleet.places()["waits"] == "east"
    fleet.end_all("line", 3)
    settled(given.full("line"))


def requested(given: User, environment: str) -> dict[str, str]:
    """Return how many cores are requested in each cluster of an environment, says its status."""
    clusters = given.environment_status(environment)["clusters"]
    return {one["name"]: one["requested"]["cpu"] for one in clusters}


def test_a_retry_knows_clusters(all_three: Fleet, given: User) -> None:
    fleet = all_three
    for affinity, member in (("PreferWarmest", "east"), ("PreferDifferent", "north")):
        queue = affinity.lower()
        fleet.queue(queue, retryAffinity=affinity)
        first = f"{queue}-first"
        assert place(fleet, first, queue, fail=True, seconds=0.1) == "east"
        given.until(queue, failed=1)
        for number in range(2):
            name = f"{queue}-{number}"
            assert place(fleet, name, queue, annotations={RETRY_OF: first}, seconds=0.1) == member
            given.until(queue, succeeded=number + 1)
