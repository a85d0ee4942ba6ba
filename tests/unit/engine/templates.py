"""Pod templates, as their authors wrote them, and what the engine sees of each."""

from __future__ import annotations

from typing import Any

from tests.builders import placed


def _terms(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


ARCH = "kubernetes.io/arch"
SPOT = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}
GPU = {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}

TEMPLATES: tuple[dict[str, Any], ...] = (
    {},
    {"nodeSelector": {"disk": "fast"}, "tolerations": [GPU]},
    {"nodeSelector": {"zone": "z1"}, "tolerations": [SPOT]},
    {"nodeSelector": {ARCH: "arm64"}},
    _terms([{"key": "zone", "operator": "In", "values": ["z2", "z3"]}]),
    _terms([{"key": "zone", "operator": "NotIn", "values": ["z1"]}], [{"key": "rank", "operator": "Exists"}]),
    _terms([{"key": ARCH, "operator": "DoesNotExist"}]),
    _terms([{"key": "rank", "operator": "Gt", "values": ["3"]}]),
)

CONSTRAINTS = tuple(placed(template) if template else placed() for template in TEMPLATES)
TEMPLATE_OF = dict(zip(CONSTRAINTS, TEMPLATES, strict=True))
