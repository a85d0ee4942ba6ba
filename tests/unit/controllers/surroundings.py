"""What the edge's controllers talk to: an API server that holds what a test puts there, and notes what it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.builders import World, next_version

from headgate.controllers.context import Context
from headgate.kube.client import ApiError
from headgate.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from headgate.api.meta import Resource
    from headgate.engine.decisions import Notice

Json = dict[str, Any]


def raw(resource: Resource) -> Json:
    """An object as the API server shows it."""
    return resource.model_dump(mode="json", by_alias=True, exclude_none=True)


class FakeApi:
    """Objects by kind and name."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Json] = {}
        self.calls: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None
        """What happens while an answer is on its way."""
        self.answer: ApiError | None = None

    def put(self, *resources: Resource) -> None:
        for resource in resources:
            body = raw(resource)
            self.objects[_plural(type(resource).__name__), resource.name] = body

    def delete(self, plural: str, name: str) -> None:
        del self.objects[plural, name]

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        self.calls.append(f"{method} {path.removeprefix('/apis/headgate.dev/v1alpha1/')}")
        parts = path.split("/")
        found = self.objects.get((parts[4], parts[5]))
        if self.answer is None and found is not None and body is not None:
            found["status"] = body["status"]
            found["metadata"]["resourceVersion"] = str(next_version())
        self.meanwhile()
        if self.answer is not None:
            raise self.answer
        if found is None:
            raise ApiError(404, "NotFound", f'{parts[4]}.headgate.dev "{parts[5]}" not found')
        return found

    async def metadata_of_all(self, path: str) -> AsyncIterator[Json]:
        plural = path.split("/")[4]
        self.calls.append(f"LIST {plural}")
        listed = [body["metadata"] for (kind, _), body in self.objects.items() if kind == plural]
        self.meanwhile()
        for metadata in listed:
            yield metadata


class Bindings:
    """Whose bindings are wanted: UIDs by name of the queue."""

    def __init__(self) -> None:
        self.wanted: dict[str, str] = {}

    def want(self, queue: str, uid: str, pool: str) -> None:
        self.wanted[queue] = uid

    def forget(self, queue: str) -> None:
        self.wanted.pop(queue, None)


class Events:
    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def record(self, notice: Notice) -> None:
        self.notices.append(notice)


class Around:
    """An engine and its surroundings; time passes when told."""

    def __init__(self) -> None:
        self.world = World()
        self.api = FakeApi()
        self.bindings = Bindings()
        self.events = Events()
        self.metrics = Metrics()
        self.context = Context(
            self.world.engine,
            self.bindings,  # type: ignore[arg-type]
            self.metrics,
            lambda: self.world.now,
            lambda: None,
        )


def _plural(kind: str) -> str:
    return {"SchedulingPolicy": "schedulingpolicies"}.get(kind, f"{kind.lower()}s")
