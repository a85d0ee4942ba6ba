"""Jobs of a cluster that is lost: they stay, or go back to the head of their queue, each once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.builders import World, a_job, a_policy, a_pool, a_queue, an_environment

from headgate.engine.decisions import Admit, Cancel, Requeue
from headgate.engine.job import JobState


def pool(clusters: str = "east west", **spec: Any) -> Any:
    return a_pool("default", clusters, remote=True, **{"lost_after_seconds": 60} | spec)


def world(*facts: Any, clusters: str = "east west", on_cluster_lost: str = "Requeue") -> World:
    """A pool of two remote clusters that are well, and give their Jobs back when they are lost."""
    one = World(pool=False).given(pool(clusters, on_cluster_lost=on_cluster_lost))
    return one.answers(*clusters.split()).given(*facts)


def proxy(name: str, **fields: Any) -> Any:
    return a_job(name, **{"managed": True} | fields)


def runs(name: str, cluster: str = "east", **fields: Any) -> Any:
    return proxy(name, **{"state": JobState.ACTIVE, "cluster": cluster} | fields)


def lost(one: World, *clusters: str) -> World:
    """Let clusters be silent for long enough."""
    names = clusters or ("east",)
    return one.silent(*names).later(60).silent(*names)


# ---- who goes back


def test_where_the_pool_waits_jobs_stay() -> None:
    one = lost(world(a_queue(), runs("a"), on_cluster_lost="Wait"))
    assert not one.engine.is_given_up("default", "east")
    assert one.decide() == []
    assert one.engine.jobs["a"].cluster == "east"


def test_jobs_of_a_lost_cluster_go_back_to_their_queue() -> None:
    one = lost(world(a_queue(), runs("a"), runs("b"), runs("c", "west")))
    assert one.engine.is_given_up("default", "east")
    assert one.requeues() == {"a": "east", "b": "east"}
    one.lands("a", "b")
    assert one.clusters() == {"a": "west", "b": "west"}


def test_a_cluster_that_is_silent_for_a_while_keeps_its_jobs() -> None:
    one = world(a_queue(), runs("a")).silent("east").later(59).silent("east")
    assert one.requeues() == {}
    assert one.later(1).silent("east").requeues() == {"a": "east"}


@pytest.mark.parametrize(
    "fields",
    [
        {"managed": False},
        {"canceling": True},
        {"cluster": "west"},
        {"state": JobState.WAITING, "cluster": None, "held": True},
        {"state": JobState.FINISHED, "admitted_at": "1970-01-01T00:00:00Z"},
    ],
    ids=["no proxy", "on its way out", "elsewhere", "waits", "finished"],
)
def test_nobody_else_does(fields: dict[str, Any]) -> None:
    one = lost(world(a_queue(paused=True), runs("a", **fields)))
    assert one.requeues() == {}


def test_jobs_of_every_queue_go_back_also_of_one_that_is_paused_or_gone() -> None:
    one = lost(world(a_queue(paused=True), runs("a"), runs("b", queue="gone", pool="default")))
    assert one.requeues() == {"a": "east", "b": "east"}


def test_a_job_that_is_seen_in_a_cluster_lost_before_goes_back_as_well() -> None:
    one = lost(world(a_queue())).given(runs("late"))
    assert one.requeues() == {"late": "east"}


def test_a_disabled_cluster_that_is_lost_gives_its_jobs_back() -> None:
    one = world(a_queue(), runs("a")).given(pool(on_cluster_lost="Requeue", disabled="east"))
    assert one.requeues() == {}
    assert lost(one).requeues() == {"a": "east"}


def test_a_disabled_cluster_that_answers_keeps_them() -> None:
    one = world(a_queue(), runs("a")).given(pool(on_cluster_lost="Requeue", disabled="east"))
    assert one.later(1_000).answers("east").requeues() == {}


def test_at_most_as_many_are_sent_back_at_once_as_may_be_written() -> None:
    one = lost(world(a_queue(), *(runs(f"j{n}") for n in range(5))))
    assert [len(one.requeues(limit=2)) for _ in range(4)] == [2, 2, 1, 0]


# ---- two pools that name one cluster


def test_no_job_goes_back_because_of_a_cluster_of_another_pool_that_has_its_name() -> None:
    one = world(a_queue(), runs("a"), runs("b", pool="default"), on_cluster_lost="Wait")
    one.given(
        a_pool("b", "east", remote=True, on_cluster_lost="Requeue", lost_after_seconds=5),
        a_queue("beside", pool="b"),
        runs("theirs", queue="beside"),
        runs("labelled", pool="b"),
    )
    for _ in range(2):
        one.engine.cluster_silent("b", "east", "no answer", one.now)
        one.later(6)
    assert one.engine.is_given_up("b", "east")
    assert not one.engine.is_given_up("default", "east")
    assert one.requeues() == {"theirs": "east", "labelled": "east"}


# ---- a cluster that left the pool


def test_jobs_of_a_cluster_that_left_the_pool_go_back_to_their_queue() -> None:
    one = world(a_queue(), runs("a"), runs("b", "west"), runs("dying", canceling=True))
    one.when(pool("west", on_cluster_lost="Requeue"))
    assert one.requeues() == {"a": "east"}
    assert one.lands("a").clusters() == {"a": "west"}


def test_a_job_that_is_seen_in_a_cluster_that_left_before_goes_back_as_well() -> None:
    one = world(a_queue(), clusters="west").given(runs("late"))
    assert one.requeues() == {"late": "east"}


def test_where_the_pool_waits_it_is_told_what_to_do_about_a_cluster_that_left() -> None:
    one = world(a_queue(), runs("a"), runs("b", "west"), on_cluster_lost="Wait")
    one.when(pool("west", on_cluster_lost="Wait")).given(runs("late"))
    assert one.requeues() == {}
    assert [(notice.name, notice.reason) for notice in one.notices] == [
        ("a", "ClusterNotInPool"),
        ("late", "ClusterNotInPool"),
    ]
    assert "Requeue" in one.notices[0].message
    assert one.when(pool("west", on_cluster_lost="Requeue")).requeues() == {"a": "east", "late": "east"}


def test_a_cluster_that_comes_back_to_its_pool_has_its_jobs_again() -> None:
    one = world(a_queue(), runs("a"), on_cluster_lost="Wait").when(pool("west", on_cluster_lost="Wait"))
    assert one.when(pool(on_cluster_lost="Wait")).answers("east").requeues() == {}
    assert one.pool_status().clusters[0].active == 1


@pytest.mark.parametrize(
    ("clusters", "on_cluster_lost", "abandoned"),
    [
        ("east west", "Requeue", False),
        ("west", "Requeue", True),
        ("west", "Wait", True),
        ("", "Wait", True),
    ],
)
def test_nobody_waits_for_a_cluster_that_left(clusters: str, on_cluster_lost: str, abandoned: bool) -> None:
    one = world(a_queue()).when(pool(clusters, on_cluster_lost=on_cluster_lost))
    assert one.engine.is_abandoned("default", "east") is abandoned


def test_nobody_waits_for_a_cluster_that_is_given_up_or_of_a_pool_that_is_gone() -> None:
    one = world(a_queue())
    assert not one.engine.is_abandoned("default", "east")
    assert lost(one).engine.is_abandoned("default", "east")
    waits = lost(world(a_queue(), on_cluster_lost="Wait"))
    assert not waits.engine.is_abandoned("default", "east")
    waits.engine.pool_gone("default")
    assert waits.engine.is_abandoned("default", "east")
    assert waits.engine.is_abandoned("never", "east")


def test_a_pool_that_cannot_be_read_may_have_any_cluster() -> None:
    one = World(pool=False).given(a_queue())
    one.engine.pool_broken("default", "spec.clusters: no list")
    assert not one.engine.is_abandoned("default", "east")


# ---- a change of mind


def test_jobs_go_back_when_the_pool_is_told_so_after_the_loss() -> None:
    one = lost(world(a_queue(), runs("a"), on_cluster_lost="Wait"))
    assert one.when(pool(on_cluster_lost="Requeue")).requeues() == {"a": "east"}


@pytest.mark.parametrize(
    "why",
    ["it answers", "the pool waits", "the pool is more patient", "the pool is gone", "the queue is gone"],
)
def test_who_was_to_go_back_stays_when_the_cluster_is_not_given_up_any_more(why: str) -> None:
    one = lost(world(a_queue(), runs("a")))
    match why:
        case "it answers":
            one.answers("east")
        case "the pool waits":
            one.when(pool(on_cluster_lost="Wait"))
        case "the pool is more patient":
            one.when(pool(on_cluster_lost="Requeue", lost_after_seconds=600)).silent("east")
        case "the pool is gone":
            one.engine.pool_gone("default")
        case "the queue is gone":
            one.engine.queue_gone("gold")
    assert why == "the queue is gone" or not one.engine.is_given_up("default", "east")
    assert one.requeues() == {}


def test_a_job_that_was_sent_back_stays_so_when_the_cluster_returns() -> None:
    one = lost(world(a_queue(), runs("a")))
    one.requeues()
    one.answers("east").lands("a")
    assert one.clusters() == {"a": "east"}


def test_a_job_can_be_sent_back_again_and_again() -> None:
    one = lost(world(a_queue(), runs("a")))
    one.requeues()
    assert one.lands("a").clusters() == {"a": "west"}
    lost(one.lands("a").answers("east"), "west")
    assert one.requeues() == {"a": "west"}
    assert one.lands("a").clusters() == {"a": "east"}


# ---- what becomes of the write


def test_a_write_is_sent_once_whatever_happens_before_the_watch_shows_it() -> None:
    one = lost(world(a_queue(), runs("a")))
    (write,) = one.of(Requeue)
    one.silent("east", message="still nothing").given(pool(on_cluster_lost="Requeue"))
    assert one.requeues() == {}, "its answer is not there yet"
    one.engine.written(write, one.now)
    one.given(pool(on_cluster_lost="Requeue", description="new")).silent("east", message="another")
    assert one.requeues() == {}, "it has landed"


def test_a_refused_write_is_tried_again_after_a_pause() -> None:
    one = lost(world(a_queue(), runs("a")))
    one.requeues()
    one.refuses("a", "no such verb")
    assert one.later(0.5).requeues() == {}
    assert [notice.reason for notice in one.notices] == ["Refused"]
    assert one.later(0.5).requeues() == {"a": "east"}


def test_a_refused_write_is_not_tried_again_when_the_cluster_is_back() -> None:
    one = lost(world(a_queue(), runs("a")))
    one.requeues()
    one.refuses("a").answers("east").later(1)
    assert one.requeues() == {}


def test_a_write_that_met_a_newer_version_is_sent_again_at_that() -> None:
    one = lost(world(a_queue(), runs("a")))
    one.requeues()
    one.outdates("a")
    assert one.requeues() == {}, "who knows what the newer version says"
    one.changed("a", priority=3)
    (again,) = one.of(Requeue)
    assert again.resource_version == one.jobs["a"].resource_version


def test_a_write_that_met_a_version_that_ended_the_job_is_forgotten() -> None:
    one = lost(world(a_queue(), runs("a")))
    one.requeues()
    one.outdates("a").finished("a")
    assert one.decide() == []


def test_the_watch_may_be_faster_than_the_answer() -> None:
    one = lost(world(a_queue(), runs("a")))
    (write,) = one.of(Requeue)
    one.changed("a", state=JobState.WAITING, cluster=None, admitted_at=None, requeued=True)
    assert one.clusters() == {"a": "west"}
    one.engine.written(write, one.now)
    assert one.decide() == []
    assert one.engine.jobs["a"].write > write.resource_version, "the answer belongs to a write that is over"


def test_an_admission_under_way_comes_first() -> None:
    one = world(a_queue(clusters=["east"]), proxy("a"))
    (admission,) = one.of(Admit)
    lost(one)
    assert one.requeues() == {}, "it may not be there yet"
    one.engine.admitted(admission, "1970-01-01T00:01:40.000000Z", one.now)
    assert one.requeues() == {}, "it is there, at a version that is not known yet"
    one.changed("a", state=JobState.ACTIVE, cluster="east", admitted_at="1970-01-01T00:01:40.000000Z")
    assert one.requeues() == {"a": "east"}


def test_an_admission_that_comes_to_nothing_sends_nobody_back() -> None:
    one = world(a_queue(clusters=["east"]), proxy("a"))
    one.admits()
    lost(one).refuses("a").later(1)
    assert one.requeues() == {}


def test_a_job_that_is_to_be_canceled_is_not_sent_back() -> None:
    one = lost(world(a_queue(), runs("a")))
    queue = a_queue(state="Terminated", generation=2)
    one.when(queue)
    one.requeues(limit=0)
    assert one.confirms == ["gold"]
    one.engine.confirmed("gold", queue, one.now)
    assert one.cancels() == {"a": "Canceled"}


def test_a_job_that_a_user_cancels_meanwhile_is_not_sent_back() -> None:
    one = lost(world(a_queue(), runs("a")))
    one.requeues()
    one.outdates("a").changed("a", canceling=True)
    assert one.requeues() == {}


def test_after_a_restart_it_is_known_who_is_to_go_back() -> None:
    one = lost(world(a_queue(), runs("a"), returned("b")))
    again = one.restarted(one.write_pool_status(), a_queue())
    assert again.decide() == []
    again.answers("west").silent("east")
    decisions = again.decide()
    assert [(type(d), d.job.name, d.cluster) for d in decisions] == [  # type: ignore[union-attr]
        (Requeue, "a", "east"),
        (Admit, "b", "west"),
    ]


# ---- what it takes and gives back


def test_its_places_are_free_when_the_watch_has_shown_it() -> None:
    queue = a_queue(environments="big", action_concurrency=1)
    one = world(an_environment("big", "cpu=4", clusters="east"), queue, runs("a", environment="big", cpu=4))
    lost(one).requeues()
    (room,) = one.environment_status().clusters
    assert (room.active, one.status().actions and one.status().actions.active) == (1, 1)  # type: ignore[union-attr]
    one.lands("a")
    (room,) = one.environment_status().clusters
    assert (room.active, room.requested, one.status().actions.active) == (0, {}, 0)  # type: ignore[union-attr]
    assert one.status().jobs.waiting == 1  # type: ignore[union-attr]
    assert one.engine.occupancy.on("default", "east") == 0


def test_it_may_go_to_another_environment() -> None:
    one = world(
        an_environment("big", "cpu=4", clusters="east"), an_environment("other", "cpu=4", clusters="west")
    )
    one.given(a_queue(environments="big other"), runs("a", environment="big", cpu=4))
    lost(one).requeues()
    assert one.lands("a").places() == {"a": "other"}


def test_it_is_never_too_many_for_the_depth() -> None:
    one = lost(world(a_queue(depth=1), runs("a")))
    one.requeues()
    one.lands("a")
    assert one.cancels() == {}
    assert one.confirms == []


# ---- who goes first


def returned(name: str = "back", **fields: Any) -> Any:
    """A Job that was sent back from a cluster that is lost."""
    return proxy(name, **{"requeued": True, "created": 50} | fields)


ORDERS: dict[str, dict[str, Any]] = {
    "FIFO": {},
    "LIFO": {"execution_mode": "LIFO"},
    "PRIORITY": {"execution_mode": "PRIORITY"},
    "shuffle": {"fairness": "ShuffleInterleave"},
    "fair share": {"scheduling_policy": "fair"},
}


@pytest.mark.parametrize("order", ORDERS)
def test_whoever_comes_back_goes_before_all_others(order: str) -> None:
    one = world(
        a_policy(), a_queue(action_concurrency=2, **ORDERS[order]), runs("red-1", "west", project="red")
    )
    others = [
        proxy(f"{project}{created}", project=project, created=created, priority=created)
        for project in ("red", "blue")
        for created in (10, 90)
    ]
    one.given(*others, returned("b1", project="red"), returned("b2", project="red"))
    went = []
    for _ in range(3):
        (name,) = one.admits().split()
        went.append(name)
        one.lands(name).finished(name)
    assert sorted(went[:2]) == ["b1", "b2"]


@pytest.mark.parametrize(
    ("mode", "first"), [("FIFO", "old young"), ("LIFO", "young old"), ("PRIORITY", "young old")]
)
def test_those_who_come_back_go_by_the_execution_mode(mode: str, first: str) -> None:
    one = world(a_queue(execution_mode=mode))
    one.given(returned("old", project="x"), returned("young", project="y", created=60, priority=1))
    assert one.admits() == first


@pytest.mark.parametrize("head_of_line", ["Block", "Backfill"])
def test_it_goes_before_a_head_that_waits_for_room(head_of_line: str) -> None:
    one = world(an_environment("big", "cpu=4", clusters="west"))
    one.given(a_queue(environments="big", head_of_line=head_of_line))
    one.given(runs("a", "west", environment="big", cpu=3), proxy("head", cpu=4))
    assert one.admits() == ""
    assert one.given(returned(cpu=1)).admits() == "back"


def test_it_waits_for_room_before_all_others() -> None:
    one = world(an_environment("big", "cpu=4", clusters="west"), a_queue(environments="big"))
    one.given(runs("a", "west", environment="big", cpu=3), proxy("next", cpu=1), returned(cpu=4))
    assert one.admits() == ""
    head = one.status().head
    assert head is not None
    assert (head.name, head.reason) == ("back", "InsufficientCapacity")
    assert one.finished("a").admits() == "back"


@pytest.mark.parametrize(
    "fields",
    [
        {"held": True},
        {"error": "metadata: wrong"},
        {"pool": "another"},
        {"canceling": True},
        {"managed": False},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_one_that_cannot_go_by_itself_lets_others_pass(fields: dict[str, Any]) -> None:
    one = world(a_queue(), proxy("other"), returned(**fields))
    assert one.admits() == "other"


def test_those_behind_it_wait_until_it_is_written_that_it_runs_no_more() -> None:
    one = world(a_queue(action_concurrency=1), proxy("other"), returned(stopping=True))
    assert one.admits() == ""
    assert one.changed("back", stopping=False).admits() == "back"


def test_nor_does_anybody_pass_in_its_stead_where_there_is_room_for_them() -> None:
    one = world(an_environment("big", "cpu=4"), a_queue(environments="big", head_of_line="Backfill"))
    one.given(proxy("small", cpu=1, deadline=5), returned(cpu=1, stopping=True))
    assert one.admits() == ""
    assert one.changed("back", stopping=False).admits() == "back small"


def test_one_whose_run_finds_no_place_lets_those_of_active_runs_pass() -> None:
    one = world(a_queue(run_concurrency=1), runs("a", "west", run_label="r"))
    one.given(returned(), proxy("child", created=90, run_label="r"))
    assert one.admits() == "child"
    assert one.lands("child").finished("child").finished("a").admits() == "back"


def test_what_it_depends_on_has_succeeded_whatever_has_become_of_that() -> None:
    one = world(a_queue(), runs("first", "west"), proxy("second", depends_on=("first",)))
    assert one.admits() == ""
    assert one.finished("first").clusters() == {"second": "east"}
    lost(one.lands("second").deleted("first")).requeues()
    assert one.lands("second").clusters() == {"second": "west"}
    assert one.restarted(pool(), a_queue()).answers("west").cancels() == {}


def test_it_costs_its_project_no_turn() -> None:
    one = world(a_queue(action_concurrency=1))
    one.given(*(proxy(f"{who}{n}", project=who, created=n) for who in ("red", "blue") for n in range(2)))
    one.given(returned(project="red"))
    went = []
    for _ in range(5):
        (name,) = one.admits().split()
        went.append(name)
        one.lands(name).finished(name)
    assert went == ["back", "red0", "blue0", "red1", "blue1"]


def test_it_goes_first_in_its_queue_and_not_before_queues_of_higher_priority() -> None:
    one = world(an_environment("big", "cpu=1", clusters="west"), a_queue(environments="big", priority=1))
    one.given(a_queue("platinum", environments="big", priority=100))
    one.given(returned(cpu=1), proxy("important", queue="platinum", cpu=1))
    assert one.admits() == "important"


def test_it_stays_the_first_through_a_change_of_the_order_and_through_a_restart() -> None:
    one = world(a_queue(paused=True), *(proxy(f"j{n}", created=n) for n in range(3)), returned())
    assert one.admits() == ""
    one.when(a_queue(execution_mode="LIFO", generation=2))
    assert one.admits(limit=1) == "back"
    again = one.refuses("back").restarted(pool(), a_queue()).answers("west")
    assert again.admits(limit=1) == "back"


def test_the_corrections_of_one_decision_come_before_its_admissions() -> None:
    one = lost(world(a_queue(), runs("a"), proxy("new")))
    assert [type(decision) for decision in one.decide()] == [Requeue, Admit]
    assert not one.of(Cancel)
