"""What a watch tells when it had to list anew: only what is different from what it told before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from headgate.client import HeadgateError, NotFoundError, Outage, ServerError, UnreachableError
from headgate.client._events import Change, _Follower
from headgate.kube.client import ApiError

if TYPE_CHECKING:
    import pytest


def follower(after: str | None = None, outages: dict[int, Outage] | None = None) -> _Follower[str]:
    """Follow all that is not marked as unwanted."""
    api: Any = SimpleNamespace(base="https://here")

    def read(raw: dict[str, Any]) -> str | None:
        if raw.get("unwanted") == "unreadable":
            raise HeadgateError(f"{raw['metadata']['uid']} makes no sense")
        return None if raw.get("unwanted") else f"{raw['metadata']['uid']}@{version(raw)}"

    outages = {} if outages is None else outages
    return _Follower(api, "/path", read, labels="", fields="", after=after, outages=outages)


def version(raw: dict[str, Any]) -> str:
    return str(raw["metadata"]["resourceVersion"])


def raw(uid: str, number: int, *, unwanted: bool | str = False) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(number)}, "unwanted": unwanted}


def told(watch: _Follower[str]) -> list[tuple[str, str] | None]:
    changes: list[tuple[str, str] | None] = []
    while not watch.queue.empty():
        change = watch.queue.get_nowait()
        assert change is None or isinstance(change, Change)
        changes.append(change and (change.type, change.object))
    return changes


def test_a_new_list_tells_only_what_changed() -> None:
    watch = follower()
    watch.listed([watch.read(raw("a", 1)), watch.read(raw("b", 2)), watch.read(raw("c", 3))], "3")
    assert told(watch) == [("ADDED", "a@1"), ("ADDED", "b@2"), ("ADDED", "c@3"), None]

    watch.seen(watch.read(raw("c", 5)))
    watch.listed([watch.read(raw("a", 1)), watch.read(raw("c", 7)), watch.read(raw("d", 8))], "9")

    assert told(watch) == [
        ("MODIFIED", "c@5"),
        ("DELETED", "b@2"),
        ("MODIFIED", "c@7"),
        ("ADDED", "d@8"),
        None,
    ]
    watch.gone(raw("d", 10))
    assert told(watch) == [("DELETED", "d@10")]


def test_after_a_version_only_what_is_newer_is_told_and_kept() -> None:
    watch = follower(after="5")
    watch.seen(watch.read(raw("a", 6)))
    watch.seen(watch.read(raw("a", 7)))
    watch.gone(raw("b", 8))
    watch.passed("10")
    assert told(watch) == [("ADDED", "a@6"), ("MODIFIED", "a@7"), ("DELETED", "b@8")]

    # The watch was too old, and all is listed anew.
    watch.listed([watch.read(raw(*one)) for one in (("c", 2), ("d", 12), ("e", 11), ("f", 9))], "15")

    assert told(watch) == [("DELETED", "a@7"), ("ADDED", "d@12"), ("ADDED", "e@11"), None]
    assert sorted(watch._told) == ["d", "e"]


def test_what_is_not_wanted_any_more_is_told_as_deleted() -> None:
    watch = follower()
    watch.listed([watch.read(raw("a", 1)), watch.read(raw("b", 2, unwanted=True))], "2")
    watch.seen(watch.read(raw("a", 3, unwanted=True)))
    watch.seen(watch.read(raw("a", 4, unwanted=True)))
    watch.seen(watch.read(raw("b", 5)))
    assert told(watch) == [("ADDED", "a@1"), None, ("DELETED", "a@1"), ("ADDED", "b@5")]

    watch.gone(raw("a", 6, unwanted=True))
    watch.gone(raw("b", 7, unwanted=True))

    assert told(watch) == [("DELETED", "b@5")]


def test_what_makes_no_sense_is_as_it_was_and_keeps_no_other_back(caplog: pytest.LogCaptureFixture) -> None:
    watch = follower()
    listed = [raw("a", 1), raw("b", 2, unwanted="unreadable"), raw("c", 3)]
    watch.listed([watch.read(one) for one in listed], "3")
    assert told(watch) == [("ADDED", "a@1"), ("ADDED", "c@3"), None]

    watch.seen(watch.read(raw("a", 4, unwanted="unreadable")))
    watch.seen(watch.read(raw("b", 5)))

    assert told(watch) == [("MODIFIED", "a@1"), ("ADDED", "b@5")]
    assert [record.message for record in caplog.records] == ["b makes no sense", "a makes no sense"]


def test_that_nobody_is_heard_is_known_until_somebody_is() -> None:
    outages: dict[int, Outage] = {}
    watch = follower(outages=outages)
    watch.listed([], "1")
    heard_at = watch._heard_at

    watch.failed(OSError("refused"))
    assert list(outages.values()) == [Outage(heard_at, "refused")]
    watch.failed(OSError("still refused"))
    assert list(outages.values()) == [Outage(heard_at, "still refused")]
    watch.opened()
    assert outages == {}


def ending(watch: _Follower[str], error: Exception) -> type[Exception] | None:
    try:
        watch.failed(error)
    except Exception as raised:
        return type(raised)
    return None


def test_it_ends_at_once_where_there_never_was_an_answer_or_never_will_be_one() -> None:
    missing, busy = ApiError(404, "NotFound", "x not found"), ApiError(503, "", "busy")

    assert ending(follower(), OSError("refused")) is UnreachableError
    assert ending(follower(), busy) is ServerError
    began = follower()
    began.listed([], "1")
    assert ending(began, OSError("refused")) is None
    assert ending(began, busy) is None
    assert ending(began, missing) is NotFoundError
