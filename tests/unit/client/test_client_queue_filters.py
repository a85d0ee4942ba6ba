"""Which queues a list has, and in what order."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.api.jobqueue import Dispatch, QueueEnvironment, TimeLimitAction
from headgate.client import SORT_FIELDS, AsyncClient
from headgate.client._queue_fields import spec_of
from headgate.client._queue_filters import SORT, matcher, selectors
from headgate.client._sorting import in_order

Json = dict[str, Any]


def queue(name: str, *, creator: str | None = None, state: str | None = None, **spec: Any) -> Json:
    status = {"state": state} if state else {}
    if creator:
        status["createdBy"] = creator
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": f"2026-01-01T00:00:0{len(name)}Z"}
    return {"metadata": metadata, "spec": {"pool": "default", **spec}, "status": status}


def test_by_several_fields_and_those_without_last() -> None:
    queues = [queue("a", creator="zoe"), queue("bb"), queue("cc", creator="bob"), queue("ddd", creator="bob")]

    def names(*sort: str) -> str:
        return " ".join(one["metadata"]["name"] for one in in_order(queues, sort, SORT))

    assert names("creator") == "cc ddd a bb"
    assert names("creator:desc") == "a cc ddd bb"
    assert names("creator", "created:desc") == "ddd cc a bb"
    assert names("name:desc") == "ddd cc bb a"
    for field in SORT_FIELDS:
        assert len(in_order(queues, field, SORT)) == 4


def test_priority_in_words_and_numbers() -> None:
    queues = [queue("a", priority=60), queue("b", priority="max"), queue("c"), queue("d", priority="min")]

    assert [one["metadata"]["name"] for one in in_order(queues, "priority", SORT)] == ["d", "c", "a", "b"]


@pytest.mark.parametrize("sort", ["size", "name:up", "", "name:"])
def test_a_sort_that_is_wrong(sort: str) -> None:
    with pytest.raises(ValueError, match="is not FIELD, FIELD:asc or FIELD:desc"):
        in_order([], [sort], SORT)


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"team": "a"}, True),
        ({"team": ["b", "a"]}, True),
        ({"team": "a", "tier": "x"}, False),
        (["team:a"], True),
        (["team=a"], True),
        (["team"], True),
        (["team:b", "team:a"], True),
        (["url:http://x=y"], True),
        ({"team": []}, True),
        (["other"], False),
        ("team:b", False),
    ],
)
def test_tags(tags: Any, found: bool) -> None:
    own = {"team": "a", "url": "http://x=y"}
    assert matcher({"tags": tags})(queue("q", tags=own)) is found


def test_sealed_queues_are_left_out_unless_asked_for() -> None:
    assert selectors({}) == {"spec.state!=": "Sealed"}
    assert selectors({"all": True, "pool": "p"}) == {"spec.pool=": "p"}
    assert selectors({"state": "Sealed"}) == {}
    assert matcher({"state": ["Sealed", "Sealing"]})(queue("q", state="Sealing"))
    assert not matcher({"state": "Active"})(queue("q"))


def test_by_id() -> None:
    assert matcher({"id": "uid-a"})(queue("a"))
    assert not matcher({"id": "uid-a"})(queue("b"))


@pytest.mark.parametrize(
    ("kind", "verb", "wrong", "error"),
    [
        ("queues", "list", {"bogus": "x"}, TypeError),
        ("queues", "list_manifests", {"nmae": "x"}, TypeError),
        ("queues", "watch", {"limit": 1}, TypeError),
        ("jobs", "list", {"filter": "run"}, TypeError),
        ("jobs", "list_manifests", {"bogus": "x"}, TypeError),
        ("jobs", "watch", {"since": 1.0}, TypeError),
        ("queues", "list", {"sort": "name", "limit": -1}, ValueError),
        ("queues", "list", {"limit": -1}, ValueError),
        ("queues", "list", {"page_size": -1}, ValueError),
        ("pools", "list", {"sort": "size"}, ValueError),
        ("environments", "list", {"limit": -1}, ValueError),
        ("jobs", "list", {"sort": "colour"}, ValueError),
        ("jobs", "list", {"limit": -1}, ValueError),
    ],
)
async def test_a_filter_that_is_wrong_is_an_error_before_anybody_is_asked(
    kind: str, verb: str, wrong: dict[str, Any], error: type[Exception]
) -> None:
    listed = getattr(getattr(AsyncClient.connect("/none"), kind), verb)(**wrong)

    with pytest.raises(error, match=r"there are|must be 0 or more|is not FIELD"):
        await anext(listed)


def test_fields_become_a_spec() -> None:
    spec = spec_of(
        {
            "run_concurrency": 1,
            "compute_environments": ["a", QueueEnvironment(name="b", order=7), {"name": "c", "order": 9}],
            "dispatch": Dispatch(paused=True),
            "time_limit_actions": [
                TimeLimitAction(reason="InsufficientCapacity", max_time_seconds=600, action="Cancel")
            ],
            "scheduling_policy": None,
        }
    )

    assert spec["computeEnvironments"] == [
        {"order": 1, "name": "a"},
        {"name": "b", "order": 7},
        {"name": "c", "order": 9},
    ]
    assert spec["dispatch"] == {"paused": True, "note": ""}
    assert spec["timeLimitActions"][0]["maxTimeSeconds"] == 600
    assert spec["schedulingPolicy"] is None
    with pytest.raises(TypeError, match="a queue has no runConcurrency; there are description, pool, "):
        spec_of({"runConcurrency": 1})
