"""Room, slow and obviously right: every answer is a sum over all who are there.

Nothing is kept between two questions. A room is one environment in one cluster, as it is at the moment of the question.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.api.computeenvironment import ComputeEnvironmentSpec
    from headgate.api.requests import Request

Place = tuple[str, str]
"""Environment and cluster."""
Resources = dict[str, int]
"""Billionths by resource."""


@dataclass(frozen=True)
class Tenant:
    """An active Job in a room."""

    queue: str
    demand: Resources
    ends: float
    """When its deadline is; infinite if it has none."""


@dataclass(frozen=True)
class Room:
    """What there is in a room, what there can ever be, and who is there."""

    place: Place
    capacity: Resources
    potential: Resources
    shape: Resources
    tenants: Sequence[Tenant]

    def used(self, resource: str, *, queue: str | None = None, after: float = -inf) -> int:
        """What is used of a resource, by all or by one queue, once those have gone whose end is not after a time."""
        return sum(
            tenant.demand.get(resource, 0)
            for tenant in self.tenants
            if queue in (None, tenant.queue) and (tenant.ends > after or tenant.ends == inf)
        )

    def fits(
        self,
        queue: str,
        demand: Resources,
        kept: Fraction = Fraction(0),
        *,
        after: float = -inf,
        beside: Resources | None = None,
    ) -> bool:
        """Whether it fits after a time, and beside another Job of the queue if one is given."""
        for resource, amount in demand.items():
            capacity = self.capacity.get(resource)
            if capacity is None or not amount:
                continue
            more = amount + (beside or {}).get(resource, 0)
            if self.used(resource, after=after) + more > capacity:
                return False
            if kept and self.used(resource, queue=queue, after=after) + more > capacity - capacity * kept:
                return False
        return True

    def holds(self, request: Request, kept: Fraction = Fraction(0)) -> bool:
        """Whether it could ever hold the Job, if it were empty and scaled up, and each pod a machine."""
        total, pod = dict(request.total), dict(request.pod)
        return all(
            amount <= self.potential[resource] - self.potential[resource] * kept
            for resource, amount in total.items()
            if resource in self.potential
        ) and all(pod.get(resource, 0) <= size for resource, size in self.shape.items())

    def earliest(self, queue: str, demand: Resources, kept: Fraction = Fraction(0)) -> float:
        """When it fits at the latest, if all who are there end by their deadlines; -inf now, inf never."""
        moments = {-inf} | {tenant.ends for tenant in self.tenants if tenant.ends < inf}
        return min(
            (moment for moment in moments if self.fits(queue, demand, kept, after=moment)), default=inf
        )


def capacities(spec: ComputeEnvironmentSpec, ready: int | None) -> tuple[Resources, Resources]:
    """What an environment has now in each cluster, and what it can ever have; `ready` machines are there."""
    named = dict(spec.capacity_amounts)
    if spec.scaling is None:
        return named, named
    now, ever = dict(named), dict(named)
    for resource, size in spec.shape_amounts:
        now[resource] = min(size * min(ready or 0, spec.scaling.max), named.get(resource, size * 2**62))
        ever[resource] = min(size * spec.scaling.max, named.get(resource, size * 2**62))
    return now, ever


def contradicts(template: Mapping[str, Any], selector: Mapping[str, str]) -> bool:
    """Whether a pod template rules out all nodes with these labels."""
    own = template.get("nodeSelector") or {}
    if any(own.get(key, value) != value for key, value in selector.items()):
        return True
    required = (
        ((template.get("affinity") or {}).get("nodeAffinity") or {})
        .get("requiredDuringSchedulingIgnoredDuringExecution", {})
        .get("nodeSelectorTerms")
    )
    if not selector or required is None:
        return False
    return all(
        any(
            expression["key"] in selector and not _allows(expression, selector[expression["key"]])
            for expression in term["matchExpressions"]
        )
        for term in required
    )


def _allows(expression: Mapping[str, Any], value: str) -> bool:
    values = expression.get("values", [])
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": True,
        "DoesNotExist": False,
        "Gt": value.isdecimal() and bool(values) and int(value) > int(values[0]),
        "Lt": value.isdecimal() and bool(values) and int(value) < int(values[0]),
    }[expression["operator"]]
