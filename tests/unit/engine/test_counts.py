"""Totals and statuses: exact through a restart, and no write without a change."""

import pytest
from tests.builders import World, a_job, a_pool, a_queue

from headgate.engine.notices import queue_notices


def ended() -> World:
    world = World().given(a_queue(), *(a_job(n, created=i) for i, n in enumerate("abcd")))
    world.admits()
    world.lands("a", "b", "c", "d")
    return world.finished("a").finished("b", "failed").finished("c", "timedOut")


def totals(world: World) -> tuple[int, ...]:
    jobs = world.status().jobs
    assert jobs is not None
    return jobs.total, jobs.active, jobs.succeeded, jobs.failed, jobs.timed_out


def test_deleting_what_finished_lowers_nothing() -> None:
    world = ended()
    assert totals(world) == (4, 1, 1, 1, 1)
    assert totals(world.deleted("a", "b")) == (4, 1, 1, 1, 1)


def test_a_restart_adds_exactly_what_finished_since() -> None:
    world = ended()
    written = world.write_status()
    world.deleted("a").finished("d")
    assert totals(world.restarted(written)) == (4, 0, 2, 1, 1)


def test_without_a_status_what_exists_is_counted() -> None:
    world = ended().deleted("a")
    assert totals(world.restarted(a_queue())) == (3, 1, 0, 1, 1)


def test_an_unchanged_world_causes_no_new_status_also_after_a_restart() -> None:
    world = ended()
    written = world.write_status()
    assert world.later(50).status() == written.status
    assert world.restarted(written).status() == written.status


def test_the_watermark_moves_when_a_counted_job_changes() -> None:
    world = ended()
    world.write_status()
    world.changed("a", priority=3)
    again = world.restarted(world.write_status())
    assert totals(again) == (4, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("clusters", "pool", "reason"),
    [
        (["*"], None, "PoolNotFound"),
        (["far"], a_pool(), "ClusterNotInPool"),
        (["*"], a_pool(clusters="x", disabled="x"), "NoHealthyCluster"),
        (["y", "x"], a_pool(clusters="x y"), None),
        (["y"], a_pool(clusters="x y", disabled="x"), None),
    ],
)
def test_a_queue_that_reaches_nothing_stalls_and_heals(
    clusters: list[str], pool: object, reason: str | None
) -> None:
    world = World(pool=False).given(a_queue(clusters=clusters), a_job("a"))
    if pool is not None:
        world.given(pool)  # type: ignore[arg-type]
    stalled = next(c for c in world.status().conditions if c.type == "Stalled")
    assert (stalled.status, stalled.reason) == (("True", reason) if reason else ("False", "AsWanted"))
    assert world.admits() == ("" if reason else "a")
    assert world.when(a_pool(clusters="far x y")).admits() == ("a" if reason else "")


def test_an_unhealthy_cluster_takes_nothing() -> None:
    world = World(pool=False).given(a_pool(clusters="x y"), a_queue())
    world.engine.cluster_silent("default", "x", "no answer", world.now)
    world.given(a_job("a")).admits()
    assert world.engine.jobs["a"].cluster == "y"


def test_notices_say_what_changed_and_nothing_twice() -> None:
    world = World().given(a_queue(), a_job("a"))
    world.write_status()
    paused = a_queue(paused=True, note="upgrade", state="Drained", generation=2)
    before = paused.model_copy(update={"status": world.engine.queues["gold"].resource.status})  # type: ignore[union-attr]
    world.when(before)
    notices = [(notice.reason, notice.message) for notice in queue_notices(before, world.status())]
    assert notices == [("Draining", "1 live Jobs are left"), ("Paused", "paused: upgrade")]
    after = world.write_status()
    assert queue_notices(after, world.status()) == []
