"""What is due about a proxy and its copy: by example, and over every state there is."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from tests.unit.members.lives import condition, stamp

from headgate.members.reconcile import (
    Action,
    Cancel,
    Create,
    Delete,
    Finish,
    Mirror,
    Outwait,
    Reset,
    WallOff,
    due_at_hub,
    due_in_member,
)
from headgate.members.records import Copy, Proxy

Json = dict[str, Any]

KEY = ("lab", "train")
RUNNING: Json = {"startTime": stamp(0), "active": 1}
CANCELLED: Json = {"conditions": [condition("FailureTarget", 5, reason="Canceled", message="by alice")]}
COMPLETE: Json = {
    "startTime": stamp(0),
    "completionTime": stamp(9),
    "conditions": [condition("SuccessCriteriaMet", 9), condition("Complete", 9)],
}


def a_proxy(cluster: str | None = "east", status: Json | None = None, **fields: Any) -> Proxy:
    """A proxy that was admitted to a cluster, or waits where that is None."""
    values: Json = {
        "uid": "origin",
        "key": KEY,
        "resource_version": 5,
        "queue": "line",
        "pool": "gpu",
        "cluster": cluster,
        "admitted_at": "first" if cluster else None,
        "requeued_from": None,
        "suspended": cluster is None,
        "deleting": False,
        "finished": False,
        "completions": None,
        "status": status or {},
    }
    return Proxy(**(values | fields))


def a_copy(status: Json | None = None, **fields: Any) -> Copy:
    """A copy of that proxy's first admission."""
    values: Json = {
        "uid": "copy",
        "key": KEY,
        "resource_version": 7,
        "origin_uid": "origin",
        "admitted_at": "first",
        "deleting": False,
        "finished": False,
        "status": status or {},
    }
    return Copy(**(values | fields))


FINISHED_PROXY = a_proxy(finished=True)
FINISHED_COPY = a_copy(COMPLETE, finished=True)


@pytest.mark.parametrize(
    ("proxy", "copy", "due"),
    [
        pytest.param(a_proxy(), None, Create(), id="admitted: make it"),
        pytest.param(a_proxy(None), None, None, id="waits"),
        pytest.param(a_proxy("west"), None, None, id="is elsewhere"),
        pytest.param(a_proxy(), a_copy(), None, id="both new"),
        pytest.param(a_proxy(), a_copy(RUNNING), Mirror(RUNNING), id="it started"),
        pytest.param(a_proxy(status=RUNNING), a_copy(RUNNING), None, id="nothing new"),
        pytest.param(None, a_copy(), Delete(), id="orphan"),
        pytest.param(None, a_copy(deleting=True), None, id="orphan on its way"),
        pytest.param(None, FINISHED_COPY, Delete(), id="finished orphan"),
        pytest.param(a_proxy(None), a_copy(RUNNING), Delete(), id="requeued"),
        pytest.param(
            a_proxy("west", admitted_at="second"), a_copy(RUNNING), Delete(), id="admitted elsewhere since"
        ),
        pytest.param(a_proxy("west"), a_copy(RUNNING), None, id="its cluster under another name"),
        pytest.param(a_proxy(admitted_at="second"), a_copy(RUNNING), Delete(), id="admitted again"),
        pytest.param(a_proxy(uid="namesake"), a_copy(RUNNING), Delete(), id="of a namesake before it"),
        pytest.param(
            a_proxy(admitted_at="second"),
            a_copy(RUNNING, deleting=True),
            Outwait(),
            id="an older one is going",
        ),
        pytest.param(
            a_proxy("west", admitted_at="second"),
            a_copy(RUNNING, deleting=True),
            None,
            id="an older one is going, elsewhere",
        ),
        pytest.param(
            a_proxy(admitted_at="second", status=CANCELLED),
            a_copy(RUNNING, deleting=True),
            Finish("Canceled", "by alice"),
            id="cancelled while an older one is going",
        ),
        pytest.param(a_proxy(deleting=True), a_copy(RUNNING), Delete(), id="proxy is being deleted"),
        pytest.param(a_proxy(deleting=True), None, None, id="proxy is being deleted, nothing there"),
        pytest.param(FINISHED_PROXY, FINISHED_COPY, None, id="both finished: both stay"),
        pytest.param(FINISHED_PROXY, None, None, id="finished, copy was removed"),
        pytest.param(FINISHED_PROXY, a_copy(RUNNING), Delete(), id="given up, then it came back"),
        pytest.param(
            a_proxy(admitted_at="second", finished=True), FINISHED_COPY, Delete(), id="finished elsewhere"
        ),
        pytest.param(
            a_proxy(status=CANCELLED), a_copy(RUNNING), Cancel("Canceled", "by alice"), id="cancelled"
        ),
        pytest.param(
            a_proxy(status=RUNNING | CANCELLED), a_copy(RUNNING | CANCELLED), None, id="its end is under way"
        ),
        pytest.param(
            a_proxy(status=RUNNING | CANCELLED),
            a_copy(RUNNING | {"conditions": [condition("SuccessCriteriaMet", 4)]}),
            None,
            id="too late to cancel",
        ),
        pytest.param(
            a_proxy(status=CANCELLED), None, Finish("Canceled", "by alice"), id="cancelled before it was made"
        ),
        pytest.param(
            a_proxy(status=RUNNING), a_copy(RUNNING, deleting=True), None, id="wait until it is gone"
        ),
    ],
)
def test_due_in_a_member(proxy: Proxy | None, copy: Copy | None, due: Action | None) -> None:
    assert due_in_member(proxy, copy, "east") == due


@pytest.mark.parametrize(
    ("proxy", "copy", "due"),
    [
        pytest.param(a_proxy(), None, WallOff(), id="nothing is made"),
        pytest.param(a_proxy(status=RUNNING), None, WallOff(), id="what ran elsewhere was not deleted here"),
        pytest.param(FINISHED_PROXY, None, None, id="finished"),
        pytest.param(a_proxy(deleting=True), None, None, id="is being deleted"),
        pytest.param(a_proxy("west"), None, None, id="names another one"),
        pytest.param(a_proxy(), a_copy(RUNNING), None, id="its copy, under another pool's name"),
        pytest.param(a_proxy(), a_copy(RUNNING, origin_uid="other"), Delete(), id="of a namesake before it"),
        pytest.param(a_proxy(), a_copy(origin_uid="other", deleting=True), None, id="on its way"),
    ],
)
def test_due_in_a_cluster_of_that_name_of_another_pool(
    proxy: Proxy | None, copy: Copy | None, due: Action | None
) -> None:
    assert due_in_member(proxy, copy, "east", walled_off=True) == due


def test_a_copy_that_was_deleted_fails_its_job_and_is_not_made_again() -> None:
    for proxy, copy in ((a_proxy(status=RUNNING), None), (a_proxy(), a_copy(gone=True))):
        due = due_in_member(proxy, copy, "east")
        assert isinstance(due, Finish)
        assert due.reason == "CopyDeleted"
        assert '"east"' in due.message


def test_a_copy_that_ended_before_it_was_deleted_counts_as_it_ended() -> None:
    for fields in ({"gone": True}, {"deleting": True}):
        due = due_in_member(a_proxy(status=RUNNING), a_copy(COMPLETE, finished=True, **fields), "east")
        assert isinstance(due, Mirror)
        assert {c["type"] for c in due.patch["conditions"]} == {"SuccessCriteriaMet", "Complete"}


@pytest.mark.parametrize(
    ("proxy", "abandoned", "due"),
    [
        pytest.param(a_proxy(None), False, None, id="waits"),
        pytest.param(a_proxy(status=RUNNING), False, None, id="runs"),
        pytest.param(a_proxy(status=RUNNING), True, None, id="is to be requeued"),
        pytest.param(a_proxy(status=RUNNING | CANCELLED), False, None, id="its copy is to end first"),
        pytest.param(
            a_proxy(status=RUNNING | CANCELLED),
            True,
            Finish("Canceled", "by alice"),
            id="nobody waits for its copy",
        ),
        pytest.param(a_proxy(None, CANCELLED), False, Finish("Canceled", "by alice"), id="waits, cancelled"),
        pytest.param(a_proxy(None, {"failed": 2}), False, None, id="waits again, reset"),
        pytest.param(FINISHED_PROXY, True, None, id="finished"),
        pytest.param(a_proxy(None, RUNNING, deleting=True), False, None, id="is being deleted"),
    ],
)
def test_due_at_the_hub(proxy: Proxy, abandoned: bool, due: Action | None) -> None:
    assert due_at_hub(proxy, abandoned=abandoned) == due


def test_a_proxy_that_waits_again_is_reset_and_says_where_it_was() -> None:
    due = due_at_hub(a_proxy(None, RUNNING, requeued_from="east"), abandoned=False)
    assert isinstance(due, Reset)
    assert 'cluster "east"' in due.message


PROXIES = [
    None,
    *(
        a_proxy(
            cluster,
            (RUNNING if started else {}) | (CANCELLED if cancelled else {}),
            admitted_at=admission if cluster else None,
            deleting=deleting,
            finished=finished,
        )
        for cluster, admission in product(("east", "west", None), ("first", "second"))
        for started, cancelled, deleting, finished in product((False, True), repeat=4)
    ),
]
COPIES = [
    None,
    *(
        a_copy(
            COMPLETE if finished else RUNNING,
            admitted_at=admission,
            origin_uid=origin,
            deleting=deleting,
            finished=finished,
            gone=gone,
        )
        for admission, origin in product(("first", "second"), ("origin", "other"))
        for deleting, finished, gone in product((False, True), repeat=3)
    ),
]


def test_in_no_state_is_a_wanted_copy_deleted_or_a_second_one_made() -> None:
    seen = set()
    for proxy, copy in product(PROXIES, COPIES):
        due = due_in_member(proxy, copy, "east")
        seen.add(type(due))
        here = proxy is not None and proxy.cluster == "east" and not proxy.deleting
        current = proxy is not None and not proxy.deleting and copy is not None and copy.is_of(proxy)
        mine = here and current
        live = proxy is not None and not proxy.finished
        case = f"{proxy} {copy} {due}"
        if isinstance(due, Create):
            assert copy is None, case
            assert here, case
            assert live, case
            assert proxy is not None, case
            assert not proxy.started, case
            assert proxy.cancellation is None, case
        if isinstance(due, Delete):
            assert copy is not None, case
            assert not copy.deleting, case
            assert not (current and live), case
            assert not (mine and copy.finished), case
        if isinstance(due, Mirror | Cancel):
            assert mine, case
            assert live, case
        if isinstance(due, Finish):
            assert here, case
            assert live, case
            assert copy is None or copy.gone or (copy.deleting and not current), case
        if isinstance(due, Outwait):
            assert here, case
            assert live, case
            assert copy is not None, case
            assert copy.deleting, case
            assert not current, case
        if copy is not None and not current and not copy.deleting and not copy.gone:
            assert isinstance(due, Delete), case
    assert seen == {Create, Outwait, Delete, Mirror, Cancel, Finish, type(None)}


def test_behind_a_wall_nothing_is_done_for_a_proxy() -> None:
    for proxy, copy in product(PROXIES, COPIES):
        due = due_in_member(proxy, copy, "east", walled_off=True)
        assert isinstance(due, Delete | WallOff | None), f"{proxy} {copy} {due}"
