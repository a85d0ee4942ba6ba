"""Clusters of a pool: how they are, as the pool's status shows it, and which Jobs and environments they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import Resource, World, a_job, a_pool, a_queue, an_environment, stamp

from headgate.engine.job import Job, JobState

if TYPE_CHECKING:
    from headgate.api.clusterpool import PoolClusterStatus


def world(clusters: str = "east west", **spec: Any) -> World:
    """A pool of remote clusters, of which nothing is known yet; one is lost after a minute."""
    spec = {"lost_after_seconds": 60} | spec
    return World(pool=False).given(a_pool("default", clusters, remote=True, **spec))


def shown(one: World, cluster: str = "east") -> PoolClusterStatus:
    return next(status for status in one.pool_status().clusters if status.name == cluster)


def second(at: float) -> str:
    return f"{stamp(at)[:19]}Z"


# ---- how a cluster is


def test_a_remote_cluster_takes_no_jobs_before_it_has_answered() -> None:
    one = world().given(a_queue(), a_job("new", managed=True))
    assert one.clusters() == {}
    assert (shown(one).state, shown(one).message) == ("Pending", "it is being connected")
    assert one.answers("west").clusters() == {"new": "west"}


def test_a_cluster_that_answers_is_running_and_says_its_version() -> None:
    one = world().answers("east")
    assert (shown(one).state, shown(one).version) == ("Running", "v1.37.2")
    assert (shown(one).message, shown(one).not_ready_since) == (None, None)


def test_a_cluster_that_is_silent_is_pending_until_it_is_lost() -> None:
    one = world().answers("east")
    since = one.now
    one.silent("east", message="connection refused").later(59).silent("east", message="timed out")
    assert (shown(one).state, shown(one).message) == ("Pending", "timed out")
    assert shown(one).not_ready_since == second(since)
    one.later(1).silent("east", message="timed out")
    assert (shown(one).state, shown(one).message) == ("Unknown", "timed out")
    assert shown(one).not_ready_since == second(since)


def test_time_alone_loses_no_cluster() -> None:
    one = world().answers("east").silent("east").later(1_000)
    assert shown(one).state == "Pending"


def test_a_cluster_that_never_answered_is_lost_too() -> None:
    one = world().silent("east").later(60).silent("east")
    assert shown(one).state == "Unknown"


def test_an_answer_in_between_starts_the_silence_anew() -> None:
    one = world().silent("east").later(59).answers("east").later(1).silent("east").later(59).silent("east")
    assert shown(one).state == "Pending"


def test_a_lost_cluster_that_answers_takes_jobs_again() -> None:
    one = world("east").given(a_queue(), a_job("new", managed=True)).silent("east").later(60).silent("east")
    assert one.clusters() == {}
    assert one.answers("east").clusters() == {"new": "east"}
    assert (shown(one).state, shown(one).message, shown(one).not_ready_since) == ("Running", None, None)


def test_more_patience_takes_effect_at_the_next_silence() -> None:
    one = world(on_cluster_lost="Requeue").silent("east").later(60).silent("east")
    assert one.engine.is_given_up("default", "east")
    one.given(
        a_pool("default", "east west", remote=True, lost_after_seconds=100, on_cluster_lost="Requeue")
    ).silent("east")
    assert shown(one).state == "Pending"
    assert not one.engine.is_given_up("default", "east")


def test_less_patience_takes_effect_at_the_next_silence() -> None:
    one = world().silent("east").later(10).silent("east")
    one.given(a_pool("default", "east west", remote=True, lost_after_seconds=5)).silent("east")
    assert shown(one).state == "Unknown"


def test_a_disabled_cluster_is_terminated_whatever_else_it_is() -> None:
    one = world().answers("east").given(a_pool("default", "east west", disabled="east", remote=True))
    assert shown(one).state == "Terminated"
    assert shown(one.silent("east")).state == "Terminated"
    one.given(a_pool("default", "east west", remote=True))
    assert shown(one).state == "Pending"


def test_a_cluster_that_left_the_pool_and_returns_is_a_new_one() -> None:
    one = world().answers("east").when(a_pool("default", "west", remote=True))
    assert [status.name for status in one.pool_status().clusters] == ["west"]
    one.when(a_pool("default", "east west", remote=True))
    assert (shown(one).state, shown(one).not_ready_since) == ("Pending", None)


def test_the_status_counts_the_active_jobs_of_every_queue_in_a_cluster() -> None:
    one = world().given(a_queue(), a_job("a", state=JobState.ACTIVE, cluster="east", managed=True))
    one.given(
        a_job("b", "unknown-queue", pool="default", state=JobState.ACTIVE, cluster="east", managed=True)
    )
    one.given(a_job("c", managed=True, held=True))
    assert (shown(one, "east").active, shown(one, "west").active) == (2, 0)


def test_the_status_counts_no_job_of_another_pool_that_has_a_cluster_of_this_name() -> None:
    """Policies refuse that, but of pools that are made at the same moment neither sees the other."""
    one = world().given(a_pool("b", "east", remote=True), a_queue(), a_queue("beside", pool="b"))
    one.given(a_job("mine", state=JobState.ACTIVE, cluster="east", managed=True))
    one.given(a_job("theirs", "beside", state=JobState.ACTIVE, cluster="east", managed=True))
    one.given(a_job("labelled", pool="b", state=JobState.ACTIVE, cluster="east", managed=True))
    assert shown(one).active == 1
    assert one.pool_status("b").clusters[0].active == 2


def test_a_job_counts_in_the_pool_of_its_queue_as_soon_as_that_is_known() -> None:
    one = world().given(a_job("a", state=JobState.ACTIVE, cluster="east", managed=True))
    assert shown(one).active == 0
    assert shown(one.when(a_queue())).active == 1
    one.engine.queue_gone("gold")
    assert shown(one).active == 0


def test_a_cluster_to_which_nothing_may_be_sent_is_pending_and_never_lost() -> None:
    one = world(on_cluster_lost="Requeue").answers("east", "west").given(a_queue(clusters=["east"]))
    one.given(a_job("runs", state=JobState.ACTIVE, cluster="east", managed=True), a_job("new", managed=True))
    for _ in range(3):
        one.engine.cluster_held("default", "east", "another pool has it", one.now)
        one.later(60)
    assert (shown(one).state, shown(one).message) == ("Pending", "another pool has it")
    assert shown(one).not_ready_since is None
    assert one.decide() == []
    assert one.answers("east").clusters() == {"new": "east"}


def test_to_be_held_neither_ends_nor_prolongs_a_silence() -> None:
    one = world().answers("east").silent("east").later(50)
    one.engine.cluster_held("default", "east", "it answers, and is not ready yet", one.now)
    assert shown(one).state == "Pending"
    assert shown(one.later(10).silent("east")).state == "Unknown"
    one.engine.cluster_held("default", "east", "it answers, and is not ready yet", one.now)
    assert shown(one).state == "Unknown"


def test_an_unchanged_cluster_changes_no_status() -> None:
    one = world().answers("east").silent("west")
    written = one.write_pool_status().status
    assert one.later(20).answers("east").silent("west").pool_status() == written


def test_an_older_version_of_a_pool_is_ignored() -> None:
    older = a_pool("default", "east west", remote=True)
    one = world().given(a_pool("default", "east west", disabled="east", remote=True)).answers("east", "west")
    one.when(older)
    one.given(a_queue(clusters=["east"]), a_job("new", managed=True))
    assert one.clusters() == {}


# ---- the cluster that Headgate runs in


def test_the_local_cluster_is_well_until_it_is_not() -> None:
    one = World()
    assert shown(one, "local").state == "Running"
    assert shown(one.silent("local"), "local").state == "Unknown"
    assert shown(one.answers("local"), "local").state == "Running"


def test_the_local_cluster_is_never_given_up() -> None:
    one = World(pool=False).given(a_pool("default", "local", on_cluster_lost="Requeue", lost_after_seconds=5))
    one.given(a_queue(), a_job("a", state=JobState.ACTIVE)).silent("local").later(1_000).silent("local")
    assert not one.engine.is_given_up("default", "local")
    assert one.requeues() == {}


# ---- restarts


def test_the_silence_of_a_cluster_goes_on_through_a_restart() -> None:
    one = world().answers("east", "west").silent("east").later(50)
    again = one.restarted(one.write_pool_status())
    assert shown(again).state == "Pending"
    assert shown(again).not_ready_since == second(one.now - 50)
    assert shown(again.silent("east")).state == "Pending"
    assert shown(again.later(10).silent("east")).state == "Unknown"
    assert shown(again.silent("west"), "west").not_ready_since == second(again.now)


def test_the_version_of_a_cluster_stays_in_the_status_through_a_restart() -> None:
    one = world().answers("east")
    known = shown(one).version
    assert known
    assert shown(one.restarted(one.write_pool_status())).version == known
    local = World().answers("local")
    assert shown(local.restarted(local.write_pool_status()), "local").version == known


def test_a_cluster_that_was_lost_is_lost_at_the_first_silence_after_a_restart() -> None:
    one = world(on_cluster_lost="Requeue").silent("east").later(60).silent("east")
    again = one.restarted(one.write_pool_status())
    assert not again.engine.is_given_up("default", "east")
    assert again.silent("east").engine.is_given_up("default", "east")


def test_an_operator_that_knows_of_no_silence_gives_a_cluster_its_time() -> None:
    one = world().silent("east").later(60).silent("east")
    again = one.restarted(a_pool("default", "east west", remote=True, lost_after_seconds=60))
    assert shown(again.silent("east")).state == "Pending"


# ---- Jobs that are not made for the clusters of the pool


def reasons(one: World) -> list[str]:
    one.decide()
    return [notice.reason for notice in one.notices]


@pytest.mark.parametrize("managed", [True, False])
@pytest.mark.parametrize("order", ["queue first", "job first", "pool last"])
def test_a_job_that_is_no_proxy_among_remote_clusters_or_one_here_waits_and_is_told_why(
    managed: bool, order: str
) -> None:
    pool = a_pool("default", "east", remote=not managed)
    facts: dict[str, list[Resource | Job]] = {
        "queue first": [pool, a_queue(), a_job("new", managed=managed)],
        "job first": [pool, a_job("new", managed=managed), a_queue()],
        "pool last": [a_queue(), a_job("new", managed=managed), pool],
    }
    one = World(pool=False).given(*facts[order]).answers("east")
    assert one.clusters() == {}
    (notice,) = one.notices
    assert (notice.kind, notice.name, notice.type, notice.reason) == ("Job", "new", "Warning", "WrongManager")
    assert "spec.managedBy" in notice.message
    assert "anew" in notice.message
    assert reasons(one.when(a_queue(generation=2)).changed("new", priority=3)) == ["WrongManager"]


def test_a_job_that_cannot_go_holds_nobody_up() -> None:
    one = world().answers("east").given(a_queue(), a_job("wrong"), a_job("right", created=1, managed=True))
    assert one.clusters() == {"right": "east"}


def test_of_a_pool_without_clusters_nobody_knows_whom_it_is_for() -> None:
    one = World(pool=False).given(a_pool("default", ""), a_queue(), a_job("a"), a_job("b", managed=True))
    assert reasons(one) == []
    assert one.when(a_pool("default", "east", remote=True)).answers("east").clusters() == {"b": "east"}


def test_what_was_wrong_becomes_right_with_clusters_of_the_other_kind() -> None:
    one = world("east").answers("east").given(a_queue(), a_job("local"))
    assert one.clusters() == {}
    one.engine.pool_gone("default")
    assert one.when(a_pool("default", "here", uid="anew")).clusters() == {"local": "here"}


# ---- environments that scale the machines of one cluster


def problem(one: World) -> str | None:
    conditions = {condition.type: condition for condition in one.environment_status().conditions}
    return conditions["Ready"].reason if conditions["Ready"].status == "False" else None


@pytest.mark.parametrize(
    ("clusters", "disabled", "right"),
    [
        ("east west", "", False),
        ("*", "", False),
        ("east", "", True),
        ("*", "west", True),
        ("east west", "west", False),
    ],
)
def test_what_is_scaled_is_in_one_cluster(clusters: str, disabled: str, right: bool) -> None:
    one = World(pool=False).given(a_pool("default", "east west", disabled=disabled, remote=True))
    one.answers("east", "west").given(
        an_environment("big", "", clusters=clusters, shape="cpu=4", scaling=(0, 3, 0))
    )
    one.given(a_queue(environments="big")).scaled("big", 1)
    one.given(a_job("new", managed=True, cpu=1))
    assert one.clusters() == ({"new": "east"} if right else {})
    assert problem(one) == (None if right else "AmbiguousScaling")
    stalled = next(condition for condition in one.status().conditions if condition.type == "Stalled")
    assert stalled.reason == ("AsWanted" if right else "ComputeEnvironmentInvalid")


def test_an_environment_in_many_clusters_heals_when_it_names_one_or_is_scaled_no_more() -> None:
    one = world().answers("east", "west")
    for heals in ({"clusters": "west", "scaling": (0, 3, 0)}, {"clusters": "*", "scaling": None}):
        one.given(an_environment("big", "", shape="cpu=4", scaling=(0, 3, 0), generation=1, uid=str(heals)))
        assert problem(one) == "AmbiguousScaling"
        one.given(an_environment("big", "", shape="cpu=4", generation=2, uid=str(heals), **heals))
        assert problem(one) is None
