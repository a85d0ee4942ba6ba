"""What was deleted while no watch could tell. On a real API server: `tests/cluster/test_watch.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import a_job, a_queue
from tests.unit.controllers.surroundings import Around, raw
from tests.unit.controllers.test_kind import EVERY_KIND

from headgate.controllers.jobqueue import JOBQUEUES
from headgate.controllers.resync import Resync
from headgate.kube.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.controllers.kind import Kind


class Resyncing(Around):
    def __init__(self) -> None:
        super().__init__()
        self.resync = Resync(self.api, self.context)  # type: ignore[arg-type]

    def told(self, *queues: Any) -> Resyncing:
        for queue in queues:
            JOBQUEUES.take(raw(queue), self.context)
        return self

    @property
    def queues(self) -> dict[str, str]:
        """The queues that the engine knows, with their UIDs."""
        known = JOBQUEUES.all_known(self.world.engine)
        return {queue.name: queue.metadata.uid for queue in known}


@EVERY_KIND
async def test_what_is_not_there_any_more_is_forgotten(kind: Kind[Any], make: Callable[..., Any]) -> None:
    around = Resyncing()
    for name in ("there", "gone"):
        kind.take(raw(make(name)), around.context)
    around.api.put(make("there"))

    await around.resync._compare(kind)

    names = {resource.name for resource in kind.all_known(around.world.engine)}
    assert names - {"default"} == {"there"}


async def test_a_queue_that_is_gone_admits_nothing_and_is_forgotten_by_all() -> None:
    around = Resyncing().told(a_queue())
    await around.resync._compare(JOBQUEUES)
    assert around.world.given(a_job()).admits() == ""
    assert around.bindings.wanted == {}


async def test_another_one_of_the_name_is_taken_in() -> None:
    around = Resyncing().told(a_queue(uid="old"))
    around.api.put(a_queue(uid="new"))
    await around.resync._compare(JOBQUEUES)
    assert around.queues == around.bindings.wanted == {"gold": "new"}


async def test_what_comes_while_it_is_listed_is_not_missing() -> None:
    around = Resyncing().told(a_queue("old"))
    around.api.put(a_queue("old"))
    around.api.meanwhile = lambda: around.told(a_queue("new"))
    await around.resync._compare(JOBQUEUES)
    assert set(around.queues) == {"old", "new"}
    assert around.api.calls == ["LIST jobqueues"]


async def test_what_the_watch_tells_meanwhile_is_newer() -> None:
    """It was deleted, and while that is found out a new one comes."""
    around = Resyncing().told(a_queue(uid="old"))
    around.api.meanwhile = lambda: around.told(a_queue(uid="new"))
    await around.resync.look(JOBQUEUES, "gold")
    assert around.queues == {"gold": "new"}


async def test_what_was_read_before_the_watch_told_that_it_is_gone_does_not_come_back() -> None:
    queue = a_queue()
    around = Resyncing().told(queue)
    around.api.put(queue)
    around.api.meanwhile = lambda: JOBQUEUES.take(raw(queue), around.context, deleted=True)
    await around.resync.look(JOBQUEUES, "gold")
    assert around.queues == {}


async def test_a_kind_that_is_not_served_says_nothing_of_its_objects() -> None:
    around = Resyncing().told(a_queue())
    around.api.answer = ApiError(404, "Not Found", "404 page not found")
    with pytest.raises(ApiError):
        await around.resync.look(JOBQUEUES, "gold")
    assert set(around.queues) == {"gold"}
