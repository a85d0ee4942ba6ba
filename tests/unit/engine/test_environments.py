"""Compute environments: where a Job may go, what has room for it, and who takes room from whom."""

from __future__ import annotations

from typing import Any

import pytest
from tests.builders import Resource, World, a_job, a_pool, a_queue, an_environment, asks, placed

from headgate.engine.decisions import Admit
from headgate.engine.job import Job, JobState

TWO = (an_environment("big", "cpu=4"), an_environment("other", "cpu=4", type="Spot"))
ARM = {"kubernetes.io/arch": "arm64"}


def world(*facts: Resource | Job, environments: str = "big other", **spec: Any) -> World:
    return World().given(*TWO, a_queue(environments=environments, **spec), *facts)


def jobs(count: int, *, cpu: int | str = 1, name: str = "j", queue: str = "gold") -> list[Job]:
    """Jobs that come after all those that say nothing of it."""
    return [a_job(f"{name}{i}", queue, cpu=cpu, created=1 + i) for i in range(count)]


# ---- order and room


def test_a_job_goes_to_the_first_environment_that_has_room() -> None:
    assert world(*jobs(4, cpu=2)).places() == {"j0": "big", "j1": "big", "j2": "other", "j3": "other"}


def test_the_order_of_the_queue_counts_not_the_names() -> None:
    assert world(*jobs(1), environments="other big").places() == {"j0": "other"}


def test_room_is_taken_as_soon_as_it_is_decided_and_free_when_the_job_has_finished() -> None:
    one = world(*jobs(3, cpu=4), environments="big")
    assert one.admits(1) == "j0"
    assert one.admits() == ""
    assert one.lands("j0").admits() == ""
    assert one.changed("j0", canceling=True).admits() == ""
    assert one.finished("j0", "canceled").admits() == "j1"


def test_what_was_not_admitted_after_all_gives_its_room_back() -> None:
    one = world(*jobs(2, cpu=4), environments="big")
    assert one.admits() == "j0"
    assert one.outdates("j0").admits() == ""
    assert one.changed("j0", held=True).admits() == "j1"


def test_amounts_are_exact() -> None:
    tenths = [a_job(f"j{i}", request=asks("cpu=100m memory=0.1"), created=i) for i in range(11)]
    one = World().given(an_environment("big", "cpu=1 memory=1"), a_queue(environments="big"), *tenths)
    assert len(one.admits().split()) == 10


def test_all_pods_of_a_job_are_counted() -> None:
    one = world(a_job("two", request=asks("cpu=2", pods=2)), a_job("third", cpu=1, created=1))
    assert one.places() == {"two": "big", "third": "other"}


def test_pods_that_are_done_give_their_room_back() -> None:
    one = world(a_job("two", request=asks("cpu=2", pods=2)), *jobs(1, cpu=2), environments="big")
    assert one.admits() == "two"
    assert one.lands("two").changed("two", request=asks("cpu=2", pods=1)).admits() == "j0"


def test_a_capacity_may_count_pods() -> None:
    one = World().given(an_environment("big", "pods=3"), a_queue(environments="big"))
    one.given(a_job("two", request=asks("", pods=2)), *jobs(3, cpu=50))
    assert one.admits() == "two j0"


def test_what_a_capacity_does_not_name_is_not_limited_and_a_zero_is_a_limit() -> None:
    devices = a_job("devices", request=asks("cpu=1 example.com/gpu=8"))
    assert world(devices).admits() == "devices"
    none = World().given(an_environment("big", "cpu=4 example.com/gpu=0"), a_queue(environments="big"))
    assert none.given(devices, *jobs(1)).admits() == ""
    assert reason(none) == "ExceedsEnvironmentMaximum"


def test_who_asks_for_nothing_that_is_short_fits_a_room_that_is_too_full() -> None:
    one = world(*jobs(1, cpu=4), environments="big")
    one.admits()
    one.lands("j0").when(an_environment("big", "cpu=2", generation=2))
    assert one.given(a_job("small"), *jobs(1, name="k")).admits() == "small"


def test_lowering_a_capacity_stops_nothing_and_admits_nothing() -> None:
    one = world(*jobs(4, cpu=2), environments="big")
    assert one.admits() == "j0 j1"
    one.lands("j0", "j1").when(an_environment("big", "cpu=2", generation=2))
    assert one.finished("j0").admits() == ""
    assert one.finished("j1").admits() == "j2"
    assert one.when(an_environment("big", "cpu=4", generation=3)).admits() == "j3"


def test_machines_that_go_give_no_room_any_more() -> None:
    """Fewer are asked for than are there: nobody knows which of them go."""
    one = World().given(
        an_environment("big", "", shape="cpu=4", scaling=(0, 5, 0)), a_queue(environments="big")
    )
    assert one.given(*jobs(9)).scaled("big", 1, ready=2).admits() == "j0 j1 j2 j3"


def test_room_is_counted_in_each_cluster() -> None:
    one = World().given(a_pool("default", "c1 c2"), TWO[0], a_queue(environments="big"), *jobs(3, cpu=3))
    assert [(d.job.name, d.cluster) for d in one.of(Admit)] == [("j0", "c1"), ("j1", "c2")]


def test_a_queue_goes_only_where_both_it_and_the_environment_are() -> None:
    one = World().given(a_pool("default", "c1 c2 c3"), an_environment("big", "cpu=4", clusters="c2 c3"))
    one.given(a_queue(environments="big", clusters=["c1", "c3"]), *jobs(1))
    assert [d.cluster for d in one.of(Admit)] == ["c3"]


def test_a_disabled_environment_takes_nothing_and_keeps_what_runs() -> None:
    one = world(*jobs(2))
    assert one.admits(1) == "j0"
    one.lands("j0").when(an_environment("big", "cpu=4", state="Disabled", generation=2))
    assert one.places() == {"j1": "other"}
    assert one.environment_status().active == 1


# ---- what a pod template says


def test_the_admission_carries_what_the_environment_adds_and_keeps_what_the_user_wrote() -> None:
    spot = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}
    own = {"key": "own", "operator": "Exists"}
    environment = an_environment(
        architecture="arm64", node_selector={"pool": "spot"}, tolerations=[spot, {"key": "x", "value": "1"}]
    )
    template = {"nodeSelector": {"disk": "fast", "pool": "spot"}, "tolerations": [own, spot]}
    one = World().given(environment, a_queue(environments="big"), a_job("a", constraints=placed(template)))
    (admit,) = one.of(Admit)
    assert admit.node_selector == {"disk": "fast", "pool": "spot", "kubernetes.io/arch": "arm64"}
    assert admit.tolerations == [own, spot, {"key": "x", "value": "1"}]


def test_a_job_that_contradicts_an_environment_goes_to_another_or_nowhere() -> None:
    environments = (
        an_environment("big", architecture="amd64"),
        an_environment("other", node_selector={"z": "1"}),
    )
    one = World().given(*environments, a_queue(environments="big other"))
    one.given(a_job("arm", constraints=placed({"nodeSelector": ARM})))
    assert one.places() == {"arm": "other"}
    assert one.given(a_job("none", constraints=placed({"nodeSelector": ARM | {"z": "2"}}))).admits() == ""
    assert reason(one) == "NoMatchingEnvironment"


def test_an_environment_that_is_disabled_does_not_match() -> None:
    one = World().given(TWO[0], an_environment("other", node_selector=ARM, state="Disabled"))
    one.given(a_queue(environments="big other"), an_environment("big", architecture="amd64", generation=2))
    one.given(a_job("arm", constraints=placed({"nodeSelector": ARM})))
    assert one.admits() == ""
    assert reason(one) == "NoMatchingEnvironment"


def test_an_environment_whose_cluster_is_down_still_matches() -> None:
    one = World().given(a_pool("default", "c1 c2"), an_environment("big", node_selector=ARM, clusters="c1"))
    one.given(an_environment("other", architecture="amd64", clusters="c2"), a_queue(environments="big other"))
    one.engine.cluster_silent("default", "c1", "no answer", one.now)
    assert one.given(a_job("arm", constraints=placed({"nodeSelector": ARM})), *jobs(1)).admits() == ""
    assert reason(one) == "InsufficientCapacity"


# ---- why a Job waits


def reason(world: World, queue: str = "gold") -> str | None:
    head = world.status(queue).head
    return head.reason if head else None


@pytest.mark.parametrize(
    ("request_", "reason_"),
    [
        (asks("cpu=3"), "InsufficientCapacity"),
        (asks("cpu=5"), "ExceedsEnvironmentMaximum"),
        (asks("cpu=2", pods=2), "InsufficientCapacity"),
        (asks("cpu=3500m"), "ExceedsEnvironmentMaximum"),
    ],
)
def test_the_head_shows_why_it_waits(request_: Any, reason_: str) -> None:
    """4 cores in machines of 3, of which 2 are used."""
    one = World().given(an_environment("big", "cpu=4", shape="cpu=3"), a_queue(environments="big"))
    one.given(a_job("runs", state=JobState.ACTIVE, environment="big", cpu=2), a_job("head", request=request_))
    assert one.admits() == ""
    assert reason(one) == reason_
    assert one.status().head is not None


def test_without_environments_there_is_always_room_and_never_a_head() -> None:
    one = World().given(a_queue(), *jobs(3, cpu=1000))
    assert one.places() == {"j0": None, "j1": None, "j2": None}
    assert reason(one) is None


def test_the_head_keeps_its_time_and_loses_it_when_it_goes() -> None:
    one = world(*jobs(2, cpu=4), environments="big")
    one.admits()
    before = one.status().head
    one.lands("j0").later(30).decide()
    assert one.given(a_job("more", created=9)).status().head == before
    one.finished("j0").admits()
    assert one.status().head is None


# ---- queues that contend for one environment


def test_room_goes_to_the_queue_of_higher_priority_also_room_that_it_cannot_use_yet() -> None:
    one = World().given(
        TWO[0], a_queue("high", environments="big", priority=100), a_queue("low", environments="big")
    )
    one.given(a_job("runs", "low", state=JobState.ACTIVE, environment="big", cpu=2))
    one.given(a_job("large", "high", cpu=4), *jobs(2, queue="low"))
    assert one.admits() == ""
    assert one.finished("runs").admits() == "large"


def test_equal_queues_take_turns_for_room() -> None:
    one = World().given(TWO[0], a_queue("a", environments="big"), a_queue("b", environments="big"))
    one.given(*jobs(3, name="a", queue="a"), *jobs(3, name="b", queue="b"))
    assert one.admits() == "a0 b0 a1 b1"


def test_a_claim_is_for_the_rooms_that_could_hold_the_head_and_no_others() -> None:
    high = a_queue("high", environments="big", priority=100)
    one = World().given(*TWO, high, a_queue("low", environments="big other"))
    one.given(a_job("runs", "low", state=JobState.ACTIVE, environment="big", cpu=2))
    one.given(a_job("large", "high", cpu=4), *jobs(1, queue="low"))
    assert one.places() == {"j0": "other"}


def test_a_claim_is_for_all_the_rooms_that_could_hold_the_head() -> None:
    """Whichever gets free first is the head's."""
    high = a_queue("high", environments="big other", priority=100)
    one = World().given(*TWO, high, a_queue("low", environments="other big"))
    for name in ("big", "other"):
        one.given(a_job(f"runs-{name}", "low", state=JobState.ACTIVE, environment=name, cpu=2))
    one.given(a_job("large", "high", cpu=4), *jobs(2, queue="low"))
    assert one.admits() == ""
    assert one.finished("runs-other").places() == {"large": "other", "j0": "big", "j1": "big"}


@pytest.mark.parametrize(
    "head", [a_job("head", "high", cpu=5), a_job("head", "high", constraints=placed(z="2"))]
)
def test_a_head_that_never_fits_claims_nothing(head: Job) -> None:
    one = World().given(an_environment("big", "cpu=4", node_selector={"z": "1"}))
    one.given(a_queue("high", environments="big", priority=100), a_queue("low", environments="big"))
    one.given(head, *jobs(2, name="behind", queue="high"), *jobs(1, queue="low"))
    assert one.admits() == "j0"


@pytest.mark.parametrize(
    "leaves",
    [
        lambda one: one.changed("large", held=True),
        lambda one: one.deleted("large"),
        lambda one: one.when(a_queue("high", environments="big", priority=100, paused=True, generation=2)),
        lambda one: one.when(a_queue("high", environments="big", priority=1, generation=2)),
        lambda one: one.when(a_queue("high", environments="other", priority=100, generation=2)),
        lambda one: one.changed("large", request=asks("cpu=9")),
    ],
)
def test_a_claim_ends_when_the_head_or_its_queue_steps_back(leaves: Any) -> None:
    one = World().given(
        TWO[0], a_queue("high", environments="big", priority=100), a_queue("low", environments="big")
    )
    one.given(a_job("runs", "low", state=JobState.ACTIVE, environment="big", cpu=2))
    one.given(a_job("large", "high", cpu=4), *jobs(1, queue="low"))
    assert one.admits() == ""
    leaves(one)
    assert "j0" in one.admits()


@pytest.mark.parametrize("head_of_line", ["Block", "Backfill"])
def test_who_comes_before_the_head_in_its_own_lane_is_not_kept_out_by_its_claim(head_of_line: str) -> None:
    one = World().given(TWO[0], a_queue(environments="big", execution_mode="LIFO", head_of_line=head_of_line))
    one.given(a_job("runs", state=JobState.ACTIVE, environment="big", cpu=2), a_job("head", cpu=3))
    assert one.admits() == ""
    assert one.given(a_job("new", cpu=1, created=9)).admits() == "new"


def test_another_environment_is_another_reason() -> None:
    one = World().given(an_environment("big", "cpu=9", shape="cpu=2"), a_queue(environments="big"))
    assert one.given(a_job("head", cpu=3, constraints=placed(z="1"))).admits() == ""
    assert reason(one) == "ExceedsEnvironmentMaximum"
    one.when(an_environment("big", "cpu=9", shape="cpu=2", node_selector={"z": "2"}, generation=2))
    assert one.later(9).admits() == ""
    assert reason(one) == "NoMatchingEnvironment"


def test_equal_queues_take_turns_behind_a_head_that_never_fits() -> None:
    """Passing one's own head is no right to pass others too."""
    one = World().given(an_environment("big", "cpu=6"))
    for name in "ab":
        one.given(a_queue(name, environments="big", head_of_line="Backfill"))
    one.given(a_job("never", "a", cpu=99), *jobs(3, name="a", queue="a"), *jobs(3, name="b", queue="b"))
    names = one.admits().split()
    assert sorted(names[:2]) == ["a0", "b0"]
    assert sorted(names[2:4]) == ["a1", "b1"]


# ---- retries


@pytest.mark.parametrize(("affinity", "places"), [("PreferWarmest", "other"), ("PreferDifferent", "big")])
@pytest.mark.parametrize("ended", [True, False])
def test_a_retry_goes_where_its_predecessor_ran_or_elsewhere(affinity: str, places: str, ended: bool) -> None:
    one = world(retry_affinity=affinity)
    one.given(a_job("first", state=JobState.ACTIVE, environment="other", cpu=1))
    if ended:
        one.finished("first", "failed")
    assert one.given(a_job("again", retry_of="first", cpu=1)).places() == {"again": places}


def test_a_retry_rather_goes_elsewhere_than_waits() -> None:
    one = world(a_job("first", state=JobState.ACTIVE, environment="other", cpu=3))
    assert one.given(a_job("again", retry_of="first", cpu=2)).places() == {"again": "big"}
    one = world(retry_affinity="PreferDifferent", environments="big")
    one.given(a_job("first", state=JobState.ACTIVE, environment="big", cpu=1))
    assert one.given(a_job("again", retry_of="first", cpu=1)).places() == {"again": "big"}


def test_a_retry_of_nobody_known_is_a_job_like_any_other() -> None:
    assert world(a_job("again", retry_of="who", cpu=1)).places() == {"again": "big"}


# ---- what stalls a queue, and heals


@pytest.mark.parametrize(
    ("problem", "reason_", "cure"),
    [
        ([], "ComputeEnvironmentNotFound", an_environment("other")),
        (
            [an_environment("other", pool="far")],
            "ComputeEnvironmentInOtherPool",
            an_environment("other", uid="new"),
        ),
        (
            [an_environment("other", clusters="x")],
            "ComputeEnvironmentInvalid",
            an_environment("other", generation=2),
        ),
        (
            [an_environment("other", type="Serverless")],
            "MixedComputeTypes",
            an_environment("other", type="Spot", uid="new"),
        ),
        (
            [an_environment("other", architecture="arm64")],
            "MixedArchitectures",
            an_environment("other", architecture="amd64", uid="new"),
        ),
    ],
)
def test_an_environment_that_does_not_go_with_the_queue_stalls_it(
    problem: list[Resource], reason_: str, cure: Resource
) -> None:
    one = World().given(a_pool("far", "x"), an_environment("big", architecture="amd64"), *problem)
    one.given(a_queue(environments="big other"), *jobs(1))
    assert one.admits() == ""
    assert stalled(one) == reason_
    assert one.when(cure).admits() == "j0"
    assert stalled(one) is None


def test_a_queue_stalls_when_all_its_environments_are_disabled_or_out_of_reach() -> None:
    one = World().given(an_environment("big", state="Disabled"), a_queue(environments="big"), *jobs(1))
    assert one.admits() == ""
    assert stalled(one) == "NoEnabledEnvironment"
    one.when(a_pool("default", "local far"), an_environment("big", clusters="local", generation=2))
    one.engine.cluster_silent("default", "local", "no answer", one.now)
    assert one.admits() == ""
    assert stalled(one) == "NoHealthyCluster"
    one.engine.cluster_answered("default", "local", "", one.now)
    assert one.admits() == "j0"


def test_an_environment_that_is_deleted_stalls_the_queue_until_it_is_back() -> None:
    one = world(*jobs(2, cpu=4), environments="big")
    one.admits()
    one.lands("j0").engine.environment_gone("big", one.now)
    assert stalled(one.finished("j0")) == "ComputeEnvironmentNotFound"
    assert one.admits() == ""
    assert one.when(an_environment("big", uid="new")).admits() == "j1"


def stalled(world: World) -> str | None:
    condition = next(one for one in world.status().conditions if one.type == "Stalled")
    return condition.reason if condition.status == "True" else None


# ---- statuses


def test_the_status_of_an_environment_counts_what_runs_there() -> None:
    one = World().given(a_pool("default", "c1 c2"), an_environment("big", "cpu=4 memory=8Gi"))
    one.given(a_queue(environments="big"), a_job("a", request=asks("cpu=1500m memory=1Gi", pods=2)))
    one.given(a_job("b", request=asks("cpu=2 example.com/gpu=1"), created=1))
    one.admits()
    status = one.lands("a", "b").environment_status()
    assert (status.state, status.active, status.queues) == ("Valid", 2, 1)
    assert status.requested == {"cpu": "5", "memory": "2Gi", "example.com/gpu": "1", "pods": "3"}
    assert status.capacity == {"cpu": "8", "memory": "16Gi"}
    assert status.free == {"cpu": "3", "memory": "14Gi"}
    assert [(c.name, c.active, c.free["cpu"]) for c in status.clusters] == [("c1", 1, "1"), ("c2", 1, "2")]
    assert [(e.name, e.active) for e in one.status().compute_environments] == [("big", 2)]


def test_a_job_that_asks_for_more_resources_than_a_status_holds_does_not_hide_those_that_are_limited() -> (
    None
):
    one = World().given(an_environment("big", "cpu=4 example.com/z=9"), a_queue(environments="big"))
    many = " ".join(f"example.com/r{i:02}=1" for i in range(70))
    one.given(a_job("wide", request=asks(f"cpu=1 example.com/z=2 {many}")))
    one.admits()
    status = one.lands("wide").environment_status()
    for requested in (status.requested, status.clusters[0].requested):
        assert (len(requested), requested["cpu"], requested["example.com/z"]) == (64, "1", "2")
    assert one.write_environment_status().status == one.later(9).environment_status()


def test_usage_falls_to_nothing() -> None:
    one = world(*jobs(1))
    one.admits()
    one.lands("j0").finished("j0")
    status = one.environment_status()
    assert (status.active, status.free) == (0, {"cpu": "4"})
    assert set(status.requested.values()) <= {"0"}


@pytest.mark.parametrize(
    ("environment", "reason_"),
    [(an_environment(pool="none"), "PoolNotFound"), (an_environment(clusters="x"), "ClusterNotInPool")],
)
def test_an_invalid_environment_says_why_and_heals(environment: Resource, reason_: str) -> None:
    one = World().given(environment)
    status = one.environment_status()
    stalled = next(condition for condition in status.conditions if condition.type == "Stalled")
    assert (status.state, stalled.status, stalled.reason) == ("Invalid", "True", reason_)
    one.engine.dirty_environments.clear()
    one.when(a_pool("none", "y"), a_pool("default", "x"))
    assert "big" in one.engine.dirty_environments
    assert one.environment_status().state == "Valid"


def test_an_unchanged_world_causes_no_new_status_of_an_environment_also_after_a_restart() -> None:
    one = world(*jobs(2), environments="big")
    one.admits()
    queue, written = one.lands("j0", "j1").write_status(), one.write_environment_status()
    assert one.later(50).environment_status() == written.status
    assert one.restarted(TWO[1], written, queue).environment_status() == written.status
