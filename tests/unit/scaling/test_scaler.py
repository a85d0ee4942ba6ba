"""The scaler against an API server that answers as a test wants: conflicts, silence, refusals, bad manners."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import a_pool, a_queue, an_environment

from headgate.api.computeenvironment import ComputeEnvironment
from headgate.engine.engine import Engine
from headgate.kube.client import ApiError
from headgate.scaling.scaler import BUSY_SECONDS, LONGEST_SECONDS, QUIET_SECONDS, TURN_SECONDS, Scaler
from headgate.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from headgate.engine.decisions import Notice

BASE = "/apis/apps/v1"
DISCOVERY = {
    "resources": [
        {"name": "deployments", "kind": "Deployment", "namespaced": True},
        {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
        {"name": "daemonsets", "kind": "DaemonSet", "namespaced": True},
    ]
}


class FakeApi:
    """Deployments of one namespace, by name."""

    def __init__(self) -> None:
        self.scales: dict[str, list[int]] = {}
        """Replicas asked for, and there."""
        self.versions: dict[str, int] = {}
        self.calls: list[str] = []
        self.answers: dict[str, Exception] = {}
        """What a verb raises, until it is taken out."""
        self.meanwhile: dict[str, int] = {}
        """Replicas that somebody else sets between a read and the write that follows."""
        self.silent: set[str] = set()

    async def call(
        self, method: str, path: str, body: Any = None, *, content_type: str = ""
    ) -> dict[str, Any]:
        self.calls.append(f"{method} {path.removeprefix(BASE)}")
        path = path.replace("/v1beta1", "/v1")
        if path == BASE:
            return DISCOVERY
        name = path.split("/")[-2]
        if name in self.silent:
            await asyncio.Event().wait()
        if (error := self.answers.get(method)) is not None:
            raise error
        if name not in self.scales:
            raise ApiError(404, "NotFound", "not found")
        if method == "PATCH":
            if name in self.meanwhile:
                self.put(name, self.meanwhile.pop(name))
            if body["metadata"]["resourceVersion"] != str(self.versions[name]):
                raise ApiError(409, "Conflict", "the object has been modified")
            self.put(name, body["spec"]["replicas"])
        replicas, there = self.scales[name]
        metadata = {"resourceVersion": str(self.versions[name])}
        return {"metadata": metadata, "spec": {"replicas": replicas}, "status": {"replicas": there}}

    def put(self, name: str, replicas: int, there: int | None = None) -> None:
        before = self.scales.get(name, [0, 0])
        self.scales[name] = [replicas, before[1] if there is None else there]
        self.versions[name] = self.versions.get(name, 0) + 1

    def count(self, call: str) -> int:
        return sum(call in one for one in self.calls)


class Around:
    """A scaler and what it talks to; time passes when told."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.engine = Engine()
        self.engine.pool_changed(a_pool())
        self.metrics = Metrics()
        self.notices: list[Notice] = []
        self.now = 1_800_000_000.0
        self.changes = 0
        self.generation = 0
        self.scaler = Scaler(
            self.api,  # type: ignore[arg-type]
            self.engine,
            events=self,  # type: ignore[arg-type]
            metrics=self.metrics,
            clock=lambda: self.now,
            changed=self.change,
        )

    def record(self, notice: Notice) -> None:
        self.notices.append(notice)

    def change(self) -> None:
        self.changes += 1

    def environment(
        self, name: str, target: str | None = None, *, least: int = 0, api_version: str = "apps/v1"
    ) -> None:
        """Have the engine know an environment that scales a Deployment, of the same name unless told otherwise."""
        self.generation += 1
        resource = an_environment(
            name, "", shape="cpu=2", scaling=(least, 4, 0), generation=self.generation
        ).model_dump(by_alias=True)
        resource["spec"]["scaling"]["targetRef"].update(
            name=target or name, namespace="x", apiVersion=api_version
        )
        self.engine.environment_changed(ComputeEnvironment.parse(resource), self.now)

    async def turn(self, seconds: float = TURN_SECONDS) -> None:
        """Let time pass and the scaler look around once."""
        self.now += seconds
        self.scaler._turn(self.now)
        for _ in range(20):
            await asyncio.sleep(0)

    def problem(self, name: str) -> str | None:
        return self.engine.environments[name].unreadable


@pytest.fixture
def around() -> Around:
    return Around()


async def test_nothing_is_asked_where_nothing_scales(around: Around) -> None:
    around.engine.environment_changed(an_environment("plain"), around.now)
    for _ in range(3):
        await around.turn(60)

    assert around.api.calls == []


async def test_it_reads_then_scales_then_watches(around: Around) -> None:
    around.api.put("web", 0)
    around.environment("web", least=2)

    await around.turn()
    await around.turn()
    assert around.api.scales["web"] == [2, 0]
    assert [(notice.kind, notice.reason) for notice in around.notices] == [("ComputeEnvironment", "Scaled")]
    assert around.notices[0].message == 'Deployment "x/web" from 0 to 2: spec.scaling.min is 2'
    around.api.put("web", 2, 2)
    await around.turn(BUSY_SECONDS)

    assert around.engine.environments["web"].is_as_wanted
    assert around.api.count("PATCH") == 1
    reads = around.api.count("GET /namespaces")
    for _ in range(int(QUIET_SECONDS / TURN_SECONDS) - 1):
        await around.turn()
    assert around.api.count("GET /namespaces") == reads, "it is quiet"
    await around.turn()
    assert around.api.count("GET /namespaces") == reads + 1
    assert around.api.calls.count("GET ") == 1, "the kind is asked for once"
    assert around.changes > 0


async def test_somebody_elses_change_is_not_overwritten(around: Around) -> None:
    around.api.put("web", 0)
    around.environment("web", least=2)
    await around.turn()
    around.api.meanwhile["web"] = 3

    await around.turn()
    assert around.api.scales["web"] == [3, 0]
    assert around.problem("web") is None
    for _ in range(4):
        await around.turn()

    # Three is within its bounds, and nobody has been idle for long enough.
    assert around.api.scales["web"] == [3, 0]
    assert around.notices == []


async def test_a_change_before_the_write_is_read_first(around: Around) -> None:
    around.api.put("web", 0)
    around.environment("web", least=2)
    await around.turn()
    around.api.put("web", 3)

    await around.turn()

    assert around.api.count("PATCH") == 0
    reading = around.engine.environments["web"].reading
    assert reading is not None
    assert reading.replicas == 3


async def test_a_server_that_restarts_is_nobodys_fault(around: Around) -> None:
    around.api.put("web", 1, 1)
    around.environment("web", least=1)
    await around.turn()
    around.api.answers["GET"] = ApiError(503, "ServiceUnavailable", "starting")

    await around.turn(QUIET_SECONDS)
    await around.turn(LONGEST_SECONDS)
    assert around.problem("web") is None
    await around.turn(LONGEST_SECONDS)
    assert "cannot be reached: 503" in (around.problem("web") or "")
    reading = around.engine.environments["web"].reading
    assert reading is not None
    assert reading.ready == 1, "what was last known holds"

    around.api.answers.clear()
    await around.turn(LONGEST_SECONDS)
    assert around.problem("web") is None


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (ApiError(403, "Forbidden", "no"), ("may not patch", 'Deployment "x/web"', "grant")),
        (ApiError(422, "Invalid", "spec.replicas: too many"), ("cannot be set", "spec.replicas: too many")),
    ],
)
async def test_a_refused_write_is_told_once_and_tried_again(
    around: Around, error: ApiError, parts: tuple[str, ...]
) -> None:
    around.api.put("web", 0)
    around.environment("web", least=1)
    around.api.answers["PATCH"] = error
    await around.turn()
    await around.turn()
    message = around.problem("web")
    assert message is not None
    assert all(part in message for part in parts), message

    seen = set()
    for _ in range(20):
        await around.turn()
        seen.add(around.problem("web"))
    assert seen == {message}, "it does not flicker"
    assert 2 <= around.api.count("PATCH") <= 5, "it is not tried every second"

    around.api.answers.clear()
    await around.turn(LONGEST_SECONDS)
    assert around.api.scales["web"][0] == 1
    assert around.problem("web") is None


async def test_one_that_does_not_answer_keeps_no_other_waiting(around: Around) -> None:
    for name in ("dead", "web"):
        around.api.put(name, 0)
        around.environment(name, least=1)
    around.api.silent.add("dead")

    for _ in range(3):
        await around.turn()

    assert around.api.scales == {"dead": [0, 0], "web": [1, 0]}
    assert around.api.count("GET /namespaces/x/deployments/dead") == 1, "one question at a time"


async def test_an_answer_for_what_has_changed_meanwhile_is_dropped(around: Around) -> None:
    around.api.put("old", 3, 3)
    around.environment("web", "old")
    around.scaler._turn(around.now)
    around.environment("web", "new")
    for _ in range(20):
        await asyncio.sleep(0)
    assert around.engine.environments["web"].reading is None

    await around.turn(QUIET_SECONDS)
    assert 'Deployment "x/new" does not exist' in (around.problem("web") or "")
    assert around.engine.environments["web"].target_missing


async def test_an_environment_that_is_gone_is_let_go(around: Around) -> None:
    around.api.put("web", 0)
    around.environment("web")
    around.engine.queue_changed(a_queue(environments="web"), around.now)
    await around.turn()

    around.engine.environment_gone("web", around.now)
    around.environment("other")
    await around.turn()
    around.engine.environment_gone("other", around.now)
    calls = len(around.api.calls)
    await around.turn(60)

    assert len(around.api.calls) == calls
    assert around.scaler._watched == {}


async def test_an_answer_that_makes_no_sense_stops_nothing(around: Around) -> None:
    around.api.put("web", 0)
    around.environment("web")
    around.api.answers["GET"] = KeyError("metadata")

    await around.turn()
    around.api.answers.clear()
    await around.turn(LONGEST_SECONDS)

    assert around.engine.environments["web"].reading == (0, 0)


async def test_the_first_read_is_waited_for(around: Around) -> None:
    around.api.put("web", 2, 1)
    around.environment("web")

    await around.scaler.read_all()

    assert around.engine.environments["web"].reading == (2, 1)


@pytest.mark.parametrize("api_version", ["apps/v1", "apps/v1beta1"])
async def test_a_target_has_one_environment(around: Around, api_version: str) -> None:
    """Two that want different numbers would scale it up and down for ever."""
    around.api.put("shared", 0)
    around.environment("first", "shared", least=1)
    around.environment("second", "shared", least=2, api_version=api_version)

    for _ in range(4):
        await around.turn()
    assert around.api.scales["shared"] == [1, 0]
    assert around.problem("first") is None
    message = 'Deployment "x/shared" is scaled by ComputeEnvironment "first"'
    assert message in (around.problem("second") or "")
    assert around.engine.environments["second"].reading is None

    around.engine.environment_gone("first", around.now)
    for _ in range(4):
        await around.turn()
    assert around.api.scales["shared"] == [2, 0]
    assert around.problem("second") is None
