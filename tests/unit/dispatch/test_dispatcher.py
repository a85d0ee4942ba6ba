"""The loop between an engine and an API server that answers as a test wants."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.builders import World, a_job, a_queue

from headgate.dispatch.dispatcher import Dispatcher
from headgate.kube.client import ApiError
from headgate.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from headgate.engine.decisions import Notice

NO_WEBHOOK = ApiError(
    500, "InternalError", 'Internal error occurred: failed calling webhook "x.team-a.example": no'
)
NOT_THERE = ApiError(404, "NotFound", 'jobqueues.headgate.dev "gold" not found')
NOT_SERVED = ApiError(404, "Not Found", "404 page not found")


class FakeApi:
    """Applies what is sent, but in the namespace `team-a`; a read is answered by `answer`."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.reads = 0
        self.answer: dict[str, Any] | Exception = NOT_THERE

    async def patch(self, path: str, body: Any, *, content_type: str) -> None:
        if "/team-a/" in path:
            raise NO_WEBHOOK
        self.written.append(path.split("/")[7])

    async def call(self, method: str, path: str) -> dict[str, Any]:
        self.reads += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Events:
    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def record(self, notice: Notice) -> None:
        self.notices.append(notice)

    def record_write(self, write: Any) -> None:
        pass


class Around:
    """A dispatcher in a world whose time stands still unless a test moves it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.api = FakeApi()
        self.events = Events()
        self.vanished: list[str] = []
        self.dispatcher = Dispatcher(
            self.api,  # type: ignore[arg-type]
            world.engine,
            term="1",
            events=self.events,  # type: ignore[arg-type]
            metrics=Metrics(),
            clock=lambda: world.now,
            suspect_deposed=lambda: None,
            queue_vanished=self.vanished.append,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.dispatcher.run())
        try:
            yield
        finally:
            task.cancel()
            await self.dispatcher.stop()
            await asyncio.gather(task, return_exceptions=True)


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not question():
            await asyncio.sleep(0.01)


async def test_a_namespace_in_which_all_writes_go_wrong_stops_no_other() -> None:
    world = World().given(a_queue("a"), a_queue("b"))
    world.given(*(a_job(f"a-{n}", "a", namespace="team-a", created=n) for n in range(100)))
    around = Around(world)
    async with around.running():
        await until(lambda: len(around.events.notices) == 100)
        world.given(*(a_job(f"b-{n}", "b", namespace="team-b", created=n) for n in range(50)))
        around.dispatcher.changed()
        await until(lambda: len(around.api.written) == 50)
    assert {notice.reason for notice in around.events.notices} == {"Refused"}
    assert all("failed calling webhook" in notice.message for notice in around.events.notices)
    assert world.engine.queues["a"].active == 0


async def test_a_job_that_goes_wrong_leaves_its_place_to_the_next() -> None:
    world = World().given(
        a_queue(action_concurrency=1), a_job("a", namespace="team-a"), a_job("b", created=1)
    )
    around = Around(world)
    async with around.running():
        await until(lambda: around.api.written == ["b"])


def with_one_too_many(**spec: Any) -> World:
    """A queue with a Job more than its depth: before that one is cancelled, the queue is read anew."""
    return (
        World().given(a_queue(depth=1, paused=True, **spec)).listed().given(a_job("a"), a_job("b", created=1))
    )


def read(**spec: Any) -> dict[str, Any]:
    return {**a_queue(paused=True, **spec).model_dump(by_alias=True, exclude_none=True)}


async def test_a_queue_that_cannot_be_read_is_read_again_until_it_can() -> None:
    around = Around(world := with_one_too_many())
    around.api.answer = read(depth=1)
    around.api.answer["spec"]["fairness"] = "FromANewerVersion"
    async with around.running():
        await until(lambda: around.api.reads == 1)
        around.api.answer = read(depth=1)
        world.later(2)
        around.dispatcher.changed()
        await until(lambda: around.api.written == ["b"])


async def test_a_queue_that_turns_out_to_be_deleted_is_forgotten_by_all() -> None:
    around = Around(world := with_one_too_many())
    async with around.running():
        await until(lambda: around.vanished == ["gold"])
    assert world.engine.queues["gold"].resource is None


async def test_a_kind_that_is_not_served_says_nothing_of_its_queues() -> None:
    around = Around(world := with_one_too_many())
    around.api.answer = NOT_SERVED
    async with around.running():
        await until(lambda: around.api.reads == 1)
        world.later(2)
        around.dispatcher.changed()
        await until(lambda: around.api.reads == 2)
    assert around.vanished == []
    assert world.engine.queues["gold"].resource is not None
