"""What the pods of a Job ask for, computed as the kube-scheduler will once they exist.

A pod asks for the sum of its containers and of its sidecars (init containers that restart always). Before
those run, init containers run one by one, each beside the sidecars that were started before it: where one of
these moments needs more, it counts. Requests of the pod as a whole replace the sum for the resources that
they name, and the overhead of the runtime comes on top. Where a container has a limit and no request, the
limit is its request: the API server does that to pods only, so it is not yet seen on a Job.

What is added to a pod as it is created cannot be seen here: the defaults of a LimitRange, and the overhead of
a RuntimeClass that the template does not repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from headgate.api.job import ContractError
from headgate.api.meta import shorten
from headgate.api.quantity import QUANTITY_MESSAGE, UNIT, Amounts, amounts_of, parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PODS: Final = "pods"
"""Every pod counts as one of this resource: a capacity can name it."""

_POD_LEVEL: Final = frozenset({"cpu", "memory"})
_HUGE_PAGES: Final = "hugepages-"
_TEMPLATE: Final = "spec.template.spec"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Request:
    """What a Job asks for. Requests are made by `request_of` only, so that equal ones are the same object."""

    pod: Amounts
    """What one pod asks for, with "pods" as one."""
    pods: int
    """How many pods may run at the same time."""
    total: Amounts
    """What they ask for together."""


_KNOWN: WeakValueDictionary[tuple[Amounts, int], Request] = WeakValueDictionary()


def _request(pod: Amounts, pods: int) -> Request:
    known = _KNOWN.get((pod, pods))
    if known is None:
        total = tuple((name, amount * pods) for name, amount in pod) if pods else ()
        known = _KNOWN[pod, pods] = Request(pod, pods, total)
    return known


NOTHING: Final = _request((), 0)
"""The request of a Job that has none, because it cannot be read."""


def request_of(job: Mapping[str, Any]) -> Request:
    """Return what a Job asks for; raises `ContractError` for a quantity that is none."""
    spec = job.get("spec") or {}
    template = (spec.get("template") or {}).get("spec") or {}
    pod = _of_containers(template)
    if resources := template.get("resources"):
        _of_the_pod(resources, pod)
    if overhead := template.get("overhead"):
        _add(pod, _read(overhead, f"{_TEMPLATE}.overhead"))
    pod[PODS] = UNIT
    return _request(amounts_of(pod), _pods(spec, job.get("status") or {}))


def _pods(spec: Mapping[str, Any], status: Mapping[str, Any]) -> int:
    parallelism = spec.get("parallelism")
    parallelism = 1 if parallelism is None else parallelism
    completions = spec.get("completions")
    if completions is None:
        return max(0, int(parallelism))
    left = completions - (status.get("succeeded") or 0)
    return max(0, min(int(parallelism), int(left)))


def _of_containers(template: Mapping[str, Any]) -> dict[str, int]:
    pod: dict[str, int] = {}
    for index, container in enumerate(template.get("containers") or ()):
        _add(pod, _of_container(container, "containers", index))

    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for index, container in enumerate(template.get("initContainers") or ()):
        moment = _of_container(container, "initContainers", index)
        if container.get("restartPolicy") == "Always":
            _add(pod, moment)
            _add(sidecars, moment)
            moment = sidecars
        else:
            _add(moment, sidecars)
        _raise(peak, moment)
    _raise(pod, peak)
    return pod


def _of_container(container: Mapping[str, Any], kind: str, index: int) -> dict[str, int]:
    resources = container.get("resources")
    if not resources:
        return {}
    where = f"{_TEMPLATE}.{kind}[{index}].resources"
    asked = _read(resources.get("requests"), f"{where}.requests")
    if limits := resources.get("limits"):
        missing = {name: text for name, text in limits.items() if name not in asked}
        asked.update(_read(missing, f"{where}.limits"))
    return asked


def _of_the_pod(resources: Mapping[str, Any], pod: dict[str, int]) -> None:
    """Put the requests of the pod as a whole over the sum of its containers.

    A limit of the pod stands in only where no container asks, but for huge pages, of which a limit always is
    the request: they cannot be overcommitted.
    """
    where = f"{_TEMPLATE}.resources"
    asked = _read(_pod_level(resources.get("requests")), f"{where}.requests")
    for name, limit in _read(_pod_level(resources.get("limits")), f"{where}.limits").items():
        if name not in asked and (name not in pod or name.startswith(_HUGE_PAGES)):
            asked[name] = limit
    pod.update(asked)


def _pod_level(quantities: Mapping[str, str] | None) -> dict[str, str]:
    return {
        name: text
        for name, text in (quantities or {}).items()
        if name in _POD_LEVEL or name.startswith(_HUGE_PAGES)
    }


def _read(quantities: Mapping[str, Any] | None, where: str) -> dict[str, int]:
    if not quantities:
        return {}
    try:
        return {name: parse_quantity(text) for name, text in quantities.items()}
    except (TypeError, ValueError):
        raise _wrong(quantities.items(), where) from None


def _wrong(quantities: Iterable[tuple[str, Any]], where: str) -> ContractError:
    for name, text in quantities:
        try:
            parse_quantity(text)
        except (TypeError, ValueError):
            return ContractError(f"{where}[{name!r}]", f"{QUANTITY_MESSAGE}, not {shorten(text)}")
    raise AssertionError(where)


def _add(to: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        to[name] = to.get(name, 0) + amount


def _raise(to: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        if amount > to.get(name, 0):
            to[name] = amount
