"""What becomes of a write, on an API server that answers as a test wants."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.builders import a_job

from headgate.dispatch import delivery
from headgate.dispatch.delivery import ATTEMPTS, MAX_SENT, MAX_UNSETTLED, Deliveries, Outcome
from headgate.engine.decisions import Admit
from headgate.kube.client import ApiError
from headgate.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

CALLING = 'Internal error occurred: failed calling webhook "x.team-a.example": connection refused'
NO_WEBHOOK = ApiError(500, "InternalError", CALLING)
DENIED = ApiError(503, "", 'admission webhook "x.team-a.example" denied the request: try again later')
BY_POLICY = ApiError(
    401,
    "Unauthorized",
    "jobs \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
)
FORBIDDEN = ApiError(403, "Forbidden", "quota")
PLAIN = ApiError(500, "", "etcdserver: request timed out")
CONFLICT = ApiError(409, "Conflict", "the object has been modified")
ASKED_CONFLICT = ApiError(409, "Conflict", 'admission webhook "x.team-a.example" denied the request: later')
NOT_THERE = ApiError(404, "NotFound", 'jobs.batch "a" not found')
UNAVAILABLE = ApiError(503, "ServiceUnavailable", "not yet")
FENCED = ApiError(
    403,
    "Forbidden",
    'Job "a": annotation headgate.dev/term: term 1 is not the current term 2: another replica leads',
)
CUT = aiohttp.ServerDisconnectedError()
HUNG = TimeoutError()


class FakeApi:
    """Answers each PATCH by the namespace in its path: with these errors in turn, and the last one from then on."""

    def __init__(self, **answers: list[Exception | None]) -> None:
        self.answers = {name.replace("_", "-"): errors for name, errors in answers.items()}
        self.sent: list[str] = []
        self.under_way: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.versions: dict[str, int] = {}
        self.reads = 0

    async def patch(self, path: str, body: Any, *, content_type: str) -> None:
        namespace = path.split("/")[5]
        self.sent.append(path.rpartition("/")[2])
        self.under_way[namespace] = self.under_way.get(namespace, 0) + 1
        self.most[namespace] = max(self.most.get(namespace, 0), self.under_way[namespace])
        try:
            await asyncio.sleep(0)
        finally:
            self.under_way[namespace] -= 1
        errors = self.answers.get(namespace, [])
        error = errors[0] if len(errors) == 1 else errors.pop(0) if errors else None
        if error is not None:
            raise error

    async def metadata(self, path: str) -> dict[str, Any]:
        self.reads += 1
        name = path.rpartition("/")[2]
        if name not in self.versions:
            raise NOT_THERE
        return {"uid": name, "resourceVersion": str(self.versions[name])}


class Around:
    """Deliveries, and what they talk to."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.suspected = 0
        self.deliveries = Deliveries(
            api,  # type: ignore[arg-type]
            term="1",
            metrics=Metrics(),
            suspect_deposed=self.suspect,
            rested=lambda: None,
        )

    def suspect(self) -> None:
        self.suspected += 1

    def begin(self, name: str, namespace: str = "team-a") -> asyncio.Task[Outcome | None]:
        job = a_job(name, namespace=namespace, version=7)
        return asyncio.create_task(self.deliveries.deliver(Admit(job, 7, "local"), "now"))

    async def deliver(self, name: str = "a", namespace: str = "team-a") -> Outcome | None:
        return await asyncio.wait_for(self.begin(name, namespace), 60)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for but what a test is about."""
    monkeypatch.setattr(delivery, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(delivery, "LANDED_SECONDS", 0.05)
    monkeypatch.setattr(delivery, "SLOW_SECONDS", 3600.0)


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not question():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("error", [NO_WEBHOOK, DENIED, BY_POLICY], ids=["not called", "denied", "policy"])
async def test_what_a_webhook_or_a_policy_does_not_let_through_is_refused_after_some_attempts(
    error: ApiError,
) -> None:
    around = Around(FakeApi(team_a=[error]))
    assert await around.deliver() == Outcome("refused", error.message)
    assert len(around.api.sent) == ATTEMPTS
    # Said before anything was stored: nobody has to be asked.
    assert around.api.reads == 0


@pytest.mark.parametrize("error", [FORBIDDEN, ASKED_CONFLICT], ids=["forbidden", "a conflict of a webhook's"])
async def test_a_decision_is_taken_at_once(error: ApiError) -> None:
    around = Around(FakeApi(team_a=[error]))
    assert await around.deliver() == Outcome("refused", error.message)
    assert len(around.api.sent) == 1


@pytest.mark.parametrize("error", [CONFLICT, NOT_THERE], ids=["conflict", "not found"])
async def test_a_write_that_comes_too_late_is_outdated(error: ApiError) -> None:
    around = Around(FakeApi(team_a=[CUT, error]))
    assert await around.deliver() == Outcome("outdated")


@pytest.mark.parametrize("error", [PLAIN, HUNG], ids=["plain", "hung"])
@pytest.mark.parametrize(
    ("version", "fate"), [(7, "refused"), (8, "outdated"), (None, "outdated")], ids=["same", "newer", "gone"]
)
async def test_what_may_have_landed_is_read_before_it_is_given_up(
    error: Exception, version: int | None, fate: str
) -> None:
    api = FakeApi(team_a=[error])
    if version is not None:
        api.versions["a"] = version
    outcome = await Around(api).deliver()
    assert outcome is not None
    assert (outcome.fate, api.reads) == (fate, 1)


@pytest.mark.parametrize("error", [PLAIN, HUNG], ids=["plain", "hung"])
async def test_what_may_still_land_keeps_its_place_and_nobody_else_from_theirs(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LANDED_SECONDS", 3600.0)
    around = Around(FakeApi(team_a=[error]))
    writing = around.begin("a")
    await until(lambda: around.deliveries._breaker.is_open("team-a"))
    # It is not even sent again before that is known.
    await until(lambda: around.deliveries.room == MAX_SENT)
    assert await around.deliver("b", "team-b") == Outcome("written")
    assert (writing.done(), around.api.reads) == (False, 0)
    around.deliveries.stop()
    assert await writing is None


@pytest.mark.parametrize(
    ("version", "fate", "reads"), [(7, "refused", 2), (8, "outdated", 1), (None, "outdated", 1)]
)
async def test_a_conflict_after_an_answer_that_was_lost_is_one_where_there_is_a_newer_version(
    version: int | None, fate: str, reads: int
) -> None:
    api = FakeApi(team_a=[CUT, CONFLICT])
    if version is not None:
        api.versions["a"] = version
    outcome = await Around(api).deliver()
    assert outcome is not None
    assert (outcome.fate, api.reads) == (fate, reads)


async def test_what_may_still_land_keeps_its_place_after_a_conflict_that_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "LANDED_SECONDS", 3600.0)
    api = FakeApi(team_a=[HUNG, CONFLICT])
    api.versions["a"] = 7
    around = Around(api)
    writing = around.begin("a")
    await until(lambda: around.deliveries.room == MAX_SENT and api.reads == 1)
    assert not writing.done()
    around.deliveries.stop()
    assert await writing is None


async def test_a_refusal_after_an_answer_that_was_lost_is_no_proof() -> None:
    api = FakeApi(team_a=[CUT, FORBIDDEN])
    api.versions["a"] = 8
    assert await Around(api).deliver() == Outcome("outdated")
    assert api.reads == 1


async def test_an_api_server_in_trouble_is_waited_for() -> None:
    around = Around(FakeApi(team_a=[UNAVAILABLE, CUT, UNAVAILABLE, CUT, None]))
    assert await around.deliver() == Outcome("written")
    assert len(around.api.sent) == 5
    assert not around.deliveries._breaker.is_open("team-a")


async def test_who_is_taken_for_deposed_asks_and_tries_again() -> None:
    around = Around(FakeApi(team_a=[FENCED, FENCED, FENCED, FENCED, None]))
    assert await around.deliver() == Outcome("written")
    assert around.suspected == 4


async def test_where_writes_go_wrong_one_is_tried_at_a_time() -> None:
    api = FakeApi(team_a=[NO_WEBHOOK])
    around = Around(api)
    assert await around.deliver("first") == Outcome("refused", CALLING)
    api.most.clear()
    api.sent.clear()

    outcomes = await asyncio.gather(*(around.begin(f"job-{number}") for number in range(20)))

    assert set(outcomes) == {Outcome("refused", CALLING)}
    assert (api.most, len(api.sent)) == ({"team-a": 1}, 1)
    # The first that works lets all others be tried, too.
    api.answers["team-a"] = []
    assert await around.deliver("well") == Outcome("written")
    outcomes = await asyncio.gather(*(around.begin(f"job-{number}") for number in range(20)))
    assert set(outcomes) == {Outcome("written")}


async def test_where_they_take_long_to_go_wrong_none_is_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "SLOW_SECONDS", -1.0)
    api = FakeApi(team_a=[NO_WEBHOOK])
    around = Around(api)
    outcomes = await asyncio.gather(*(around.begin(f"job-{number}") for number in range(20)))
    assert set(outcomes) == {Outcome("refused", CALLING)}
    # All at once, because nobody knew; after that one.
    assert len(api.sent) == len(set(api.sent)) + 1


async def test_so_many_writes_are_open_at_once_and_no_more() -> None:
    api = FakeApi(team_a=[UNAVAILABLE])
    around = Around(api)
    writing: list[asyncio.Task[Outcome | None]] = []
    while len(writing) < MAX_UNSETTLED:
        assert around.deliveries.room <= MAX_SENT
        writing += [around.begin(f"job-{len(writing)}") for _ in range(around.deliveries.room)]
        await asyncio.sleep(0)
    await until(lambda: not api.under_way["team-a"])
    assert around.deliveries.room == 0
    assert api.most["team-a"] <= MAX_SENT

    around.deliveries.stop()

    assert set(await asyncio.gather(*writing)) == {None}
