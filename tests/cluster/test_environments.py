"""Compute environments: where a Job goes, and that no more goes there than there is room for."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from controlplane.nodes import NodeShape, is_schedulable, manifest
from tests.cluster.harness.client import (
    ENDLESS,
    ENVIRONMENTS,
    MERGE,
    User,
    condition,
    eventually,
)
from tests.cluster.harness.invariants import ENVIRONMENT
from tests.cluster.harness.requests import amounts, of_job, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Replicas = Callable[[str], OperatorProcess]
    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator", "recorder")

CORE = {"cpu": "1"}


def placed(given: User, *jobs: str) -> list[str | None]:
    """Return the environments that Jobs were admitted to, without the namespace in front of their names."""
    found = [given.get_job(job)["metadata"]["annotations"].get(ENVIRONMENT) for job in jobs]
    return [name and name.removeprefix(given.full("")) for name in found]


def head(given: User, queue: str) -> dict[str, Any]:
    """Wait until a queue's status names the Job that does not fit."""
    found: dict[str, Any] = eventually(lambda: given.status(queue)["head"])
    return found


def environment_with(given: User, name: str, active: int) -> dict[str, Any]:
    """Return an environment's status once so many Jobs are active there: it is written apart from a queue's."""
    status = given.environment_status(name)
    return status if status["active"] == active else {}


def stalls(given: User, queue: str, reason: str, *parts: str) -> None:
    """Wait until a queue says that it is stalled for a reason, in words that have these parts, as an event too."""

    def check() -> bool:
        stalled = given.condition(queue, "Stalled")
        assert (stalled["status"], stalled["reason"]) == ("True", reason), stalled
        assert all(part in stalled["message"] for part in parts), stalled
        return True

    eventually(check)
    assert given.condition(queue, "Ready")["status"] == "False"
    assert eventually(lambda: given.events_on(given.full(queue), reason=reason))


def heals(given: User, queue: str) -> None:
    eventually(lambda: given.condition(queue, "Stalled")["status"] == "False")


@contextmanager
def node(site: Site, name: str, shape: NodeShape, labels: dict[str, str], taint: str) -> Iterator[str]:
    """Have one more simulated node for a while, with a taint that keeps others away."""
    body = manifest(name, shape, labels)
    body["spec"] = {"taints": [{"key": taint, "value": "yes", "effect": "NoSchedule"}]}
    site.admin.create("/api/v1/nodes", body)

    def ready() -> bool:
        found = site.admin.get(f"/api/v1/nodes/{name}")
        found["spec"]["taints"] = [one for one in found["spec"].get("taints", []) if one["key"] != taint]
        return is_schedulable(found)

    try:
        eventually(ready)
        yield name
    finally:
        site.admin.delete(f"/api/v1/nodes/{name}")


def test_a_job_goes_to_the_first_that_has_room(given: User, recorder: Recorder, settled: Settled) -> None:
    given.environment("first", capacity={"cpu": "2"})
    given.environment("second", type="Spot", capacity={"cpu": "500m", "memory": "1Gi"})
    given.environment("last", capacity={"cpu": "64"})
    given.queue("line", computeEnvironments=given.using("first", "second", "last"))

    for number in range(4):
        given.job(f"job-{number}", "line", requests=CORE, seconds=ENDLESS)
        given.until_active("line", number + 1)
    given.job("small", "line", requests={"cpu": "500m", "memory": "1Gi"}, seconds=ENDLESS)
    given.until_active("line", 5)

    jobs = ("job-0", "job-1", "job-2", "job-3", "small")
    eventually(lambda: placed(given, *jobs) == ["first", "first", "last", "last", "second"])
    status = settled(given.full("line"))
    assert [(one["name"], one["order"], one["active"]) for one in status["computeEnvironments"]] == [
        (given.full("first"), 1, 2),
        (given.full("second"), 2, 1),
        (given.full("last"), 3, 2),
    ]
    second = eventually(lambda: environment_with(given, "second", 1))
    assert (second["state"], second["queues"], second["active"]) == ("Valid", 1, 1)
    assert second["requested"] == {"cpu": "500m", "memory": "1Gi", "pods": "1"}
    assert second["capacity"] == {"cpu": "500m", "memory": "1Gi"}
    assert second["free"] == {"cpu": "0", "memory": "0"}


def test_a_job_brings_the_environment_along_and_runs_there(given: User, site: Site) -> None:
    """What the user wrote into the template is kept; the pod gets to the one node that is meant."""
    pool, taint = given.full("pool"), f"{given.namespace}.example.com/dedicated"
    shape = NodeShape(cpu="4", architecture="arm64")
    given.environment(
        "arm",
        instanceShape={"architecture": "arm64", "cpu": "4"},
        capacity={"cpu": "4"},
        nodeSelector={"example.com/pool": pool},
        tolerations=[{"key": taint, "operator": "Exists", "effect": "NoSchedule"}],
    )
    given.queue("line", computeEnvironments=given.using("arm"))
    own = {"key": "example.com/own", "operator": "Exists"}
    pod = {"nodeSelector": {"kubernetes.io/os": "linux"}, "tolerations": [own]}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {"key": "example.com/pool", "operator": "In", "values": ["x", pool]}
                        ]
                    }
                ]
            }
        }
    }

    with node(site, given.full("node"), shape, {"example.com/pool": pool}, taint) as name:
        given.job("train", "line", requests=CORE, pod={**pod, "affinity": affinity}, seconds=ENDLESS)
        pods = eventually(lambda: given.pods("train"))
        eventually(lambda: given.pods("train")[0]["spec"].get("nodeName") == name)

        there = given.get_job("train")["spec"]["template"]["spec"]
        selector = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64", "example.com/pool": pool}
        assert there["nodeSelector"] == selector
        assert there["tolerations"] == [own, {"key": taint, "operator": "Exists", "effect": "NoSchedule"}]
        assert there["affinity"] == affinity
        assert pods[0]["spec"]["nodeSelector"] == selector
        assert there["containers"][0]["resources"] == {"requests": CORE}
        given.client.delete(f"{given.jobs_path}/train")
        eventually(lambda: not given.pods("train"))


def test_a_contradiction_is_never_a_wrong_placement(given: User) -> None:
    given.environment("spot", nodeSelector={"example.com/pool": "spot"}, capacity={"cpu": "8"})
    given.queue("line", computeEnvironments=given.using("spot"), headOfLine="Backfill")

    given.job("elsewhere", "line", pod={"nodeSelector": {"example.com/pool": "steady"}}, requests=CORE)
    found = head(given, "line")

    assert (found["name"], found["reason"]) == ("elsewhere", "NoMatchingEnvironment")
    assert "nodeSelector['example.com/pool'] is 'steady'" in found["message"], found
    events = eventually(lambda: given.events_on("elsewhere", reason="NoMatchingEnvironment"))
    assert events[0]["note"] == found["message"]
    given.job("passes", "line", requests=CORE)
    given.until_active("line", 1)
    eventually(lambda: placed(given, "elsewhere", "passes") == [None, "spot"])

    given.change_environment("spot", nodeSelector={"example.com/pool": "steady"})
    eventually(lambda: placed(given, "elsewhere") == ["spot"])


def test_what_could_never_fit_says_so(given: User) -> None:
    given.environment("small", capacity={"cpu": "2"}, instanceShape={"cpu": "1", "memory": "4Gi"})
    given.queue("line", computeEnvironments=given.using("small"))

    given.job("wide", "line", requests=CORE, parallelism=3, completions=3)
    found = head(given, "line")

    assert (found["name"], found["reason"]) == ("wide", "ExceedsEnvironmentMaximum")
    assert "asks for 3 cpu" in found["message"], found
    assert eventually(lambda: given.events_on("wide", reason="ExceedsEnvironmentMaximum"))

    given.client.delete(f"{given.jobs_path}/wide")
    given.job("tall", "line", requests={"cpu": "1500m"}, seconds=0.1)
    eventually(lambda: given.status("line").get("head", {}).get("name") == "tall")
    eventually(lambda: "a Pod asks for 1500m cpu" in given.status("line")["head"]["message"])

    given.change_environment("small", instanceShape={"cpu": "2", "memory": "4Gi"})
    given.succeeded("line", 1)
    eventually(lambda: "head" not in given.status("line"))


def test_capacity_is_used_up_and_never_exceeded(given: User, recorder: Recorder, settled: Settled) -> None:
    """Two queues and Jobs of many shapes on one environment: the witness adds up at every revision."""
    given.environment("shared", capacity={"cpu": "4", "memory": "8Gi", "pods": "6"})
    for queue in ("high", "low"):
        given.queue(
            queue,
            computeEnvironments=given.using("shared"),
            priority={"high": 9, "low": 1}[queue],
            dispatch={"paused": True},
        )
    sidecar = {"name": "log", "image": "none", "restartPolicy": "Always"}
    init = {"name": "init", "image": "none", "resources": {"requests": {"cpu": "2"}}}
    for queue in ("high", "low"):
        given.jobs(4, queue, prefix=f"{queue}-one", requests={"cpu": "1", "memory": "1Gi"}, seconds=0.3)
        given.jobs(2, queue, prefix=f"{queue}-wide", requests={"cpu": "500m"}, parallelism=3, completions=4,
                   seconds=0.2)  # fmt: skip
        given.jobs(2, queue, prefix=f"{queue}-init", requests={"cpu": "100m"}, seconds=0.2,
                   pod={"initContainers": [sidecar, init]})  # fmt: skip
        given.jobs(1, queue, prefix=f"{queue}-all", requests={"cpu": "4"}, seconds=0.2)
    for queue in ("high", "low"):
        given.until_waiting(queue, 9)

    for queue in ("low", "high"):
        given.change_queue(queue, dispatch={"paused": False})

    for queue in ("high", "low"):
        given.succeeded(queue, 9)
        settled(given.full(queue))
    peak = max(
        amounts(seen.body["status"]["requested"]).get("cpu", 0)
        for seen in recorder.record()
        if seen.kind == "ComputeEnvironment" and seen.name == given.full("shared") and "status" in seen.body
    )
    assert 0 < peak <= 4
    eventually(lambda: given.environment_status("shared")["requested"] == {})


def test_usage_equals_a_recount(given: User, settled: Settled) -> None:
    given.environment("odd", capacity={"cpu": "10", "example.com/gpu": "4", "memory": "10G"})
    given.queue("line", computeEnvironments=given.using("odd"))
    overall = {"resources": {"requests": {"cpu": "1100m"}}}
    given.job("gpu", "line", requests={"cpu": "0.1", "memory": "1e3"}, seconds=ENDLESS, pod={
        "containers": [{"name": "main", "image": "none", "resources": {
            "limits": {"example.com/gpu": "2", "memory": "129M"}}}]})  # fmt: skip
    given.job("pod", "line", requests={"cpu": "250m"}, pod=overall, seconds=ENDLESS)
    given.job("wide", "line", requests={"cpu": "333m", "memory": "1Mi"}, parallelism=3, completions=5,
              seconds=ENDLESS)  # fmt: skip

    given.until_active("line", 3)
    settled(given.full("line"))

    status = given.environment_status("odd")
    counted = total(of_job(body) for body in given.all_jobs())
    assert amounts(status["requested"]) == counted
    assert status["requested"]["example.com/gpu"] == "2"
    assert status["requested"]["cpu"] == "2099m"
    assert status["free"]["example.com/gpu"] == "2"


def test_a_disabled_environment_keeps_what_runs_and_takes_no_more(given: User) -> None:
    given.environment("one", capacity={"cpu": "8"})
    given.environment("two", capacity={"cpu": "8"})
    given.queue("line", computeEnvironments=given.using("one", "two"))
    given.job("before", "line", requests=CORE, seconds=ENDLESS)
    given.until_active("line", 1)

    given.change_environment("one", state="Disabled")
    assert eventually(lambda: given.events_on(given.full("one"), reason="Disabled"))
    given.job("after", "line", requests=CORE, seconds=ENDLESS)
    given.until_active("line", 2)

    eventually(lambda: placed(given, "before", "after") == ["one", "two"])
    assert not given.get_job("before")["spec"]["suspend"]
    status = eventually(lambda: environment_with(given, "one", 1))
    assert (status["state"], status["active"], condition(status, "Ready")["reason"]) == (
        "Valid",
        1,
        "Disabled",
    )

    given.change_environment("two", state="Disabled")
    stalls(given, "line", "NoEnabledEnvironment", given.full("one"), given.full("two"), "Enabled")
    given.job("later", "line", requests=CORE, seconds=ENDLESS)
    given.until_waiting("line", 1)
    given.change_environment("one", state="Enabled")
    heals(given, "line")
    eventually(lambda: placed(given, "later") == ["one"])
    assert eventually(lambda: given.events_on(given.full("one"), reason="Enabled"))


def test_a_queue_stalls_until_its_environment_is_there_and_right(given: User) -> None:
    given.queue("line", computeEnvironments=given.using("late"))
    given.job("job", "line", requests=CORE, seconds=0.1)
    stalls(given, "line", "ComputeEnvironmentNotFound", given.full("late"), "create it")
    assert eventually(lambda: given.events_on(given.full("line"), reason="ComputeEnvironmentNotFound"))

    given.environment("late", pool=given.full("elsewhere"))
    stalls(given, "line", "ComputeEnvironmentInOtherPool", given.full("elsewhere"))
    eventually(lambda: given.environment_status("late")["state"] == "Invalid")
    assert condition(given.environment_status("late"), "Stalled")["reason"] == "PoolNotFound"
    given.client.delete(f"{ENVIRONMENTS}/{given.full('late')}")
    stalls(given, "line", "ComputeEnvironmentNotFound")

    given.environment("late", capacity={"cpu": "1"})
    heals(given, "line")
    given.succeeded("line", 1)
    assert eventually(lambda: given.events_on(given.full("line"), reason="Healed"))


def test_an_environment_whose_cluster_leaves_its_pool_is_invalid(given: User) -> None:
    given.pool("own", "east")
    given.environment("one", pool=given.full("own"), clusters=[given.full("east")], capacity={"cpu": "1"})
    given.queue("line", pool=given.full("own"), computeEnvironments=given.using("one"))
    eventually(lambda: given.condition("line", "Ready")["status"] == "True")

    given.change_pool("own", given.clusters("west"))
    stalls(given, "line", "ComputeEnvironmentInvalid", given.full("one"), given.full("east"))
    eventually(lambda: given.environment_status("one")["state"] == "Invalid")
    assert condition(given.environment_status("one"), "Stalled")["reason"] == "ClusterNotInPool"
    assert eventually(lambda: given.events_on(given.full("one"), reason="ClusterNotInPool"))

    given.change_pool("own", given.clusters("east"))
    heals(given, "line")
    eventually(lambda: given.environment_status("one")["state"] == "Valid")
    given.job("job", "line", requests=CORE, seconds=0.1)
    given.succeeded("line", 1)
    eventually(lambda: placed(given, "job") == ["one"])


@pytest.mark.parametrize(
    ("reason", "other", "parts"),
    [
        ("MixedComputeTypes", {"type": "Serverless"}, ("Serverless", "OnDemand")),
        ("MixedArchitectures", {"instanceShape": {"architecture": "arm64"}}, ("amd64", "arm64")),
    ],
)
def test_mixed_environments_stall_and_heal(
    given: User, reason: str, other: dict[str, Any], parts: tuple[str, ...]
) -> None:
    given.environment("one", instanceShape={"architecture": "amd64"})
    given.environment("two", **other)
    given.queue("line", computeEnvironments=given.using("one", "two"))
    stalls(given, "line", reason, *parts)

    # Neither can be changed: the other has to be another one.
    given.client.delete(f"{ENVIRONMENTS}/{given.full('two')}")
    stalls(given, "line", "ComputeEnvironmentNotFound")
    given.environment("two", type="Spot")
    heals(given, "line")


def test_it_all_survives_a_new_operator(
    given: User, site: Site, operator: OperatorProcess, settled: Settled
) -> None:
    """Who runs where is on the Jobs: the next operator counts the same, and writes nothing anew."""
    given.environment("one", capacity={"cpu": "2"})
    given.environment("two", capacity={"cpu": "1"})
    given.queue("line", computeEnvironments=given.using("one", "two"))
    given.jobs(4, "line", requests=CORE, seconds=ENDLESS)
    given.until_active("line", 3)
    settled(given.full("line"))
    found = head(given, "line")

    def versions() -> dict[str, str]:
        return {
            name: site.admin.get(f"{ENVIRONMENTS}/{given.full(name)}")["metadata"]["resourceVersion"]
            for name in ("one", "two")
        }

    def unchanged() -> dict[str, str]:
        # A status is written a second after the last one, if there is more to say.
        before = versions()
        time.sleep(1.5)
        return before if versions() == before else {}

    before = eventually(unchanged)

    operator.kill()
    site.free_lease()
    operator.start().wait_until_leading()
    given.job("last", "line", requests=CORE, seconds=ENDLESS)
    given.until_waiting("line", 2)

    settled(given.full("line"))
    assert given.status("line")["head"] == found
    assert versions() == before
    first = placed(given, *(f"job-{number:04}" for number in range(4))).index("two")
    given.client.delete(f"{given.jobs_path}/job-{first:04}")
    eventually(lambda: given.status("line").get("head", {}).get("name") == "last")


def test_a_spoilt_status_is_put_right(given: User, recorder: Recorder) -> None:
    recorder.mangled.add(given.full("one"))
    given.environment("one", capacity={"cpu": "2"})
    status = eventually(lambda: given.environment_status("one"))

    path = f"{ENVIRONMENTS}/{given.full('one')}"
    given.client.patch(f"{path}/status", {"status": {"active": 7, "state": "Invalid"}}, content_type=MERGE)

    eventually(lambda: given.environment_status("one") == status)


def test_a_job_that_ran_unadmitted_gets_its_environment_later(given: User, site: Site) -> None:
    """Its template may change again only when the Job controller has seen to the suspension."""
    given.environment("one", capacity={"cpu": "1"}, nodeSelector={"kubernetes.io/os": "linux"})
    given.queue("line", computeEnvironments=given.using("one"))
    given.job("first", "line", requests=CORE, seconds=ENDLESS)
    given.until_active("line", 1)
    given.job("stray", None, requests=CORE, seconds=ENDLESS)
    eventually(lambda: given.get_job("stray").get("status", {}).get("active"))

    with site.without_policies("job-submit", "job-queue"):
        given.change_job("stray", {"metadata": {"labels": {"headgate.dev/queue": given.full("line")}}})
    eventually(lambda: given.get_job("stray")["spec"]["suspend"])
    given.client.delete(f"{given.jobs_path}/first")

    eventually(lambda: placed(given, "stray") == ["one"])
    spec = given.get_job("stray")["spec"]
    assert not spec["suspend"]
    assert spec["template"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert not given.events_on("stray", reason="Refused")


def test_metrics_by_environment(given: User, operator: OperatorProcess) -> None:
    given.environment("one", capacity={"cpu": "2", "memory": "1Gi"})
    given.queue("line", computeEnvironments=given.using("one"))
    given.jobs(2, "line", requests={"cpu": "750m", "memory": "256Mi"}, seconds=ENDLESS)
    given.until_active("line", 2)
    given.job("waits", "line", requests={"cpu": "1", "example.com/gpu": "1"}, pod={
        "containers": [{"name": "main", "image": "none", "resources": {
            "limits": {"cpu": "1", "example.com/gpu": "1"}}}]})  # fmt: skip
    head(given, "line")

    def value(name: str, **labels: str) -> float | None:
        return operator.metric(f"headgate_environment_{name}", environment=given.full("one"), **labels)

    assert value("active") == 2
    assert value("requested", resource="cpu") == 1.5
    assert value("requested", resource="memory") == 2**29
    assert value("requested", resource="pods") == 2
    assert value("requested", resource="example.com/gpu") is None
    assert value("capacity", resource="cpu") == 2
    assert value("capacity", resource="memory") == 2**30
    assert value("capacity", resource="pods") is None
    waiting = operator.metric(
        "headgate_head_waiting_seconds", queue=given.full("line"), reason="InsufficientCapacity"
    )
    assert waiting is not None
    assert 0 <= waiting < 600

    given.client.delete(f"{ENVIRONMENTS}/{given.full('one')}")
    eventually(lambda: value("capacity", resource="cpu") is None)
    assert value("active") is None
