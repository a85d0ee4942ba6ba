"""What became of writes: outdated, refused, lost; and facts out of order."""

from typing import Any

import pytest
from tests.builders import World, a_job, a_queue, copy_of, stamp

from headgate.engine.decisions import Admit, Suspend
from headgate.engine.job import JobState


def one_of_two() -> World:
    world = World().given(a_queue(action_concurrency=1), a_job("a"), a_job("b", created=1))
    assert world.admits() == "a"
    return world


def test_the_place_stays_taken_until_it_is_known_what_became_of_an_outdated_write() -> None:
    world = one_of_two().outdates("a")
    assert world.admits() == ""
    assert world.changed("a", priority=1).admits() == "a"


def test_a_conflict_without_a_newer_version_does_not_take_the_place_for_ever() -> None:
    """Anything in the way of a write may answer with a conflict, though the Job has not changed."""
    world = one_of_two().outdates("a")
    assert world.later(4.9).decide() == []
    assert [write.job.name for write in world.later(0.2).of(Suspend)] == ["a"]
    assert world.admits() == ""
    assert world.confirms_waiting("a").admits() == "b"
    assert world.lands("b").finished("b").later(60).admits() == "a"


def test_the_place_stays_taken_as_long_as_nobody_knows_whether_the_job_waits() -> None:
    world = one_of_two().outdates("a")
    for _ in range(20):
        assert len(world.later(60).of(Suspend)) == 1
        assert world.outdates("a").admits() == ""
    assert len(world.later(60).of(Suspend)) == 1
    assert world.refuses("a", "no").later(60).admits() == ""
    world.changed("a", state=JobState.ACTIVE, admitted_at=stamp(1.0), cluster="local")
    assert world.decide() == []
    assert world.engine.queues["gold"].active == 1


@pytest.mark.parametrize(
    "closed", [{"paused": True}, {"paused": True, "state": "Sealed"}, {"state": "Terminated"}]
)
def test_a_job_of_which_nobody_knows_is_asked_for_whatever_its_queue_does(closed: dict[str, Any]) -> None:
    world = one_of_two().outdates("a").when(a_queue(generation=2, **closed)).later(60)
    assert [write.job.name for write in world.of(Suspend)] == ["a"]
    world.confirms_waiting("a")
    assert (world.engine.queues["gold"].active, world.status().observed_generation) == (0, 2)


def test_an_answer_that_was_lost_is_no_second_admission() -> None:
    world = one_of_two()
    world.changed("a", state=JobState.ACTIVE, admitted_at=stamp(1.0), cluster="local")
    assert world.outdates("a").decide() == []
    assert world.engine.queues["gold"].active == 1


def test_a_refused_job_alone_waits_longer_each_time() -> None:
    world = one_of_two().refuses("a", "quota")
    assert world.admits() == "b"
    assert [notice.reason for notice in world.notices] == ["Refused"]
    world.when(a_queue(generation=2))
    for pause in (1.0, 2.0, 4.0):
        world.later(pause - 0.1)
        assert world.admits() == ""
        world.later(0.2)
        assert world.admits() == "a"
        world.refuses("a", "quota")


def test_what_is_told_of_a_refusal_is_no_longer_than_an_event_may_be() -> None:
    world = one_of_two().refuses("a", "a webhook tells a story: " + "and then, " * 10_000)
    world.decide()
    assert [len(notice.message) for notice in world.notices] == [1024]


def test_a_job_may_be_refused_for_days() -> None:
    world = one_of_two()
    for _ in range(1_100):
        world.refuses("a", "quota").later(60)
        assert world.admits(1) == "a"


def test_a_correction_is_tried_again_although_no_newer_version_comes() -> None:
    world = World().given(a_queue(), a_job("wild", state=JobState.UNADMITTED))
    assert len(world.of(Suspend)) == 1
    assert world.outdates("wild").decide() == []
    assert len(world.later(5).of(Suspend)) == 1


@pytest.mark.parametrize("first", ["answer", "watch"])
def test_a_correction_that_came_too_late_is_tried_again(first: str) -> None:
    world = World().given(a_queue(), a_job("wild", state=JobState.UNADMITTED))
    assert len(world.of(Suspend)) == 1
    if first == "answer":
        world.outdates("wild").changed("wild")
    else:
        world.changed("wild").outdates("wild")
    assert len(world.of(Suspend)) == 1


def test_one_job_has_one_write_under_way() -> None:
    terminated = a_queue(state="Terminated")
    world = World().given(terminated, a_job("wild", state=JobState.UNADMITTED))
    world.decide()
    world.outdates("wild").changed("wild")
    world.engine.confirmed("gold", terminated, world.now)
    assert world.cancels() == {"wild": "Canceled"}


def test_facts_may_come_twice_and_late() -> None:
    world = one_of_two()
    old = copy_of(world.jobs["a"])
    world.lands("a").when(old)
    assert world.engine.queues["gold"].active == 1
    world.finished("a").engine.job_seen(copy_of(old), world.now)
    assert world.admits() == "b"
    assert set(world.engine.jobs) == {"b"}


def test_jobs_may_come_long_before_their_queue() -> None:
    world = World().given(a_job("a"), a_job("b", created=1))
    assert world.decide() == []
    assert world.when(a_queue()).admits() == "a b"


def test_an_older_version_of_a_queue_is_ignored_also_of_one_of_another_life() -> None:
    old = a_queue(paused=True, uid="old")
    world = World().given(a_queue(uid="new"), a_job("a")).when(old)
    assert world.admits() == "a"


def test_the_observed_generation_waits_for_decisions_of_older_ones() -> None:
    world = World().given(a_queue(), a_job("a"))
    world.admits()
    world.when(a_queue(generation=2))
    assert world.status().observed_generation == 1
    assert world.lands("a").status().observed_generation == 2


def test_the_observed_generation_of_a_queue_made_anew_counts_from_one() -> None:
    world = World().given(a_queue(generation=7, uid="old"), a_job("a"))
    world.admits()
    world.when(a_queue(uid="new"))
    assert world.status().observed_generation == 0
    assert world.outdates("a").status().observed_generation == 1


def test_a_broken_job_stops_nothing_but_itself() -> None:
    world = World().given(a_queue(), a_job("bad", error="metadata.annotations: no"), a_job("good", created=1))
    assert world.admits() == "good"
    assert [(n.reason, n.message) for n in world.notices] == [("InvalidJob", "metadata.annotations: no")]


def test_a_job_never_changes_pool() -> None:
    world = World().given(a_queue(), a_job("a", pool="elsewhere"))
    assert world.of(Admit) == []
    assert [n.reason for n in world.notices] == ["WrongPool"]


def test_a_missing_queue_is_told_after_a_while_and_once() -> None:
    world = World().given(a_job("a")).later(4.9)
    world.decide()
    assert not world.notices
    world.later(0.2).decide()
    world.later(60).decide()
    assert [n.reason for n in world.notices] == ["QueueNotFound"]
