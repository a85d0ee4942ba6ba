"""O(log n) per event and per decision: counted in calls, not in seconds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import World, a_job, a_policy, a_pool, a_queue, an_environment, asks

from headgate.engine import dependents, engine
from headgate.engine.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SMALL, LARGE, DECISIONS = 1_000, 16_000, 200
REQUESTS = tuple(asks(f"cpu={cpu} memory={1 + cpu % 3}Gi") for cpu in (1, 2, 3))
LONG: dict[str, Any] = {"state": JobState.ACTIVE, "environment": "big", "started_at": 100, "deadline": 10**6}


def plain(fairness: str) -> World:
    return World().given(a_queue(action_concurrency=10, depth=0, fairness=fairness))


def environments() -> World:
    """Two environments that fill up one after the other."""
    world = World().given(an_environment("big", "cpu=20"), an_environment("other", "cpu=20 memory=64Gi"))
    return world.given(a_queue(environments="big other", depth=0))


def fair_share() -> World:
    """Shares whose usage changes with every second."""
    world = World().given(a_policy(weights={"p1*": 0.5}, decay=3600, reservation=10))
    return world.given(
        an_environment("big", "cpu=20"), a_queue(environments="big", depth=0, scheduling_policy="fair")
    )


def backfill() -> World:
    """A Job at the head that waits for one environment until long after all others."""
    world = World().given(an_environment("big", "cpu=64"), an_environment("other", "cpu=9"))
    world.given(a_queue(environments="big other", depth=0, head_of_line="Backfill"))
    return world.given(a_job("long", cpu=60, **LONG), a_job("a-head", cpu=64, project="p0"))


def clusters(count: int = 64) -> World:
    """Remote clusters, all of them well."""
    names = [f"c{n:02}" for n in range(count)]
    world = World(pool=False).given(
        a_pool("default", " ".join(names), remote=True, on_cluster_lost="Requeue")
    )
    return world.answers(*names)


def spread() -> World:
    """Many clusters without environments."""
    return clusters().given(a_queue(action_concurrency=10, depth=0))


def rooms() -> World:
    """Many clusters with two environments in each."""
    world = clusters().given(an_environment("big", "cpu=4"), an_environment("other", "cpu=4 memory=8Gi"))
    return world.given(a_queue(environments="big other", depth=0))


WORLDS = {
    "round robin": lambda: plain("RoundRobin"),
    "shuffle": lambda: plain("ShuffleInterleave"),
    "environments": environments,
    "fair share": fair_share,
    "backfill": backfill,
    "many clusters": spread,
    "rooms in many clusters": rooms,
}


def calls_of(act: Callable[[], object]) -> int:
    """Calls (of functions, of Python or C) that something takes."""
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


def calls_per_decision(world: World, waiting: int, *, all_different: bool = False) -> float:
    """Calls for one admission with all its events, with so many Jobs waiting."""
    managed = world.engine.pools["default"].remote
    for i in range(waiting):
        label = f"run-{i // 4}" if i % 2 else None
        how: dict[str, Any] = {
            "request": asks(f"cpu={1000 + i}m") if all_different else REQUESTS[i % 3],
            "deadline": (60, None)[i % 2],
            "share": f"p{i % 50}",
            "managed": managed,
        }
        world.given(a_job(f"j{i:05}", project=f"p{i % 50}", created=i, run_label=label, **how))
    names = world.admits().split()
    done = 0

    def decide() -> None:
        nonlocal names, done
        while done < DECISIONS:
            for name in names:
                world.lands(name).later(0.1).finished(name)
            done += len(names)
            names = world.admits().split()
            assert names

    return calls_of(decide) / done


@pytest.mark.parametrize("kind", WORLDS)
def test_a_decision_costs_no_more_when_more_waits(kind: str) -> None:
    few, many = (calls_per_decision(WORLDS[kind](), waiting) for waiting in (SMALL, LARGE))
    assert many < 1.5 * few


def test_a_decision_costs_no_more_when_more_waits_and_no_two_are_alike() -> None:
    few, many = (calls_per_decision(backfill(), waiting, all_different=True) for waiting in (SMALL, LARGE))
    assert many < 1.5 * few


def calls_with_queues(count: int, head_of_line: str) -> float:
    """The same with one environment that so many queues want."""
    world = World().given(an_environment("big", "cpu=8"))
    for i in range(count):
        world.given(a_queue(f"q{i:03}", environments="big", priority=1 + i, head_of_line=head_of_line))
        world.given(*(a_job(f"j{i}-{n}", f"q{i:03}", cpu=8, created=n) for n in range(20)))
    return calls_per_decision(world, 0)


def test_a_decision_costs_no_more_when_more_queues_wait_for_the_same_room() -> None:
    assert calls_with_queues(160, "Block") < 1.5 * calls_with_queues(20, "Block")


def backfilling(active: int, queues: int = 20) -> World:
    """Queues whose heads fit when all that runs has ended, each job at a time of its own, and Jobs that may pass."""
    world = World().given(an_environment("big", f"cpu={active + 8}"), a_queue("runs", environments="big"))
    world.given(*(a_job(f"r{i}", "runs", cpu=1, **(LONG | {"deadline": 10**6 + i})) for i in range(active)))
    for i in range(queues):
        world.given(a_queue(f"q{i:03}", environments="big", depth=0, head_of_line="Backfill"))
        world.given(a_job(f"head{i}", f"q{i:03}", cpu=active + 8))
        world.given(*(a_job(f"j{i}-{n}", f"q{i:03}", cpu=1, created=1 + n, deadline=60) for n in range(30)))
    return world


def test_a_decision_costs_no_more_in_many_queues_that_backfill_when_more_is_active() -> None:
    few, many = (calls_per_decision(backfilling(active), 0) for active in (20, 2_000))
    assert many < 1.5 * few


def calls_for_a_start(waiting: int) -> int:
    """Calls for the news that Jobs are admitted, and have started, where so many others wait in each queue."""
    world = backfilling(20)
    for i in range(20):
        jobs = (
            a_job(f"k{i}-{n}", f"q{i:03}", cpu=f"{2000 + n}m", created=50, deadline=60)
            for n in range(waiting)
        )
        world.given(*jobs)
    names = world.admits().split()
    assert len(names) == 8

    def start() -> None:
        world.lands(*names).decide()
        for name in names:
            world.changed(name, started_at=101).decide()

    return calls_of(start)


def test_a_job_that_starts_frees_nothing_and_has_no_other_looked_at() -> None:
    assert calls_for_a_start(60) < 1.5 * calls_for_a_start(5)


@pytest.mark.parametrize("queues", [20, 80])
def test_no_decision_takes_long_whoever_has_to_be_looked_at(
    queues: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the Jobs may pass, and no two are alike. What is left takes the next decision."""
    monkeypatch.setattr(engine, "MOST_LOOKS", 400)
    world = World().given(an_environment("big", "cpu=8"), a_queue("runs", environments="big"))
    world.given(a_job("long", "runs", cpu=6, **LONG))
    for i in range(queues):
        world.given(a_queue(f"q{i:03}", environments="big", depth=0, head_of_line="Backfill"))
        jobs = (a_job(f"j{i}-{n}", f"q{i:03}", request=asks(f"cpu={3000 + n}m")) for n in range(60))
        world.given(a_job(f"a{i}", f"q{i:03}", cpu=8), *jobs)
    world.given(a_job("last", f"q{queues - 1:03}", cpu=1, deadline=60, created=1))
    costs = []
    while not world.open:
        costs.append(calls_of(world.decide))
        assert world.engine.is_cut_short or world.open
        assert world.engine.next_wakeup() == world.now or world.open
    assert len(costs) >= queues // 8
    assert max(costs) < 15_000
    assert list(world.open) == ["last"]


def calls_for_scales(waiting: int) -> int:
    """Calls to find out how many machines are wanted."""
    world = World().given(an_environment("big", "", shape="cpu=4", scaling=(0, 10_000, 0)))
    world.given(a_queue(environments="big", depth=0)).scaled("big", 0)
    for i in range(waiting):
        world.given(a_job(f"j{i:05}", project=f"p{i % 50}", created=i, request=REQUESTS[i % 3]))
    world.decide()
    return calls_of(world.scales)


def test_it_costs_no_more_to_know_how_many_machines_are_wanted_when_more_waits() -> None:
    assert calls_for_scales(LARGE) < 1.5 * calls_for_scales(SMALL)


def calls_for_a_loss(waiting: int, environments: str) -> int:
    """Calls until a cluster is lost, its Jobs are back in their queue, and it is well again."""
    world = clusters(3).given(an_environment("big", "cpu=20"))
    world.given(a_queue(environments=environments, action_concurrency=30, depth=0))
    for i in range(waiting):
        world.given(a_job(f"j{i:05}", project=f"p{i % 50}", created=i, request=REQUESTS[i % 3], managed=True))
    there = [name for name, cluster in world.clusters().items() if cluster == "c00"]
    world.lands(*world.open)

    def lose() -> None:
        world.silent("c00").later(300).silent("c00").write_pool_status()
        assert sorted(world.requeues()) == sorted(there)
        world.lands(*there).write_pool_status()
        world.answers("c00").write_pool_status()

    assert len(there) >= 8
    return calls_of(lose)


@pytest.mark.parametrize("environments", ["", "big"])
def test_to_lose_a_cluster_costs_no_more_when_more_waits(environments: str) -> None:
    assert calls_for_a_loss(LARGE, environments) < 1.5 * calls_for_a_loss(SMALL, environments)


def test_a_choice_among_eight_times_as_many_clusters_costs_less_than_twice_as_much() -> None:
    few, many = (
        calls_per_decision(clusters(count).given(a_queue(action_concurrency=10)), 500) for count in (8, 64)
    )
    assert many < 2 * few


def calls_for_a_change_of_an_owner(children: int) -> int:
    """Calls for a change of an active Job that those it owns have nothing to do with."""
    world = World().given(a_queue(depth=0), a_job("owner", state=JobState.ACTIVE))
    world.given(*(a_job(f"c{i:05}", owner_uid="owner", created=1) for i in range(children)))
    return calls_of(lambda: world.changed("owner", priority=5))


def test_a_change_of_a_job_costs_no_more_when_it_owns_more() -> None:
    assert calls_for_a_change_of_an_owner(LARGE) < 1.5 * calls_for_a_change_of_an_owner(SMALL)


def calls_for_an_end_of_a_chain(length: int) -> int:
    """Calls for a change of a Job that waits for one that waits for one, and so on, and for the decision after it."""
    world = World().given(a_queue(depth=0), a_job("c00000", held=True))
    world.given(*(a_job(f"c{i:05}", created=i, depends_on=(f"c{i - 1:05}",)) for i in range(1, length)))
    world.given(a_job("last", depends_on=("next",)), a_job("next", depends_on=("never",))).decide()
    return calls_of(lambda: world.changed("next", depends_on=(f"c{length - 1:05}",)).decide())


def test_a_job_at_the_end_of_a_chain_costs_no_more_when_that_is_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dependents, "SEARCH_STEPS", 100)
    assert calls_for_an_end_of_a_chain(LARGE) < 1.5 * calls_for_an_end_of_a_chain(SMALL)


def calls_for_a_deletion(waiting: int) -> int:
    """Calls for a Job that comes and goes, for which so many wait."""
    world = World().given(a_queue(depth=0))
    world.given(*(a_job(f"c{i:05}", depends_on=("a",)) for i in range(waiting)))
    world.given(a_job("a", held=True)).deleted("a")
    return calls_of(lambda: world.given(a_job("a", uid="again", held=True)).deleted("a"))


def test_to_delete_a_job_costs_no_more_when_more_wait_for_it() -> None:
    assert calls_for_a_deletion(LARGE) < 1.5 * calls_for_a_deletion(SMALL)
