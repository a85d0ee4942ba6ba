"""The status of a proxy follows its copy's on a real API server, which refuses what the Job API forbids.

That the API server is asked at all, and that the unit tests' account of its rules is right, is tested beside it: what
`tests.unit.members.job_api` has complaints about is refused, and the rest is not.
"""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from headgate.api.names import MANAGED_BY
from headgate.kube.client import STRATEGIC_MERGE_PATCH
from tests.cluster.harness.client import RefusedError
from tests.unit.members.job_api import complaints, holds, is_finished, merged
from tests.unit.members.lives import KINDS, STEPS, Life, condition, stamp

if TYPE_CHECKING:
    from tests.cluster.harness.client import Client

Json = dict[str, Any]

NUMBERS = count()
SEEDS = range(24)
ACTS = (*STEPS, "start", "pods", "succeed", *["mirror"] * 6, "requeue")


class Proxy:
    """A Job on the API server that no Job controller looks after."""

    def __init__(self, admin: Client, namespace: str, kind: Json) -> None:
        self._admin = admin
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}}
        body = {
            "metadata": {"name": f"proxy-{next(NUMBERS)}"},
            "spec": {**kind, "managedBy": MANAGED_BY, "template": template},
        }
        made = admin.create(f"/apis/batch/v1/namespaces/{namespace}/jobs", body)
        self._path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{made['metadata']['name']}"
        self.spec: Json = made["spec"]
        self.status: Json = {}

    def write(self, patch: Json) -> Json:
        """Patch the status; raises `RefusedError`."""
        changed = self._admin.patch(
            f"{self._path}/status", {"status": patch}, content_type=STRATEGIC_MERGE_PATCH
        )
        self.status = changed["status"]
        return self.status

    def refusal(self, patch: Json) -> str:
        """Patch the status; return why it was refused, nothing if it was not."""
        try:
            self.write(patch)
        except RefusedError as error:
            if error.status != 422:
                raise
            return error.message
        return ""

    def suspend(self, suspend: bool) -> None:
        self.spec = self._admin.patch(self._path, {"spec": {"suspend": suspend}})["spec"]

    def life(self, kind: Json, random: Random) -> Life:
        skew = random.choice((0, -300, 300))
        old = random.random() < 0.3
        return Life(kind, self.write, self.suspend, random.randrange, skew=skew, old_kubernetes=old)


@pytest.fixture
def proxy(admin: Client, namespace: str) -> Any:
    return lambda kind=KINDS[0]: Proxy(admin, namespace, kind)


def told(status: Json, *types: str) -> dict[str, str]:
    """Return the reasons of the conditions that hold, of these types or of all."""
    return {
        c["type"]: c["reason"]
        for c in status.get("conditions", ())
        if c["status"] == "True" and (not types or c["type"] in types)
    }


@pytest.mark.parametrize("kind", KINDS, ids=("counted", "any", "indexed", "per-index", "success-policy"))
@pytest.mark.parametrize("end", ["Complete", "Failed"])
def test_a_whole_life(proxy: Any, kind: Json, end: str) -> None:
    hub: Proxy = proxy(kind)
    life = hub.life({**kind}, Random(1))
    life.old_kubernetes, life.skew = False, 0
    for step in ("start", "pods", "succeed", "pods", "fail"):
        life.step(step)
        life.mirror()
    decided = "SuccessCriteriaMet" if end == "Complete" else "FailureTarget"
    life.copy = merged(life.copy, {"active": 0, "ready": 0, "terminating": 1,
                                   "conditions": [condition(decided, life.here)]})  # fmt: skip
    life.mirror()
    assert not told(hub.status, decided)
    life.step("end")
    life.mirror()
    assert told(hub.status) == {decided: f"Because{decided}", end: f"Because{end}"}
    assert hub.status.get("completionTime") == life.copy.get("completionTime")
    assert hub.status.get("completedIndexes") == life.copy.get("completedIndexes")
    assert life.patch() is None


def test_a_job_cancelled_before_and_while_it_runs(proxy: Any) -> None:
    for steps in ((), ("start", "pods"), ("start", "pods", "decide")):
        hub: Proxy = proxy()
        life = hub.life(KINDS[0], Random(2))
        for step in steps:
            life.step(step)
            life.mirror()
        life.cancel()
        life.mirror()
        if not steps:
            life.step("start")
        life.step("end")
        life.mirror()
        assert told(hub.status, "Failed") == {"Failed": "Canceled"}


def test_a_job_that_is_sent_back_and_ends_elsewhere(proxy: Any) -> None:
    for kind in KINDS:
        hub: Proxy = proxy(kind)
        life = hub.life(kind, Random(3))
        life.old_kubernetes, life.skew = False, 0
        for step in ("start", "pods", "succeed", "fail"):
            life.step(step)
            life.mirror()
        before = hub.status
        life.requeue()
        assert told(hub.status) == {"Suspended": "Requeued"}
        assert "startTime" not in hub.status
        for step in ("start", "pods", "end"):
            life.step(step)
            life.mirror()
        assert is_finished(hub.status)
        assert not holds(hub.status, "Suspended")
        assert hub.status["startTime"] == life.copy["startTime"] > before["startTime"]
        assert hub.status["failed"] >= before["failed"]


def test_a_proxy_without_a_copy_is_ended(proxy: Any) -> None:
    for steps in ((), ("start", "pods", "fail")):
        hub: Proxy = proxy()
        life = hub.life(KINDS[0], Random(4))
        for step in steps:
            life.step(step)
            life.mirror()
        life.end_without_copy()
        assert told(hub.status) == {"FailureTarget": "CopyDeleted", "Failed": "CopyDeleted"}


@pytest.mark.parametrize("seed", SEEDS)
def test_any_life(proxy: Any, seed: int) -> None:
    random = Random(seed)
    kind = random.choice(KINDS)
    hub: Proxy = proxy(kind)
    life = hub.life(kind, random)
    for _ in range(30):
        match random.choice(ACTS):
            case "mirror":
                life.mirror()
                assert life.patch() is None
            case "requeue" if random.random() < 0.3:
                life.requeue()
            case "requeue" if random.random() < 0.2:
                life.cancel()
            case step:
                life.step(step)
    for step in ("resume", "start", "end"):
        life.step(step)
    life.mirror()
    assert is_finished(hub.status)
    assert life.patch() is None


COMPLETE = {
    "startTime": stamp(0),
    "completionTime": stamp(9),
    "succeeded": 1,
    "conditions": [condition("SuccessCriteriaMet", 9), condition("Complete", 9)],
}


@pytest.mark.parametrize(
    ("before", "naive", "why"),
    [
        (
            {"startTime": stamp(0), "conditions": [condition("FailureTarget", 5)]},
            COMPLETE,
            "SuccessCriteriaMet=True and FailureTarget=true",
        ),
        ({"startTime": stamp(5)}, COMPLETE, "field is immutable for unsuspended job once set"),
        ({"succeeded": 2}, COMPLETE, "cannot decrease the succeeded counter"),
        ({}, {"failed": 1, "startTime": stamp(0), "conditions": [condition("Failed", 9)]}, "FailureTarget"),
        ({}, {"startTime": stamp(0), "active": 1, "ready": 2}, "more ready pods than active"),
        (
            {},
            {**COMPLETE, "conditions": [condition("Complete", 9)]},
            "Complete=True condition without the SuccessCriteriaMet",
        ),
        ({}, {"startTime": stamp(0), "completedIndexes": "0"}, "completedIndexes"),
    ],
)
def test_the_api_server_refuses_what_a_copy_says_taken_as_it_is(
    proxy: Any, before: Json, naive: Json, why: str
) -> None:
    hub: Proxy = proxy()
    if before:
        hub.write(before)
    assert why in hub.refusal(naive)
    life = Life(KINDS[0], hub.write, hub.suspend, Random(5).randrange, hub=hub.status, copy=naive)
    life.mirror()


def test_the_rules_of_the_unit_tests_are_the_api_servers(proxy: Any) -> None:
    verdicts = []
    for seed in range(40):
        random = Random(1000 + seed)
        kind = random.choice(KINDS)
        hub: Proxy = proxy(kind)
        for _ in range(8):
            life = hub.life(kind, random)
            for _ in range(random.randrange(12)):
                life.step(random.choice(STEPS))
            if random.random() < 0.2:
                hub.suspend(random.random() < 0.5)
            wrong = complaints(hub.spec, hub.status, merged(hub.status, life.copy))
            refusal = hub.refusal(life.copy)
            assert bool(wrong) is bool(refusal), f"{wrong} {refusal}\n{hub.spec}\n{hub.status}\n{life.copy}"
            verdicts.append(bool(wrong))
    assert 40 < sum(verdicts) < len(verdicts) - 40, "both are to be seen often"
