"""SchedulingPolicies."""

from __future__ import annotations

from typing import Final

from headgate.api.schedulingpolicy import KIND, SchedulingPolicy
from headgate.controllers.kind import Kind
from headgate.engine.environment_status import policy_status
from headgate.engine.notices import policy_notices

SCHEDULINGPOLICIES: Final = Kind(
    model=SchedulingPolicy,
    plural=KIND.plural,
    records=lambda engine: engine.policies,
    changed=lambda engine, resource, now: engine.scheduling_policy_changed(resource, now),
    gone=lambda engine, name, now: engine.scheduling_policy_gone(name, now),
    broken=lambda engine, name, message: engine.scheduling_policy_broken(name, message),
    dirty=lambda engine: engine.dirty_policies,
    status=lambda engine, name, now: policy_status(engine.policies[name], now),
    notices=policy_notices,
)
