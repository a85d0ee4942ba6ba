"""How often a member has answered, says the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.harness.client import eventually

if TYPE_CHECKING:
    from tests.cluster.harness.operator import OperatorProcess


def probes(operator: OperatorProcess, cluster: str) -> float:
    return operator.metric("headgate_cluster_probe_seconds_count", cluster=cluster) or 0.0


def until_probed(operator: OperatorProcess, cluster: str, times: int) -> None:
    """Wait until a cluster has answered so many times from now on."""
    before = probes(operator, cluster)
    eventually(lambda: probes(operator, cluster) >= before + times)
