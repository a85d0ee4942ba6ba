"""An operator that is not ready says why, and what it says in its logs can be read by machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.harness.client import User, eventually
from tests.cluster.harness.cluster import OPERATOR_USER, RELEASE

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
