"""Which of several clusters a Job goes to: room, active Jobs, names, and where the one ran that it repeats."""

from __future__ import annotations

from typing import Any

import pytest
from tests.builders import World, a_job, a_pool, a_queue, an_environment, asks

from headgate.engine.job import JobState


def world(clusters: str = "east north west") -> World:
    """A pool of remote clusters that are all well."""
    one = World(pool=False).given(a_pool("default", clusters, remote=True))
    return one.answers(*clusters.split())


def proxy(name: str, queue: str = "gold", **fields: Any) -> Any:
    return a_job(name, queue, managed=True, **fields)


def runs(name: str, cluster: str, queue: str = "gold", **fields: Any) -> Any:
    return proxy(name, queue, state=JobState.ACTIVE, cluster=cluster, **fields)


# ---- without environments: the fewest active Jobs


def test_jobs_are_spread_by_the_number_of_active_ones() -> None:
    one = world().given(a_queue(), *(proxy(f"j{n}", created=n) for n in range(5)))
    assert list(one.clusters().values()) == ["east", "north", "west", "east", "north"]


def test_a_job_that_ends_makes_its_cluster_the_next() -> None:
    one = world().given(
        a_queue(), *(runs(f"old-{cluster}", cluster) for cluster in ("east", "north", "west"))
    )
    one.finished("old-west").given(proxy("new"))
    assert one.clusters() == {"new": "west"}


def test_active_jobs_of_all_queues_count() -> None:
    one = world().given(a_queue(), a_queue("silver"), runs("other", "east", "silver"))
    one.given(runs("orphan", "north", "queue-that-is-gone", pool="default"), proxy("new"))
    assert one.clusters() == {"new": "west"}


def test_a_job_that_waits_counts_nowhere() -> None:
    one = world().given(a_queue(), *(proxy(f"held-{n}", held=True) for n in range(3)), proxy("new"))
    assert one.clusters() == {"new": "east"}


def test_a_job_whose_admission_is_refused_counts_nowhere() -> None:
    one = world().given(a_queue(), proxy("first"))
    assert one.clusters() == {"first": "east"}
    one.refuses("first").given(proxy("second", created=1))
    assert one.clusters() == {"second": "east"}


# ---- with environments: the least used room


def spread_over(capacity: str, *there: Any, asked: str) -> str:
    one = world("east west").given(an_environment("big", capacity), a_queue(environments="big"), *there)
    one.given(proxy("new", request=asks(asked)))
    return one.clusters()["new"]


def test_a_job_goes_to_the_room_that_is_least_used_whatever_the_number_of_jobs() -> None:
    there = [runs(f"s{n}", "west", environment="big", cpu=1) for n in range(3)]
    large = runs("large", "east", environment="big", cpu=4)
    assert spread_over("cpu=8", *there, large, asked="cpu=1") == "west"


def test_a_room_is_as_full_as_the_fullest_resource_that_the_job_asks_for() -> None:
    memory = runs("m", "east", environment="big", request=asks("memory=6Gi"))
    cpu = runs("c", "west", environment="big", request=asks("cpu=4"))
    capacity = "cpu=8 memory=8Gi"
    assert spread_over(capacity, memory, cpu, asked="cpu=1 memory=1Gi") == "west"
    assert spread_over(capacity, memory, cpu, asked="cpu=1") == "east"
    assert spread_over(capacity, memory, cpu, asked="memory=1Gi") == "west"


def test_what_has_no_limit_fills_no_room() -> None:
    there = runs("m", "east", environment="big", request=asks("memory=64Gi"))
    assert spread_over("cpu=8", there, asked="memory=64Gi") == "west"
    assert spread_over("cpu=8", there, runs("w", "west"), runs("v", "west"), asked="memory=1Gi") == "east"


def test_of_rooms_used_alike_the_one_in_the_cluster_with_the_fewest_active_jobs_is_taken() -> None:
    assert spread_over("cpu=8", runs("elsewhere", "east"), asked="cpu=1") == "west"
    assert spread_over("cpu=8", runs("elsewhere", "west"), asked="cpu=1") == "east"
    assert spread_over("cpu=8", asked="cpu=1") == "east"


def test_rooms_that_are_used_alike_by_different_resources_are_alike() -> None:
    third = runs("c", "east", environment="big", request=asks("cpu=1 memory=2Gi"))
    other = runs("m", "west", environment="big", request=asks("cpu=2 memory=1Gi"))
    assert spread_over("cpu=3 memory=3Gi", third, other, asked="cpu=1 memory=1Gi") == "east"
    assert (
        spread_over("cpu=3 memory=3Gi", third, other, runs("e", "east"), asked="cpu=1 memory=1Gi") == "west"
    )


def test_the_first_environment_with_room_comes_before_an_emptier_one() -> None:
    one = world("east west").given(an_environment("big", "cpu=4"), an_environment("other", "cpu=400"))
    one.given(a_queue(environments="big other"))
    one.given(runs("e", "east", environment="big", cpu=3), runs("w", "west", environment="big", cpu=2))
    one.given(*(proxy(f"j{n}", created=n, cpu=1) for n in range(4)))
    assert {d.job.name: (d.environment, d.cluster) for d in one.decide()} == {  # type: ignore[union-attr]
        "j0": ("big", "west"),
        "j1": ("big", "east"),
        "j2": ("big", "west"),
        "j3": ("other", "east"),
    }


# ---- pinning


def test_pinning_is_immediate_for_jobs_not_yet_admitted() -> None:
    one = world().given(a_queue(action_concurrency=1), proxy("first"), proxy("second", created=1))
    assert one.clusters() == {"first": "east"}
    one.lands("first").when(a_queue(action_concurrency=1, clusters=["west"], generation=2))
    assert one.engine.jobs["first"].cluster == "east"
    assert one.finished("first").clusters() == {"second": "west"}


def test_a_pinned_queue_waits_for_its_cluster_and_says_so() -> None:
    one = world().given(a_queue(clusters=["west"])).silent("west").given(proxy("new"))
    assert one.clusters() == {}
    stalled = next(condition for condition in one.status().conditions if condition.type == "Stalled")
    assert (stalled.status, stalled.reason) == ("True", "NoHealthyCluster")
    assert one.answers("west").clusters() == {"new": "west"}


@pytest.mark.parametrize("how", ["disabled", "removed", "silent"])
def test_a_cluster_that_takes_no_jobs_takes_none(how: str) -> None:
    one = world().given(a_queue())
    if how == "disabled":
        one.given(a_pool("default", "east north west", disabled="east", remote=True))
    elif how == "removed":
        one.given(a_pool("default", "north west", remote=True))
    else:
        one.silent("east")
    one.given(*(proxy(f"j{n}", created=n) for n in range(4)))
    assert set(one.clusters().values()) == {"north", "west"}


def test_a_disabled_cluster_takes_no_jobs_of_a_queue_that_is_pinned_to_it() -> None:
    one = world().given(a_pool("default", "east north west", disabled="east", remote=True))
    one.given(a_queue(clusters=["east", "west"]), *(proxy(f"j{n}", created=n) for n in range(2)))
    assert set(one.clusters().values()) == {"west"}


# ---- the Job that is repeated


def again(affinity: str, *there: Any, before: str = "north", **fields: Any) -> str:
    """Where a Job goes whose predecessor failed in a cluster."""
    one = world().given(a_queue(retry_affinity=affinity), runs("first", before), *there)
    one.finished("first", "failed").given(proxy("second", retry_of="first", **fields))
    return one.clusters()["second"]


def test_a_retried_job_goes_where_the_one_before_it_ran_however_full_that_is() -> None:
    crowd = [runs(f"n{n}", "north") for n in range(5)]
    assert again("PreferWarmest", *crowd) == "north"


def test_a_retried_job_goes_elsewhere_where_that_is_preferred() -> None:
    crowd = [runs(f"{cluster}{n}", cluster) for n in range(5) for cluster in ("east", "west")]
    assert again("PreferDifferent", *crowd) == "east"
    assert again("PreferDifferent", *crowd, runs("one-more", "east")) == "west"


@pytest.mark.parametrize("affinity", ["PreferWarmest", "PreferDifferent"])
def test_affinity_is_a_wish_and_no_condition(affinity: str) -> None:
    one = world("east").given(a_queue(retry_affinity=affinity), runs("first", "east"))
    one.given(a_pool("default", "east west", remote=True), proxy("second", retry_of="first"))
    (one.silent("east").answers("west") if affinity == "PreferWarmest" else one.silent("west"))
    assert one.clusters() == {"second": "west" if affinity == "PreferWarmest" else "east"}


@pytest.mark.parametrize(
    ("affinity", "order"),
    [
        ("PreferWarmest", [("other", "west"), ("big", "west"), ("other", "east"), ("big", "east")]),
        ("PreferDifferent", [("big", "east"), ("big", "west"), ("other", "east"), ("other", "west")]),
    ],
)
def test_environment_and_cluster_weigh_alike_and_more_than_the_order_of_environments(
    affinity: str, order: list[tuple[str, str]]
) -> None:
    one = world("east west").given(an_environment("big", "cpu=1"), an_environment("other", "cpu=1"))
    one.given(a_queue(environments="big other", retry_affinity=affinity))
    one.given(runs("first", "west", environment="other", cpu=1)).finished("first", "failed")
    one.given(*(proxy(f"j{n}", created=n, cpu=1, retry_of="first") for n in range(4)))
    assert [(d.environment, d.cluster) for d in one.decide()] == order  # type: ignore[union-attr]


def test_a_predecessor_that_waits_again_draws_nobody_anywhere() -> None:
    one = world().given(a_queue(), proxy("first", held=True, requeued=True), runs("e", "east"))
    assert one.given(proxy("second", retry_of="first")).clusters() == {"second": "north"}
