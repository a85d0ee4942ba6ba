"""What the checker of section 8 says of compute environments: it can fail, and counts as Kubernetes does."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from tests.cluster.harness.invariants import violations
from tests.cluster.harness.requests import of_job, of_pod, quantity
from tests.unit.test_invariants import Record

HOME = [{"name": "room", "order": 1}]
TWO: dict[str, Any] = {"capacity": {"cpu": "2"}}


class Room(Record):
    """A record with a queue that uses one environment, of two cores unless told otherwise."""

    def __init__(self, queue: dict[str, Any] | None = None, **spec: Any) -> None:
        super().__init__(**{"computeEnvironments": HOME, **(queue or {})})
        self.environment(**(spec or TWO))

    def environment(
        self, status: dict[str, Any] | None = None, *, generation: int = 1, observed: int = 1, **spec: Any
    ) -> None:
        body = {
            "metadata": {"name": "room", "uid": "room", "generation": generation},
            "spec": {"state": "Enabled", "type": "OnDemand", **spec},
            "status": {"observedGeneration": observed, **(status or {})},
        }
        self.note("ComputeEnvironment", body)

    def send(
        self,
        name: str,
        state: str = "active",
        *,
        cpu: str = "1",
        pod: dict[str, Any] | None = None,
        to: str | None = "room",
        **options: Any,
    ) -> None:
        """A revision of a Job of one pod that was sent to an environment."""
        marks: dict[str, Any] = {"compute-environment": to} if to and state != "waiting" else {}
        self.job(name, state, **options, **marks)
        containers = [{"name": "main", "resources": {"requests": {"cpu": cpu}}}]
        template = {"spec": {"containers": containers, **(pod or {})}}
        self.seen[-1].body["spec"].update(parallelism=1, completions=1, template=template)

    def admit(self, name: str, **options: Any) -> None:
        """A Job that waits, and then is sent to an environment."""
        self.send(name, "waiting", **options)
        self.send(name, "active", **options)

    def pause(self, revisions: int = 20) -> None:
        """Let time pass in which nothing that matters happens."""
        for _ in range(revisions):
            self.pool("default", {"name": "local"})


def status(cores: int, **more: Any) -> dict[str, Any]:
    """What the status says of so many Jobs of one core."""
    requested = {"cpu": str(cores), "pods": str(cores)} if cores else {}
    here = {"active": cores, "requested": requested, "free": {"cpu": str(2 - cores)}}
    return {**here, "capacity": {"cpu": "2"}, "clusters": [{"name": "local", **here}], **more}


def test_a_record_with_nothing_wrong() -> None:
    record = Room()
    record.admit("a", stamp=20)
    record.admit("b")
    record.pause()
    record.environment(status(2), **TWO)
    record.send("a", "finished", stamp=20)
    record.admit("c")

    assert violations(record.seen) == []


def test_more_than_there_is_room_for() -> None:
    record = Room()
    for name in "abc":
        record.admit(name)

    assert "3.0 cpu are requested there, and it has 2.0" in record.only()


def test_a_lower_capacity_is_in_force_once_its_generation_is_observed() -> None:
    lower: dict[str, Any] = {"capacity": {"cpu": "1"}}
    record = Room()
    record.admit("a")
    decided = len(record.seen)
    record.environment(generation=2, observed=1, **lower)
    record.send("b", "waiting")
    record.environment(generation=2, observed=2, **lower)
    record.send("b", "active", stamp=decided)
    assert violations(record.seen) == [], "it was decided before"

    record.admit("c", cpu="100m")
    assert "2.1 cpu are requested there, and it has 1.0" in record.only()


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"state": "Disabled"}, "it is disabled"),
        ({"instanceShape": {"cpu": "1"}, "scaling": {"max": 0}}, "it has 0.0"),
        ({"nodeSelector": {"disk": "fast"}}, "its node selector has disk: None"),
        ({"instanceShape": {"architecture": "arm64"}}, "kubernetes.io/arch: None, and the environment arm64"),
        ({"tolerations": [{"key": "spot"}]}, "it does not get the toleration"),
    ],
)
def test_an_environment_that_is_not_right(spec: dict[str, Any], why: str) -> None:
    record = Room(**spec)
    record.admit("a")

    assert why in record.only()


def test_what_an_environment_brings_along() -> None:
    record = Room(
        nodeSelector={"disk": "fast"},
        instanceShape={"architecture": "arm64"},
        tolerations=[{"key": "spot", "operator": "Equal"}],
    )
    record.pause()
    record.admit(
        "a",
        pod={
            "nodeSelector": {"disk": "fast", "kubernetes.io/arch": "arm64", "own": "x"},
            "tolerations": [{"key": "own"}, {"key": "spot"}],
        },
    )

    assert violations(record.seen) == []


@pytest.mark.parametrize(
    ("queue", "to", "why"),
    [
        ({}, "elsewhere", "its queue does not name"),
        ({"computeEnvironments": []}, "room", "its queue does not name"),
        ({}, None, "sent to no environment"),
    ],
)
def test_an_environment_that_is_not_the_queues(queue: dict[str, Any], to: str | None, why: str) -> None:
    record = Room(queue)
    record.admit("a", to=to)

    assert any(why in sentence for sentence in violations(record.seen))


def test_a_status_that_was_written_at_rest_equals_a_recount() -> None:
    record = Room()
    record.pause()
    record.admit("a")
    record.environment(status(2), **TWO)
    assert violations(record.seen) == [], "a Job may be on its way"

    record.pause()
    record.environment(status(2), **TWO)
    record.pause()
    record.admit("b")
    wrong = violations(record.seen)
    assert any("has 2 active Jobs, a recount 1" in sentence for sentence in wrong)
    assert any("a recount {'cpu': 1.0, 'pods': 1.0}" in sentence for sentence in wrong)
    assert violations(record.seen, mangled={"room"}) == []


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ({"active": 2}, "2 active Jobs, by cluster"),
        ({"requested": {"cpu": "2", "pods": "1"}}, "does not add up: requested"),
        ({"capacity": {"cpu": "3"}}, "has free {'cpu': '1'} of {'cpu': '3'}"),
    ],
)
def test_a_status_that_does_not_go_together(spoilt: dict[str, Any], why: str) -> None:
    record = Room()
    record.admit("a")
    record.environment(status(1, **spoilt), **TWO)

    assert any(why in sentence for sentence in violations(record.seen))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), (3, 3), ("1500m", Fraction(3, 2)), ("0.1", Fraction(1, 10)), ("2Ki", 2048), ("1e3", 1000),
        ("1E", 10**18), ("1Ei", 2**60), ("5u", Fraction(5, 10**6)), ("7n", Fraction(7, 10**9)), ("1k", 1000),
    ],
)  # fmt: skip
def test_quantities(text: str | int, value: Fraction | int) -> None:
    assert quantity(text) == value


def container(cpu: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("pod", "cpu"),
    [
        ({"containers": [container("1"), container("2")]}, 3),
        ({"containers": [container("1")], "initContainers": [container("5"), container("2")]}, 5),
        ({"containers": [container("1")], "initContainers": [container("2", restartPolicy="Always")]}, 3),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("2", restartPolicy="Always"), container("3")],
            },
            5,
        ),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("3"), container("2", restartPolicy="Always")],
            },
            3,
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "500m"}}, Fraction(3, 2)),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "4"}}}, 4),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}, 2),
    ],
)
def test_what_a_pod_requests(pod: dict[str, Any], cpu: Fraction | int) -> None:
    assert of_pod(pod) == {"cpu": cpu}


@pytest.mark.parametrize(
    ("spec", "succeeded", "pods"),
    [
        ({}, 0, 1),
        ({"parallelism": 3}, 0, 3),
        ({"parallelism": 3, "completions": 5}, 3, 2),
        ({"completions": 2}, 2, 0),
    ],
)
def test_what_a_job_requests(spec: dict[str, Any], succeeded: int, pods: int) -> None:
    template = {"spec": {"containers": [container("2")]}}
    body = {"spec": {**spec, "template": template}, "status": {"succeeded": succeeded}}

    assert of_job(body) == ({"cpu": 2 * pods, "pods": pods} if pods else {})
