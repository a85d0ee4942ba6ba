"""Conditions: what says the same as before must not look like a change."""

from typing import Literal

import pytest

from headgate.api.meta import Condition, find_condition, path, set_condition

EARLIER, LATER = "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"


def ready(
    status: Literal["True", "False"] = "True", since: str = EARLIER, reason: str = "AllGood"
) -> Condition:
    return Condition(
        type="Ready",
        status=status,
        reason=reason,
        message="",
        last_transition_time=since,
    )


STALLED = ready("False").model_copy(update={"type": "Stalled"})


@pytest.mark.parametrize(
    ("new", "since"),
    [
        pytest.param(ready(since=LATER), EARLIER, id="the same"),
        pytest.param(ready(since=LATER, reason="Paused"), EARLIER, id="another reason"),
        pytest.param(ready("False", since=LATER), LATER, id="another status"),
    ],
)
def test_since_when(new: Condition, since: str) -> None:
    conditions = set_condition([ready(), STALLED], new)
    assert [condition.type for condition in conditions] == ["Ready", "Stalled"]
    assert conditions[0] == new.model_copy(update={"last_transition_time": since})
    assert conditions[1] == STALLED


def test_a_condition_that_says_what_it_said_is_equal() -> None:
    before = [ready(), STALLED]
    assert set_condition(before, ready(since=LATER)) == before


def test_a_new_condition_is_added_and_found() -> None:
    conditions = set_condition([STALLED], ready())
    assert find_condition(conditions, "Ready") == ready()
    assert find_condition(conditions, "Accepting") is None


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (("spec", "clusters", 0), "spec.clusters[0]"),
        (("spec", "tags", "team.name"), "spec.tags['team.name']"),
        ((), ""),
    ],
)
def test_a_path_reads_as_a_user_writes_it(where: tuple[int | str, ...], text: str) -> None:
    assert path(where) == text
