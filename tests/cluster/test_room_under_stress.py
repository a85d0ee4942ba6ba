"""Environments, shares and scaling at rest, through a new operator, and through one that is killed again and again."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, ENVIRONMENTS, POLICIES, QUEUES, User, eventually
from tests.cluster.harness.invariants import outcome, peaks
from tests.cluster.harness.rest import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Replicas = Callable[[str], OperatorProcess]
    Settled = Callable[..., dict[str, Any]]

CORE = {"cpu": "1"}
SHARE = "headgate.dev/share"
KINDS = ("jobs", "jobqueues", "computeenvironments", "schedulingpolicies", "deployments")
KILLS = 6


def written(site: Site, given: User, since: int) -> list[str]:
    """Return what the operator wrote of the objects of a test."""
    mine = {given.full(""), *(body["metadata"]["name"] for body in given.all_jobs())}
    references = [(entry["verb"], entry["objectRef"]) for entry in site.audit(since)]
    return [
        f"{verb} {reference['resource']} {reference.get('name')}"
        for verb, reference in references
        if reference["resource"] in KINDS
        and (reference.get("name") in mine or str(reference.get("name")).startswith(given.namespace))
    ]


def deployment(given: User, name: str, replicas: int) -> dict[str, Any]:
    """Create a Deployment; return the reference to it."""
    labels = {"app": given.full(name)}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "node", "image": "none"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    given.client.create(f"/apis/apps/v1/namespaces/{given.namespace}/deployments", body)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "namespace": given.namespace}


def furnish(given: User, settled: Settled) -> None:
    """A full environment, one that scales, one without its target, and a queue with shares that have used much."""
    given.environment("full", capacity={"cpu": "2"})
    ref = deployment(given, "nodes", 0)
    shape = {"cpu": "2", "memory": "4Gi"}
    given.environment("cloud", instanceShape=shape, scaling={"targetRef": ref, "max": 2})
    missing = {**ref, "name": "missing"}
    given.environment("broken", instanceShape=shape, scaling={"targetRef": missing, "max": 2})
    given.policy("fair", shareDecaySeconds=60, shares=[{"identifier": "a", "weightFactor": 0.5}])
    given.queue("blocked", computeEnvironments=given.using("full"), headOfLine="Backfill")
    given.queue("scaled", computeEnvironments=given.using("cloud"), schedulingPolicy=given.full("fair"))
    given.queue("lost", computeEnvironments=given.using("nowhere"))
    given.jobs(4, "blocked", prefix="blocked", requests=CORE, seconds=ENDLESS)
    for share in "ab":
        given.jobs(
            2, "scaled", prefix=f"scaled-{share}", requests=CORE, labels={SHARE: share}, seconds=ENDLESS
        )
    given.job("used", "scaled", requests={"memory": "1Gi"}, labels={SHARE: "b"}, seconds=0.1)
    given.until_active("blocked", 2)
    given.succeeded("scaled", 1)
    given.until_active("scaled", 4)
    for queue in ("blocked", "scaled"):
        settled(given.full(queue))
    eventually(lambda: given.environment_status("cloud")["scaling"]["state"] == "Running")
    eventually(lambda: given.events_on(given.full("broken"), reason="ScaleTargetNotFound"))
    # The Job controller writes too, until the last Pod is there.
    eventually(lambda: sum(body["status"].get("ready", 0) for body in given.all_jobs()) == 6)


def versions(given: User) -> dict[str, str]:
    """Return the resourceVersions of all objects of a test, by name."""
    bodies = [body for path in (ENVIRONMENTS, POLICIES, QUEUES) for body in given.client.items(path)]
    mine = [body for body in bodies if body["metadata"]["name"].startswith(given.namespace)]
    return {
        body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in [*mine, *given.all_jobs()]
    }


def test_an_unchanged_world_causes_no_write(
    given: User, site: Site, replicas: Replicas, recorder: Recorder, settled: Settled
) -> None:
    if site.cluster.audit_log is None:
        pytest.skip("needs the API server's audit log")
    leader = replicas("leader").wait_until_leading()
    furnish(given, settled)
    watched = Watched(site.audit_size, partial(written, site, given), partial(versions, given))

    _, before = watched.rests()

    leader.stop()
    site.free_lease()
    replicas("second").wait_until_leading()
    given.queue("new")
    eventually(lambda: given.condition("new", "Ready")["status"] == "True")
    watched.until_quiet()
    now = versions(given)
    del now[given.full("new")]
    assert {name for name in before if now[name] != before[name]} == set()


def test_killed_again_and_again(
    given: User, site: Site, replicas: Replicas, recorder: Recorder, settled: Settled
) -> None:
    """Three queues contend for two environments; the witness adds up what is requested at every revision."""
    rng = random.Random(4)
    leader = replicas("replica-0").wait_until_leading()
    given.environment("first", capacity={"cpu": "6", "memory": "12Gi"})
    ref = deployment(given, "nodes", 1)
    given.environment("cloud", instanceShape={"cpu": "4"}, scaling={"targetRef": ref, "min": 1, "max": 2})
    given.policy("fair", shareDecaySeconds=30, shares=[{"identifier": "a", "weightFactor": 0.5}])
    both = given.using("first", "cloud")
    given.queue("block", computeEnvironments=both, priority=9)
    given.queue("backfill", computeEnvironments=both, headOfLine="Backfill", runConcurrency=9)
    given.queue("shares", computeEnvironments=both, schedulingPolicy=given.full("fair"), actionConcurrency=8)
    queues = ("block", "backfill", "shares")
    for queue in queues:
        given.accepts(queue)
    count = 0
    for part in range(2):
        for queue in queues:
            for cpu, deadline in (("500m", 300), ("2", 600), ("3", None)):
                options = {} if deadline is None else {"activeDeadlineSeconds": deadline}
                share = {SHARE: rng.choice("ab")} if queue == "shares" else {}
                prefix = f"{queue}-{part}-{cpu}".lower()
                given.jobs(6, queue, prefix=prefix, requests={"cpu": cpu, "memory": "256Mi"}, seconds=0.3,
                           labels=share, **options)  # fmt: skip
                count += 6
        given.job(f"after-{part}", "block", seconds=0.1, requests=CORE,
                  annotations={"headgate.dev/depends-on": f"backfill-{part}-2-0003"})  # fmt: skip
        count += 1

    for kill in range(KILLS):
        time.sleep(rng.uniform(0.3, 1.2))
        leader.kill()
        site.free_lease()
        leader = replicas(f"replica-{kill + 1}").wait_until_leading()

    def finished() -> bool:
        left = {queue: given.status(queue)["depth"]["current"] for queue in queues}
        assert not any(left.values()), left
        return True

    eventually(finished, within=900, every=0.5)
    for queue in queues:
        settled(given.full(queue))
    assert [outcome(body) for body in given.all_jobs()] == ["succeeded"] * count
    assert peaks(recorder.record(), given.full("shares"))[0] <= 8
    for environment in ("first", "cloud"):
        assert given.environment_status(environment)["requested"] == {}
