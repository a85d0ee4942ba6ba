"""What is known of proxies and copies, however watches, lists and answers to requests overtake each other."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.members.lives import condition, stamp
from tests.unit.members.test_copies import a_hubs_job

from headgate.members.reconcile import Action, Create, Delete, Finish, Mirror, WallOff
from headgate.members.records import copy_from
from headgate.members.view import View

Json = dict[str, Any]

KEY = ("lab", "train")
STAMP = "2026-11-23T10:00:01.000001Z"
RUNNING: Json = {"startTime": stamp(0), "active": 1}
COMPLETE: Json = {
    "startTime": stamp(0),
    "completionTime": stamp(9),
    "conditions": [condition("SuccessCriteriaMet", 9), condition("Complete", 9)],
}


def a_raw_proxy(
    version: int = 10, *, uid: str = "origin", status: Json | None = None, admitted: str | None = STAMP
) -> Json:
    job = a_hubs_job()
    job["metadata"] |= {"uid": uid, "resourceVersion": str(version)}
    job["status"] = status or {}
    if admitted is None:
        job["metadata"]["annotations"] = {}
        job["spec"]["suspend"] = True
    else:
        job["metadata"]["annotations"]["headgate.dev/admitted-at"] = admitted
    return job


def a_raw_copy(
    version: int = 100,
    *,
    uid: str = "copy",
    origin: str = "origin",
    status: Json | None = None,
    admitted: str = STAMP,
) -> Json:
    return {
        "metadata": {
            "namespace": "lab",
            "name": "train",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {"headgate.dev/origin-uid": origin},
            "annotations": {"headgate.dev/admitted-at": admitted},
        },
        "spec": {},
        "status": status or {},
    }


@pytest.fixture
def view() -> View:
    """A hub with one proxy that was admitted to cluster east, in which nothing is yet."""
    view = View(lambda queue, written: written or "", lambda pool, cluster: False)
    view.join("east", "gpu")
    view.job_seen(a_raw_proxy())
    view.copies_listed("east", [])
    return view


def due(view: View) -> Action | None:
    return view.due_in(view.member("east"), KEY)[2]


def made(view: View, **fields: Any) -> None:
    """Let the answer to a creation arrive."""
    view.assume(view.member("east"), copy_from(a_raw_copy(**fields)))


def test_what_was_made_is_not_made_again_before_the_watch_shows_it(view: View) -> None:
    assert isinstance(due(view), Create)
    made(view)
    assert due(view) is None


def test_a_list_that_is_older_than_what_was_made_takes_it_for_neither_deleted_nor_there(view: View) -> None:
    made(view)
    view.copies_listed("east", [])
    # It is asked for once more, and met.
    assert isinstance(due(view), Create)


def test_what_a_list_has_shown_and_a_later_one_lacks_was_deleted(view: View) -> None:
    made(view)
    view.copies_listed("east", [a_raw_copy()])
    assert due(view) is None
    view.copies_listed("east", [])
    found = due(view)
    assert isinstance(found, Finish)
    assert found.reason == "CopyDeleted"


def test_what_the_watch_has_shown_and_a_list_lacks_was_deleted_also_if_it_is_met_again(view: View) -> None:
    view.copy_seen("east", a_raw_copy())
    made(view, version=101)
    view.copies_listed("east", [])
    assert isinstance(due(view), Finish)


def test_the_watch_may_be_faster_than_the_answer(view: View) -> None:
    view.copy_seen("east", a_raw_copy(status=RUNNING, version=105))
    made(view, version=100)
    assert due(view) == Mirror(RUNNING)
    view.copy_gone("east", a_raw_copy(status=RUNNING, version=106))
    made(view, version=100)
    assert isinstance(due(view), Finish)


def test_a_deletion_that_overtakes_an_answer_leaves_the_name_free_in_the_end(view: View) -> None:
    view.copy_seen("east", a_raw_copy())
    view.job_seen(a_raw_proxy(11, admitted=None))
    view.copy_gone("east", a_raw_copy())
    made(view)
    view.job_seen(a_raw_proxy(12, admitted="later"))
    assert isinstance(due(view), Delete)
    member = view.member("east")
    view.vanished(member, member.copies[KEY])
    assert isinstance(due(view), Create)


def test_a_copy_that_ended_and_went_before_its_proxy_knew_counts(view: View) -> None:
    view.copy_seen("east", a_raw_copy(status=RUNNING))
    view.copy_gone("east", a_raw_copy(120, status=COMPLETE))
    assert isinstance(due(view), Mirror)
    view.job_seen(a_raw_proxy(11, status=COMPLETE))
    assert due(view) is None
    assert not view.member("east").copies


def test_old_news_change_nothing(view: View) -> None:
    view.job_seen(a_raw_proxy(12, status=RUNNING))
    view.job_seen(a_raw_proxy(11))
    view.copy_seen("east", a_raw_copy(110, status=RUNNING))
    view.copy_seen("east", a_raw_copy(109))
    assert due(view) is None


def test_a_deleted_proxy_leaves_an_orphan_and_a_namesake_waits_for_its_end(view: View) -> None:
    view.copy_seen("east", a_raw_copy(status=RUNNING))
    view.job_seen(a_raw_proxy(20, uid="namesake"))
    # As a list tells it: first what there is, then what there is no more.
    view.job_gone("origin")
    assert view.has("namesake")
    assert isinstance(due(view), Delete)
    view.copy_gone("east", a_raw_copy(130, status=RUNNING))
    assert isinstance(due(view), Create)
    view.job_gone("namesake")
    assert due(view) is None
    assert not view.admitted


def test_a_job_that_is_no_proxy_may_be_deleted(view: View) -> None:
    view.job_gone("of somebody else")
    assert isinstance(due(view), Create)


def test_stale_copies_are_those_that_go(view: View) -> None:
    def stale(raw: Json) -> bool:
        view.copies_listed("east", [raw])
        return bool(view.stale(view.member("east")))

    assert not stale(a_raw_copy(status=RUNNING))
    assert stale(a_raw_copy(uid="older", admitted="before"))
    assert stale(a_raw_copy(uid="other", origin="deleted"))
    view.job_seen(a_raw_proxy(11, status=COMPLETE))
    assert stale(a_raw_copy(status=RUNNING))
    assert not stale(a_raw_copy(140, status=COMPLETE))


def test_stale_copies_go_first_in_a_member_that_is_listed_anew(view: View) -> None:
    view.copies_listed("east", [a_raw_copy(status=RUNNING)], anew=True)
    assert not view.member("east").clearing
    view.copies_listed("east", [a_raw_copy(uid="other", origin="deleted")], anew=True)
    assert view.member("east").clearing


def test_finished_pairs_keep_no_status(view: View) -> None:
    view.copy_seen("east", a_raw_copy(status=COMPLETE))
    view.job_seen(a_raw_proxy(11, status=COMPLETE))
    assert due(view) is None
    assert view.member("east").copies[KEY].status == {}
    assert view.proxies[KEY].status == {}
    assert not view.admitted


def test_a_member_that_was_restored_from_a_backup_is_believed(view: View) -> None:
    """Its versions are lower than those that were seen of it before."""
    view.copy_seen("east", a_raw_copy(5000, status=RUNNING))
    view.job_seen(a_raw_proxy(11, status=RUNNING))
    assert due(view) is None
    view.copies_listed("east", [a_raw_copy(3000, status=RUNNING)], anew=True)
    assert due(view) is None
    view.copy_seen("east", a_raw_copy(3100, status=COMPLETE))
    assert isinstance(due(view), Mirror)
    # What is still on its way from the list before is old news again.
    view.copy_seen("east", a_raw_copy(3050, status=RUNNING))
    assert isinstance(due(view), Mirror)


def test_what_a_restored_member_does_not_have_any_more_was_deleted(view: View) -> None:
    view.copy_seen("east", a_raw_copy(5000, status=RUNNING))
    view.copies_listed("east", [], anew=True)
    assert isinstance(due(view), Finish)


def test_what_had_ended_before_its_member_was_restored_is_deleted_there(view: View) -> None:
    view.copy_seen("east", a_raw_copy(5000, status=COMPLETE))
    view.job_seen(a_raw_proxy(11, status=COMPLETE))
    view.copies_listed("east", [a_raw_copy(3000, status=RUNNING)], anew=True)
    assert isinstance(due(view), Delete)


def test_a_copy_that_went_is_there_again_in_a_restored_member(view: View) -> None:
    view.copy_seen("east", a_raw_copy(5000, status=RUNNING))
    view.copy_gone("east", a_raw_copy(5001, status=RUNNING))
    view.copies_listed("east", [a_raw_copy(3000, status=RUNNING)], anew=True)
    assert due(view) == Mirror(RUNNING)


def test_a_later_list_over_the_same_connection_may_be_older_than_the_watch(view: View) -> None:
    view.copies_listed("east", [a_raw_copy(100)], anew=True)
    view.copy_seen("east", a_raw_copy(105, status=RUNNING))
    view.copies_listed("east", [a_raw_copy(101)])
    assert due(view) == Mirror(RUNNING)


def test_a_cluster_of_this_name_of_another_pool_is_not_the_proxys(view: View) -> None:
    view.join("east", "other")
    view.copies_listed("east", [], anew=True)
    assert isinstance(due(view), WallOff)
    view.join("east", "gpu")
    view.copies_listed("east", [], anew=True)
    assert isinstance(due(view), Create)


def test_of_a_cluster_of_another_pool_nothing_is_kept(view: View) -> None:
    view.copy_seen("east", a_raw_copy(status=RUNNING))
    view.join("east", "gpu")
    assert view.member("east").copies
    view.join("east", "other")
    assert not view.member("east").copies
    assert not view.member("east").listed


@pytest.mark.parametrize("abandoned", [True, False])
def test_what_is_cancelled_in_a_cluster_that_its_pool_lost_ends_without_it(abandoned: bool) -> None:
    def is_abandoned(pool: str, cluster: str) -> bool:
        assert (pool, cluster) == ("gpu", "east")
        return abandoned

    view = View(lambda queue, written: "gpu", is_abandoned)
    view.job_seen(a_raw_proxy(status=RUNNING | {"conditions": [condition("FailureTarget", 5)]}))
    assert isinstance(view.due_at_hub(view.proxies[KEY]), Finish) is abandoned


def test_a_cluster_that_left_is_forgotten(view: View) -> None:
    view.copy_seen("east", a_raw_copy())
    view.forget("east")
    assert not view.member("east").copies
    assert not view.member("east").listed
