"""Jobs that were made for another kind of pool than their queue's: they wait for a while, and are ended."""

from __future__ import annotations

from typing import Any

import pytest
from tests.builders import World, a_job, a_pool, a_queue

from headgate.engine.decisions import Confirm
from headgate.engine.job import JobState
from headgate.engine.stranded import STRANDED_SECONDS


def remote(clusters: str = "east", **fields: Any) -> Any:
    return a_pool("default", clusters, remote=True, **fields)


def world(*facts: Any) -> World:
    """A pool of a remote cluster that is well."""
    return World(pool=False).given(remote()).answers("east").given(a_queue(), *facts)


def confirmed(one: World) -> World:
    """Answer what is asked, as things are."""
    resource = one.engine.queues["gold"].resource
    one.engine.confirmed("gold", resource, one.now)
    return one


def ended(one: World) -> dict[str, str]:
    """The Jobs that are ended when the queue and the pool have been read anew."""
    one.decide()
    return confirmed(one).cancels()


@pytest.mark.parametrize("managed", [True, False])
def test_it_is_ended_after_a_while_with_what_to_do(managed: bool) -> None:
    one = World(pool=False).given(a_pool("default", "east", remote=not managed), a_queue())
    one.answers("east").given(a_job("early", managed=managed))
    assert one.later(STRANDED_SECONDS - 1).decide()[:-1] == []
    assert one.confirms == []
    assert one.engine.next_wakeup() == one.now + 1
    one.later(1).decide()
    assert one.confirms == ["gold"]
    (cancel,) = confirmed(one).decide()
    assert cancel.reason == "WrongManager"  # type: ignore[union-attr]
    assert "delete the Job and create it anew" in cancel.message  # type: ignore[union-attr]


def test_its_pool_is_read_anew_before() -> None:
    one = world(a_job("early")).later(STRANDED_SECONDS)
    (question,) = one.of(Confirm)
    assert question == Confirm("gold", "default")


def test_of_other_questions_the_pool_is_no_part() -> None:
    one = world(a_job("mine", managed=True)).when(a_queue(state="Terminated", generation=2))
    (question,) = one.of(Confirm)
    assert question == Confirm("gold")


def test_what_comes_in_the_wrong_order_is_no_reason_by_itself() -> None:
    one = World(pool=False).given(a_job("local"), a_job("proxy", managed=True))
    one.later(1_000).decide()
    one.given(a_queue()).later(1_000).decide()
    one.given(a_pool("default", "")).later(1_000).decide()
    assert one.confirms == []
    one.given(remote()).answers("east")
    assert one.clusters() == {"proxy": "east"}
    assert one.later(STRANDED_SECONDS - 1).decide() == []
    assert ended(one.later(1)) == {"local": "WrongManager"}


@pytest.mark.parametrize("when", ["before it is asked", "before it is answered"])
def test_a_pool_that_is_put_right_saves_it(when: str) -> None:
    one = world(a_job("early"))
    asked = when == "before it is answered"
    one.later(STRANDED_SECONDS if asked else 1).decide()
    one.engine.pool_gone("default")
    one.given(a_pool("default", "here", uid="anew"))
    if asked:
        confirmed(one)
    assert one.clusters() == {"early": "here"}
    assert one.later(1_000).cancels() == {}


@pytest.mark.parametrize("refused", [False, True], ids=["before it is written", "before it is written again"])
def test_a_pool_that_is_put_right_saves_one_that_is_to_be_ended(refused: bool) -> None:
    one = world(a_job("early")).later(STRANDED_SECONDS)
    one.decide()
    confirmed(one)
    if refused:
        assert one.cancels() == {"early": "WrongManager"}
        one.refuses("early")
    one.engine.pool_gone("default")
    assert one.later(60).cancels() == {}
    one.given(a_pool("default", "here", uid="anew"))
    assert one.clusters() == {"early": "here"}


def test_one_that_is_to_be_ended_is_not_when_its_queue_goes() -> None:
    one = world(a_job("early")).later(STRANDED_SECONDS)
    one.decide()
    confirmed(one).engine.queue_gone("gold")
    assert one.cancels() == {}


def test_one_that_is_saved_may_still_be_ended_for_another_reason() -> None:
    one = world(a_job("early")).later(STRANDED_SECONDS)
    one.decide()
    confirmed(one).when(a_queue(state="Terminated", generation=2)).engine.pool_gone("default")
    assert ended(one) == {"early": "Canceled"}


def test_a_pool_that_became_what_it_is_gives_its_time_anew() -> None:
    one = world(a_job("early")).later(STRANDED_SECONDS - 1)
    one.decide()
    one.engine.pool_gone("default")
    one.given(remote(uid="anew")).later(STRANDED_SECONDS - 1).decide()
    assert one.confirms == []
    assert ended(one.later(1)) == {"early": "WrongManager"}


def test_a_pool_that_turns_meanwhile_gives_its_time_anew() -> None:
    one = world(a_job("early")).later(STRANDED_SECONDS)
    one.decide()
    one.engine.pool_gone("default")
    assert confirmed(one.given(remote(uid="anew"))).cancels() == {}
    assert ended(one.later(STRANDED_SECONDS)) == {"early": "WrongManager"}


def test_an_answer_that_does_not_come_is_asked_for_again() -> None:
    one = world(a_job("early")).later(STRANDED_SECONDS)
    one.decide()
    one.engine.unconfirmed("gold", one.now)
    assert ended(one.later(1)) == {"early": "WrongManager"}


@pytest.mark.parametrize(
    "fields",
    [
        {"managed": True},
        {"pool": "other"},
        {"canceling": True},
        {"state": JobState.ACTIVE, "cluster": "local"},
    ],
    ids=["right", "another pool's", "on its way out", "runs"],
)
def test_nobody_else_is_ended(fields: dict[str, Any]) -> None:
    one = world(a_job("a", **({"held": True} | fields)))
    one.later(10 * STRANDED_SECONDS).decide()
    assert one.confirms == []


def test_one_that_is_deleted_is_forgotten() -> None:
    one = world(a_job("early")).deleted("early").later(STRANDED_SECONDS)
    one.decide()
    assert one.confirms == []


def test_one_that_moves_to_another_queue_of_the_pool_takes_its_time_along() -> None:
    one = world(a_job("early"), a_queue("silver")).later(STRANDED_SECONDS)
    one.decide()
    confirmed(one.changed("early", queue="silver"))
    assert one.cancels() == {}
    assert one.confirms == ["gold", "silver"]
    one.engine.confirmed("silver", one.engine.queues["silver"].resource, one.now)
    assert one.cancels() == {"early": "WrongManager"}


def test_a_queue_that_is_created_anew_gives_its_time_anew() -> None:
    one = world(a_job("early")).later(STRANDED_SECONDS)
    one.decide()
    one.engine.queue_gone("gold")
    one.given(a_queue(uid="anew")).later(STRANDED_SECONDS - 1).decide()
    assert one.confirms == ["gold"]
    assert ended(one.later(1)) == {"early": "WrongManager"}


def test_a_drained_queue_comes_to_its_end() -> None:
    one = world(a_job("early")).when(a_queue(state="Drained", generation=2)).later(STRANDED_SECONDS)
    assert one.status().state == "Draining"
    ended(one)
    one.lands("early").finished("early", "canceled").later(5).decide()
    assert one.status().state == "Drained"
