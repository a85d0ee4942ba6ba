"""An operator that is not ready says why, and what it says in its logs can be read by machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.harness.client import User, eventually
from tests.cluster.harness.cluster import OPERATOR_USER, RELEASE, VALIDATING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess

CLUSTER_ROLE = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{RELEASE}"


def test_what_is_not_ready_is_named_and_refusals_are_told(
    given: User, site: Site, replicas: Callable[..., OperatorProcess]
) -> None:
    """Without the right to bind policies and to patch Jobs: not ready, and every error is counted and told."""
    role = site.admin.get(CLUSTER_ROLE)
    lesser = [rule for rule in role["rules"] if rule["apiGroups"] != ["admissionregistration.k8s.io"]]
    lesser = [
        {**rule, "verbs": ["get", "list", "watch"]} if rule["resources"] == ["jobs"] else rule
        for rule in lesser
    ]
    assert len(lesser) < len(role["rules"])
    site.admin.patch(CLUSTER_ROLE, {"rules": lesser})
    try:
        eventually(lambda: not site.may(OPERATOR_USER, verb="patch", group="batch", resource="jobs"))
        poor = replicas("poor")

        def named() -> bool:
            status, text = poor.fetch("/readyz")
            return status == 503 and "[-]bindings: not in order yet" in text and "[+]jobs ok" in text

        eventually(named)
        assert poor.fetch("/healthz")[0] == 200
        given.queue("line")
        given.job("refused", "line", seconds=0.1)
        (event,) = eventually(lambda: given.events_on("refused", reason="Refused"))
        assert "forbidden" in event["note"]
        for verb in ("patch", "binding"):
            eventually(lambda verb=verb: poor.metric("headgate_api_errors_total", verb=verb, status="403"))  # type: ignore[misc]
    finally:
        site.admin.patch(CLUSTER_ROLE, {"rules": role["rules"]})

    given.succeeded("line", 1)
    poor.wait_until_leading()


def test_a_queue_whose_bindings_are_refused_stops_no_other(
    given: User, site: Site, replicas: Callable[..., OperatorProcess]
) -> None:
    role = site.admin.get(CLUSTER_ROLE)
    rules = [rule for rule in role["rules"] if rule["apiGroups"] != ["admissionregistration.k8s.io"]]
    (rule,) = [rule for rule in role["rules"] if rule not in rules]
    good = [f"{RELEASE}-{policy}-{given.full('good')}" for policy in ("job-intake", "job-proxy", "job-pool")]
    rules.append({**rule, "verbs": ["get", "list", "watch"]})
    rules.append({**rule, "verbs": ["create", "patch"], "resourceNames": good})
    bad = {
        "group": "admissionregistration.k8s.io",
        "resource": "validatingadmissionpolicybindings",
        "name": "bad",
    }
    site.admin.patch(CLUSTER_ROLE, {"rules": rules})
    try:
        eventually(lambda: not site.may(OPERATOR_USER, verb="patch", **bad))
        for queue in ("bad", "good"):
            given.queue(queue)
        operator = replicas("operator").wait_until_leading()

        (event,) = eventually(lambda: given.events_on(given.full("bad"), reason="BindingsRefused"))
        assert "forbidden" in event["note"]
        status, text = operator.fetch("/readyz")
        assert (status, "[!]bindings: refused for " in text) == (200, True), text
        assert not given.events_on(given.full("good"), reason="BindingsRefused")
        assert site.admin.get(f"{VALIDATING}/{good[0]}")
        for queue in ("bad", "good"):
            given.job(f"in-{queue}", queue, seconds=0.1)
            given.succeeded(queue, 1)
    finally:
        site.admin.patch(CLUSTER_ROLE, {"rules": role["rules"]})

    eventually(lambda: site.admin.get(f"{VALIDATING}/{RELEASE}-job-intake-{given.full('bad')}"))
    eventually(lambda: "[+]bindings ok" in operator.fetch("/readyz")[1])


@pytest.mark.usefixtures("recorder")
def test_logs_are_one_json_object_a_line(given: User, site: Site, tmp_path: Path) -> None:
    site.free_lease()
    process = site.operator(tmp_path, "json", log_format="json").start()
    try:
        process.wait_until_leading()
        given.queue("line", dispatch={"paused": True})
        given.job("one", "line")
        given.until_waiting("line", 1)
        eventually(lambda: "Paused" in process.log.read_text())
    finally:
        assert process.stop() == 0

    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert lines
    for line in lines:
        assert {"time", "level", "logger", "message"} <= line.keys()
    assert any(line["message"].startswith("leading, term") for line in lines)
