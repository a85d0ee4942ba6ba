"""Scaling: how many machines an environment should have."""

from __future__ import annotations

from typing import Any

import pytest
from tests.builders import World, a_job, a_policy, a_queue, an_environment, asks

from headgate.engine.job import Job, JobState


def scaled(least: int = 0, most: int = 5, idle: int = 0, *, queue_idle: int = 0, **spec: Any) -> World:
    """Machines of 4 cores, none of them there."""
    environment = an_environment("big", "", shape="cpu=4 memory=8Gi", scaling=(least, most, idle))
    queue = a_queue(environments="big", idle_timeout_seconds=queue_idle, **spec)
    return World().given(environment, queue).scaled("big", 0)


def jobs(count: int, cpu: int = 1, first: int = 0) -> list[Job]:
    return [a_job(f"j{i}", cpu=cpu, created=i) for i in range(first, first + count)]


def wanted(world: World) -> int:
    """How many machines are wanted, after Jobs were let through as far as there is room."""
    world.decide()
    return world.scales().get("big", world.engine.environments["big"].reading.replicas)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("count", "cpu", "machines"), [(0, 1, 0), (1, 1, 1), (4, 1, 1), (5, 1, 2), (3, 4, 3)]
)
def test_it_grows_with_what_waits(count: int, cpu: int, machines: int) -> None:
    assert wanted(scaled().given(*jobs(count, cpu))) == machines


def test_the_resource_that_needs_most_counts() -> None:
    assert wanted(scaled().given(a_job("a", request=asks("cpu=1 memory=7Gi", pods=3)))) == 3


def test_it_stays_within_its_bounds() -> None:
    assert wanted(scaled(least=2)) == 2
    assert wanted(scaled(most=3).given(*jobs(50))) == 3


def test_only_what_could_ever_run_there_makes_it_grow() -> None:
    world = scaled().given(a_job("wide", cpu=5), a_job("large", request=asks("cpu=3", pods=9), created=1))
    assert wanted(world) == 0


HOPELESS = 100
"""More cores than there will ever be."""


@pytest.mark.parametrize(
    ("limit", "cores", "machines", "go"),
    [
        (0, [HOPELESS, HOPELESS, 1], 1, "j2"),
        (2, [HOPELESS, HOPELESS, 1], 1, "j2"),
        (3, [HOPELESS, HOPELESS, HOPELESS, 1], 1, "j3"),
        (4, [HOPELESS, 4, 4, 4, 4], 3, "j1 j2 j3"),
        (1, [HOPELESS, 1], 0, ""),
    ],
)
def test_who_can_never_go_does_not_keep_others_from_machines(
    limit: int, cores: list[int], machines: int, go: str
) -> None:
    """Where they may pass it, within the limits, of which it keeps its place."""
    world = scaled(action_concurrency=limit, head_of_line="Backfill")
    world.given(*(a_job(f"j{i}", cpu=cpu, created=i) for i, cpu in enumerate(cores)))
    assert wanted(world) == machines
    assert world.scaled("big", machines).admits() == go


@pytest.mark.parametrize("number", [1, 20])
def test_who_stands_behind_a_job_that_can_never_go_asks_for_no_machines(number: int) -> None:
    world = scaled().given(a_job("first", cpu=4), a_job("hopeless", cpu=HOPELESS, created=1))
    world.given(*(a_job(f"j{i}", cpu=f"{1000 + i}m", created=2 + i) for i in range(number)))
    assert wanted(world) == 1
    assert world.scaled("big", 1).admits() == "first"
    assert wanted(world.lands("first")) == 1


def test_who_stands_at_the_head_comes_first_whose_ever_turn_it_is() -> None:
    """The share of those behind it has used less by now."""
    world = scaled(action_concurrency=1, scheduling_policy="fair").given(a_policy(decay=60))
    world.given(a_job("past", cpu=1, share="red")).scaled("big", 1)
    assert world.admits() == "past"
    world.lands("past").later(30).finished("past").given(
        a_job("head", share="blue", request=asks("cpu=4", pods=2))
    )
    assert world.admits() == ""
    world.given(a_job("small", cpu=1, share="green", created=1)).changed("head", share="red")
    assert wanted(world) == 2


def test_it_grows_no_further_than_the_limits_let_jobs_go() -> None:
    assert wanted(scaled(action_concurrency=4).given(*jobs(40))) == 1
    assert wanted(scaled(paused=True).given(*jobs(40))) == 0


def test_what_waits_for_something_else_does_not_make_it_grow() -> None:
    world = scaled().given(a_job("a", cpu=1, held=True), a_job("b", cpu=1, depends_on=("a",)))
    assert wanted(world) == 0


def test_first_come_environments_are_filled_first() -> None:
    world = World().given(an_environment("small", "cpu=4"), a_queue(environments="small big"))
    world.given(an_environment("big", "", shape="cpu=4", scaling=(0, 9, 0))).scaled("big", 0)
    assert wanted(world.given(*jobs(10))) == 2


def test_room_comes_with_the_machines_that_are_there() -> None:
    world = scaled().given(*jobs(6))
    assert world.admits() == ""
    assert world.scales() == {"big": 2}
    assert world.scaled("big", 2, ready=0).admits() == ""
    assert world.scaled("big", 2, ready=1).admits() == "j0 j1 j2 j3"
    assert world.scaled("big", 2, ready=2).admits() == "j4 j5"
    assert world.scales() == {}


def test_a_head_waits_for_machines_not_for_ever() -> None:
    world = scaled().given(*jobs(1))
    world.decide()
    head = world.status().head
    assert head is not None
    assert head.reason == "InsufficientCapacity"


def test_a_capacity_bounds_what_machines_give() -> None:
    world = World().given(an_environment("big", "cpu=6", shape="cpu=4", scaling=(0, 9, 0)))
    world.given(a_queue(environments="big"), *jobs(9)).scaled("big", 3)
    assert len(world.admits().split()) == 6
    assert wanted(world) <= 3


def busy(**how: Any) -> World:
    """3 machines, of which one is used."""
    world = scaled(**how).given(*jobs(1)).scaled("big", 3)
    assert world.admits() == "j0"
    return world.lands("j0")


def test_it_does_not_shrink_while_anything_is_live() -> None:
    assert wanted(busy(idle=60).later(9_000)) == 3


@pytest.mark.parametrize(
    ("idle", "queue_idle", "after"), [(60, 0, 60), (0, 90, 90), (60, 90, 60), (90, 60, 60), (0, 0, None)]
)
def test_it_shrinks_when_nothing_has_been_live_for_long_enough(
    idle: int, queue_idle: int, after: int | None
) -> None:
    world = busy(idle=idle, queue_idle=queue_idle).finished("j0")
    assert wanted(world) == 3
    if after is None:
        assert wanted(world.later(9_000)) == 3
    else:
        assert wanted(world.later(after - 1)) == 3
        assert wanted(world.later(1)) == 0


def test_a_job_that_comes_and_goes_between_two_looks_starts_the_time_anew() -> None:
    world = busy(idle=60).finished("j0")
    assert wanted(world) == 3
    assert world.later(30).given(*jobs(1, first=5)).admits() == "j5"
    world.lands("j5").finished("j5")
    assert wanted(world.later(59)) == 3
    assert wanted(world.later(1)) == 0


def test_a_time_of_its_own_counts_only_for_the_queue_that_uses_it_alone() -> None:
    world = (
        busy(queue_idle=60)
        .finished("j0")
        .given(a_queue("silver", environments="big", idle_timeout_seconds=60))
    )
    assert wanted(world) == 3
    assert wanted(world.later(9_000)) == 3


def test_a_queue_without_a_past_that_begins_to_use_it_puts_nothing_off() -> None:
    world = busy(idle=60).finished("j0")
    assert wanted(world) == 3
    assert wanted(world.later(60).given(a_queue("empty", environments="big"))) == 0


def test_a_queue_that_begins_to_use_it_brings_its_own_past() -> None:
    world = busy(idle=60).finished("j0").given(a_queue("silver"), a_job("elsewhere", "silver"))
    assert wanted(world) == 3
    world.lands("elsewhere").later(30).finished("elsewhere")
    world.when(a_queue("silver", environments="big", generation=2))
    assert wanted(world.later(59)) == 3
    assert wanted(world.later(1)) == 0


def test_it_shrinks_to_its_minimum_and_grows_again() -> None:
    world = busy(least=1, idle=60).finished("j0")
    wanted(world)
    assert wanted(world.later(60)) == 1
    assert wanted(world.scaled("big", 1).given(*jobs(9, first=10))) == 3


def test_never_below_what_is_admitted() -> None:
    """Also where the queue that had it admitted does not use the environment any more."""
    world = busy(idle=60).when(a_queue(generation=2))
    wanted(world)
    assert wanted(world.later(9_000)) in (1, 3)


def state(world: World) -> str:
    scaling = world.environment_status().scaling
    assert scaling is not None
    return scaling.state


def test_the_status_says_how_it_stands() -> None:
    environment = an_environment("big", "", shape="cpu=4", scaling=(0, 5, 0))
    world = World().given(environment, a_queue(environments="big"))
    assert state(world) == "Unknown"
    wanted(world.scaled("big", 0))
    assert state(world) == "Terminated"
    assert wanted(world.given(*jobs(1))) == 1
    assert state(world) == "Pending"
    world.scaled("big", 1, ready=0)
    assert state(world) == "Pending"
    wanted(world.scaled("big", 1))
    assert state(world) == "Running"


def test_a_target_that_cannot_be_read_stalls_but_keeps_the_last_room() -> None:
    world = scaled().scaled("big", 1)
    world.engine.environment_scaled("big", None, "forbidden", world.now)
    status = world.environment_status()
    stalled = next(condition for condition in status.conditions if condition.type == "Stalled")
    assert (status.state, stalled.status, state(world)) == ("Valid", "True", "Unknown")
    assert world.given(*jobs(9)).admits() == "j0 j1 j2 j3"


def test_a_restart_shrinks_nothing_at_once() -> None:
    """It is not known for how long nothing has been live: the time starts anew."""
    world = busy(idle=60).finished("j0")
    wanted(world)
    environment, queue = world.write_environment_status(), world.write_status()
    again = world.later(9_000).restarted(environment, queue).scaled("big", 3)
    assert wanted(again) == 3
    assert wanted(again.later(60)) == 0


def test_what_runs_is_counted_after_a_restart() -> None:
    world = busy(idle=60)
    assert world.jobs["j0"].state is JobState.ACTIVE
    again = world.restarted(world.write_environment_status(), world.write_status()).scaled("big", 3)
    assert wanted(again.later(9_000)) == 3
