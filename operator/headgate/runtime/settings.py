"""How the operator is told what to do: by flags, or by the environment in a Pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.runtime.leader import Timing
    from headgate.telemetry.logs import LogFormat


@dataclass(frozen=True)
class Settings:
    """The settings of one operator process. `headgate-operator --help` says what each means."""

    lease_name: str
    lease_namespace: str
    identity: str
    timing: Timing
    kubeconfig: str | None
    context: str | None
    metrics_host: str
    metrics_port: int
    policy_prefix: str | None
    create_defaults: bool
    member_probe_seconds: float
    trust_kubeconfigs: bool
    log_level: str
    log_format: LogFormat
