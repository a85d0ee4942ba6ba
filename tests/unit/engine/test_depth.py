"""Depth: the latest arrivals beyond it are cancelled, an accepted Job never."""

from tests.builders import World, a_job, a_queue

from headgate.engine.decisions import Cancel
from headgate.engine.job import JobState


def three(depth: int) -> World:
    return World().given(
        a_queue(depth=depth, action_concurrency=1), *(a_job(n, created=i) for i, n in enumerate("abc"))
    )


def test_the_latest_is_cancelled_after_the_queue_was_read_anew() -> None:
    world = three(2)
    assert world.cancels() == {}
    assert world.confirms == ["gold"]
    world.engine.confirmed("gold", world.engine.queues["gold"].resource, world.now)
    assert world.cancels() == {"c": "QueueFull"}


def test_a_spec_that_had_made_room_saves_it() -> None:
    world = three(2)
    world.decide()
    world.engine.confirmed("gold", a_queue(depth=3, generation=2), world.now)
    assert world.cancels() == {}
    assert not world.engine.queues["gold"].depth.excess


def test_lowering_the_depth_cancels_nobody_and_the_bar_follows_down() -> None:
    world = three(3)
    world.admits()
    world.lands("a").when(a_queue(depth=1, action_concurrency=1, generation=2))
    assert world.decide() == []
    world.finished("a").given(a_job("d", created=9))
    assert list(world.engine.queues["gold"].depth.excess) == ["d"]


def test_a_job_seen_while_the_queue_is_read_is_judged_by_the_next_read() -> None:
    world = three(2)
    world.decide()
    world.given(a_job("d", created=9)).decide()
    assert world.confirms == ["gold"]
    world.engine.confirmed("gold", a_queue(depth=2, action_concurrency=1, uid="uid-of-gold"), world.now)
    assert world.cancels() == {"c": "QueueFull"}
    assert world.confirms == ["gold", "gold"]


def test_an_excess_job_that_moves_away_is_not_cancelled_there() -> None:
    world = three(2).given(a_queue("silver", depth=0))
    world.decide()
    world.changed("c", queue="silver")
    world.engine.confirmed("gold", world.engine.queues["gold"].resource, world.now)
    assert world.cancels() == {}


def test_a_read_that_fails_is_asked_for_again_unless_the_queue_is_gone() -> None:
    world = three(2)
    world.decide()
    world.engine.unconfirmed("gold", world.now)
    world.later(2).decide()
    assert world.confirms == ["gold", "gold"]
    world.engine.unconfirmed("gold", world.now)
    world.engine.queue_gone("gold")
    world.deleted("a", "b", "c").later(2)
    assert world.decide() == []


def test_an_answer_older_than_the_deletion_brings_no_queue_back() -> None:
    world = three(2)
    read = world.engine.queues["gold"].resource
    world.decide()
    world.engine.queue_gone("gold")
    world.engine.confirmed("gold", read, world.now)
    assert world.engine.queues["gold"].resource is None


def test_accepted_jobs_stay_accepted_through_a_crash_before_the_lower_depth_was_written() -> None:
    world = three(3)
    world.write_status()
    known = world.engine.queues["gold"].resource
    assert known is not None
    lowered = a_queue(depth=1, action_concurrency=1, generation=2, status=known.status)
    again = world.restarted(lowered)
    assert not again.engine.queues["gold"].depth.excess


def test_accepted_jobs_stay_accepted_through_a_restart() -> None:
    world = three(3).when(a_queue(depth=1, action_concurrency=1, generation=2))
    assert not world.restarted(world.write_status()).engine.queues["gold"].depth.excess


def test_a_list_that_tells_late_of_a_job_that_is_gone_cancels_nobody() -> None:
    world = three(3)
    del world.jobs["a"]
    world.jobs["d"] = a_job("d", created=9)
    assert world.listed().of(Cancel) == []
    assert not world.engine.queues["gold"].depth.excess


def test_an_active_job_is_never_too_many() -> None:
    world = three(2).given(a_job("runs", created=9, state=JobState.ACTIVE))
    assert "runs" not in world.engine.queues["gold"].depth.excess
