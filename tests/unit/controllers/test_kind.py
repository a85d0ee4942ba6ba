"""What the engine is told of objects that go and come back under the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import a_policy, a_pool, a_queue, an_environment
from tests.unit.controllers.surroundings import Around, raw

from headgate.controllers.clusterpool import CLUSTERPOOLS
from headgate.controllers.computeenvironment import COMPUTEENVIRONMENTS
from headgate.controllers.jobqueue import JOBQUEUES
from headgate.controllers.schedulingpolicy import SCHEDULINGPOLICIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.controllers.kind import Kind

EVERY_KIND = pytest.mark.parametrize(
    ("kind", "make"),
    [
        (CLUSTERPOOLS, a_pool),
        (COMPUTEENVIRONMENTS, an_environment),
        (SCHEDULINGPOLICIES, a_policy),
        (JOBQUEUES, a_queue),
    ],
    ids=lambda it: getattr(it, "name", ""),
)


@EVERY_KIND
def test_another_object_of_a_name_is_another_object(kind: Kind[Any], make: Callable[..., Any]) -> None:
    around = Around()
    engine = around.world.engine
    old, new = make("one", uid="old"), make("one", uid="new")

    kind.take(raw(old), around.context)
    kind.take(raw(new), around.context)
    assert kind.knows(engine, new)
    # What is told late of the old one, by whoever follows it, is no news.
    kind.take(raw(old), around.context)
    kind.take(raw(old), around.context, deleted=True)
    assert kind.knows(engine, new)

    kind.take(raw(new), around.context, deleted=True)
    assert kind.known(engine, "one") is None


@EVERY_KIND
def test_one_that_cannot_be_read_does_not_go_by_what_another_one_said(
    kind: Kind[Any], make: Callable[..., Any]
) -> None:
    around = Around()
    kind.take(raw(make("one", uid="old")), around.context)
    broken = raw(make("one", uid="new"))
    broken["spec"] = []

    kind.take(broken, around.context)

    assert kind.known(around.world.engine, "one") is None


def test_the_bindings_of_a_queue_that_was_created_anew_are_owned_by_the_new_one() -> None:
    around = Around()
    for uid in ("old", "new"):
        JOBQUEUES.take(raw(a_queue("one", uid=uid)), around.context)
    assert around.bindings.wanted == {"one": "new"}
