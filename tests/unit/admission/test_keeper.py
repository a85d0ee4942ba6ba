"""When a binding is as it should be, and is left alone; and what becomes of one that is refused."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from headgate.admission import keeper
from headgate.admission.bindings import bindings_for
from headgate.admission.keeper import BindingKeeper, is_as_wanted
from headgate.kube.client import ApiError
from headgate.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from headgate.engine.decisions import Notice

WANTED = bindings_for("gold", "uid-of-gold", "default", policy_prefix="headgate")


def listed(binding: dict[str, Any]) -> dict[str, Any]:
    """A binding in a list: without kind and version, and with what the API server adds."""
    metadata = {**binding["metadata"], "uid": "u", "resourceVersion": "7", "managedFields": []}
    resources = {**binding["spec"]["matchResources"], "matchPolicy": "Equivalent", "namespaceSelector": {}}
    return deepcopy({"metadata": metadata, "spec": {**binding["spec"], "matchResources": resources}})


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted["metadata"]["name"])
def test_a_binding_as_it_was_made_is_left_alone(wanted: dict[str, Any]) -> None:
    assert is_as_wanted(listed(wanted), wanted)


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted["metadata"]["name"])
def test_one_that_is_missing_or_that_somebody_changed_is_not(wanted: dict[str, Any]) -> None:
    assert not is_as_wanted(None, wanted)
    other = listed(wanted)
    other["spec"]["paramRef"]["name"] = "silver"
    assert not is_as_wanted(other, wanted)
    orphan = listed(wanted)
    orphan["metadata"]["ownerReferences"] = []
    assert not is_as_wanted(orphan, wanted)


class FakeApi:
    """Takes bindings, but those whose names begin with something that it refuses."""

    def __init__(self) -> None:
        self.bindings: dict[str, dict[str, Any]] = {}
        self.refuses: dict[str, ApiError] = {}
        self.asked = 0

    async def pages(self, path: str, **_: str) -> AsyncIterator[dict[str, Any]]:
        yield {
            "items": [listed(one) for name, one in self.bindings.items() if path.endswith(name.split("/")[0])]
        }

    async def call(self, method: str, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.asked += 1
        plural, name = path.split("/")[-2:]
        for queue, error in self.refuses.items():
            if name.endswith(f"-{queue}"):
                raise error
        self.bindings[f"{plural}/{name}"] = body
        return body

    def of(self, queue: str) -> int:
        return sum(name.endswith(f"-{queue}") for name in self.bindings)


class Around:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.notices: list[Notice] = []
        self.keeper = BindingKeeper(
            self.api,  # type: ignore[arg-type]
            Metrics(),
            self,  # type: ignore[arg-type]
            policy_prefix="headgate",
        )

    def record(self, notice: Notice) -> None:
        self.notices.append(notice)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keeper.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not question():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize(
    "error",
    [ApiError(403, "Forbidden", "you may not"), ApiError(500, "", "cannot be stored")],
    ids=["forbidden", "failed"],
)
async def test_bindings_that_are_refused_concern_their_queue_alone(error: ApiError) -> None:
    around = Around()
    around.api.refuses["bad"] = error
    for queue in ("bad", "good"):
        around.keeper.want(queue, f"uid-of-{queue}", "default")
    async with around.running():
        await until(lambda: around.keeper.synced)
        assert around.api.of("good") == len(WANTED)
        assert around.keeper.trouble == "refused for bad: see the events of these queues"
        around.keeper.want("later", "uid-of-later", "default")
        await until(lambda: around.api.of("later") == len(WANTED))

        # It is tried again, and told once.
        asked = around.api.asked
        await until(lambda: around.api.asked >= asked + 3)
        (notice,) = around.notices
        assert (notice.name, notice.uid, notice.reason) == ("bad", "uid-of-bad", "BindingsRefused")
        assert error.message in notice.message

        around.api.refuses.clear()
        await until(lambda: around.api.of("bad") == len(WANTED))
        await until(lambda: around.keeper.trouble is None)


async def test_what_is_in_the_way_of_all_is_nobodys_fault() -> None:
    around = Around()
    around.api.refuses["bad"] = ApiError(429, "TooManyRequests", "later")
    for queue in ("bad", "good"):
        around.keeper.want(queue, f"uid-of-{queue}", "default")
    async with around.running():
        await until(lambda: around.api.asked >= 2)
        assert (around.keeper.synced, around.notices) == (False, [])
        around.api.refuses.clear()
        await until(lambda: around.keeper.synced)
    assert around.api.of("bad") == around.api.of("good") == len(WANTED)


async def test_a_queue_that_is_deleted_is_in_nobodys_way_any_more() -> None:
    around = Around()
    around.api.refuses["bad"] = ApiError(403, "Forbidden", "you may not")
    around.keeper.want("bad", "uid-of-bad", "default")
    async with around.running():
        await until(lambda: around.keeper.trouble is not None)
        around.keeper.forget("bad")
        assert around.keeper.trouble is None


async def test_of_many_queues_a_few_are_named() -> None:
    around = Around()
    for number in range(5):
        around.api.refuses[f"bad-{number}"] = ApiError(403, "Forbidden", "you may not")
        around.keeper.want(f"bad-{number}", f"uid-{number}", "default")
    async with around.running():
        await until(lambda: around.keeper.synced)
        told = around.keeper.trouble
    assert told == "refused for bad-0, bad-1, bad-2 and 2 more: see the events of these queues"
