"""What the status of a compute environment and of a scheduling policy should say, computed whole as in `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.api.computeenvironment import (
    RESOURCES_LISTED_MAX,
    ComputeEnvironmentStatus,
    EnvironmentCluster,
    ScalingStatus,
)
from headgate.api.quantity import format_quantity
from headgate.api.schedulingpolicy import SchedulingPolicyStatus
from headgate.engine.environments import added
from headgate.engine.status import conditions_of, health_aspects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.api.meta import ClusterState
    from headgate.engine.environments import Environment
    from headgate.engine.policies import Policy
    from headgate.engine.room import Room


def environment_status(environment: Environment, queues: int, now: str) -> ComputeEnvironmentStatus:
    """Return the status of an environment that has a ComputeEnvironment.

    `queues` is how many queues name it; `now` is an RFC 3339 time.
    """
    assert environment.resource is not None
    resource = environment.resource
    rooms, limit = environment.shown_rooms(), environment.limit
    problem = environment.problem
    stall = problem or _scale_problem(environment)
    clusters = [
        EnvironmentCluster(
            name=room.cluster,
            active=room.active,
            requested=_listed(room.used, room.limit),
            free=_listed(_free(room), room.limit),
        )
        for room in rooms
    ]
    generation = resource.metadata.generation
    state = "disabled: it takes no new Jobs" if resource.spec.state == "Disabled" else "it takes Jobs"
    aspects = health_aspects(stall, "Valid" if resource.spec.state == "Enabled" else "Disabled", state)
    return ComputeEnvironmentStatus(
        state="Invalid" if problem else "Valid",
        requested=_listed(environment.used, limit),
        capacity=_listed(limit, limit),
        free=_listed(added(_free(room) for room in rooms), limit),
        active=environment.active,
        clusters=clusters,
        scaling=_scaling(environment),
        queues=queues,
        observed_generation=generation,
        conditions=conditions_of(resource.status.conditions, aspects, generation, now),
    )


def policy_status(policy: Policy, now: str) -> SchedulingPolicyStatus:
    """Return the status of a policy that has a SchedulingPolicy; `now` is an RFC 3339 time."""
    assert policy.resource is not None
    generation = policy.resource.metadata.generation
    problem = ("InvalidSpec", policy.broken) if policy.broken else None
    aspects = health_aspects(problem, "Valid", "queues can use it")
    return SchedulingPolicyStatus(
        queues=len(policy.queues),
        observed_generation=generation,
        conditions=conditions_of(policy.resource.status.conditions, aspects, generation, now),
    )


def _scaling(environment: Environment) -> ScalingStatus | None:
    assert environment.resource is not None
    if environment.resource.spec.scaling is None:
        return None
    reading = environment.reading
    replicas, ready = (reading.replicas, reading.ready) if reading else (0, 0)
    wanted = environment.wanted if environment.wanted is not None else replicas
    return ScalingStatus(
        state=_scaling_state(environment),
        replicas=replicas,
        ready_replicas=ready,
        wanted=wanted,
        message=environment.unreadable,
    )


def _scaling_state(environment: Environment) -> ClusterState:
    if environment.reading is None or environment.unreadable:
        return "Unknown"
    if not environment.is_as_wanted:
        return "Pending"
    return "Running" if environment.reading.replicas else "Terminated"


def _scale_problem(environment: Environment) -> tuple[str, str] | None:
    assert environment.resource is not None
    if environment.resource.spec.scaling is None or environment.unreadable is None:
        return None
    reason = "ScaleTargetNotFound" if environment.target_missing else "ScaleTargetUnreadable"
    return reason, environment.unreadable


def _free(room: Room) -> dict[str, int]:
    return {name: free for name in room.limit if (free := room.free(name)) is not None}


def _listed(amounts: Mapping[str, int], limited: Mapping[str, int]) -> dict[str, str]:
    """Return amounts as a status shows them: no more than it holds, those that are limited first."""
    names = sorted(amounts, key=lambda name: (name not in limited, name))[:RESOURCES_LISTED_MAX]
    return {name: format_quantity(name, amounts[name]) for name in sorted(names)}
