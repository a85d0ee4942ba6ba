"""What Jobs request, counted without any of Headgate's code, as the kube-scheduler would.

Amounts are exact fractions of the resource's unit.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json = dict[str, Any]
Amounts = dict[str, Fraction]

_BINARY = {f"{prefix}i": 2 ** (10 * power) for power, prefix in enumerate("KMGTPE", 1)}
_DECIMAL: dict[str, int | Fraction] = {
    **{prefix: 10 ** (3 * power) for power, prefix in enumerate("kMGTPE", 1)},
    **{prefix: Fraction(1, 10 ** (3 * power)) for power, prefix in enumerate("mun", 1)},
}


def quantity(text: str | int) -> Fraction:
    """Return what a Kubernetes quantity comes to."""
    text = str(text)
    for suffix, factor in (*_BINARY.items(), *_DECIMAL.items()):
        if text.endswith(suffix):
            return Fraction(Fraction(text[: -len(suffix)]) * factor)
    return Fraction(text)


def amounts(listed: Mapping[str, str | int] | None) -> Amounts:
    """Return a resource list without what is zero."""
    parsed = {name: quantity(text) for name, text in (listed or {}).items()}
    return {name: amount for name, amount in parsed.items() if amount}


def total(many: Iterable[Mapping[str, Fraction]]) -> Amounts:
    """Return the sum."""
    summed: Amounts = defaultdict(Fraction)
    for one in many:
        for name, amount in one.items():
            summed[name] += amount
    return {name: amount for name, amount in summed.items() if amount}


def of_pod(spec: Json) -> Amounts:
    """Return what a pod of this spec requests."""
    sidecars: list[Amounts] = []
    peaks: list[Amounts] = []
    for container in spec.get("initContainers") or ():
        requested = _of(container)
        if container.get("restartPolicy") == "Always":
            sidecars.append(requested)
            peaks.append(total(sidecars))
        else:
            peaks.append(total([*sidecars, requested]))
    running = total([*map(_of, spec["containers"]), *sidecars])
    names = {name for peak in [running, *peaks] for name in peak}
    needed = {name: max(one.get(name, Fraction(0)) for one in [running, *peaks]) for name in names}
    needed.update(_of(spec))
    return total([needed, amounts(spec.get("overhead"))])


def of_job(body: Json) -> Amounts:
    """Return what the pods request together that a Job may have at once; `pods` counts them."""
    spec, status = body["spec"], body.get("status") or {}
    pods = spec.get("parallelism", 1)
    if spec.get("completions") is not None:
        pods = min(pods, max(spec["completions"] - (status.get("succeeded") or 0), 0))
    each = {**of_pod(spec["template"]["spec"]), "pods": Fraction(1)}
    return {name: amount * pods for name, amount in each.items() if amount * pods}


def _of(container: Json) -> Amounts:
    resources = container.get("resources") or {}
    return {**amounts(resources.get("limits")), **amounts(resources.get("requests"))}
