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
from functools import lru_cache
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

# A template's quantities as they stand in its JSON, in a form that can be hashed.
_Items = tuple[tuple[str, str], ...]
_Resources = tuple[_Items, _Items]  # requests, limits
_Container = tuple[_Resources, bool]  # whether it is a sidecar
_NO_RESOURCES: Final[_Resources] = ((), ())


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
    pod = _pod(
        tuple(_container(container) for container in template.get("containers") or ()),
        tuple(_container(container) for container in template.get("initContainers") or ()),
        _resources(template.get("resources")),
        _items(template.get("overhead")),
    )
    return _request(pod, _pods(spec, job.get("status") or {}))


def _container(container: Mapping[str, Any]) -> _Container:
    return _resources(container.get("resources")), container.get("restartPolicy") == "Always"


def _resources(resources: Mapping[str, Any] | None) -> _Resources:
    if not resources:
        return _NO_RESOURCES
    return _items(resources.get("requests")), _items(resources.get("limits"))


def _items(quantities: Mapping[str, str] | None) -> _Items:
    return tuple(quantities.items()) if quantities else ()


def _pods(spec: Mapping[str, Any], status: Mapping[str, Any]) -> int:
    parallelism = spec.get("parallelism")
    parallelism = 1 if parallelism is None else parallelism
    completions = spec.get("completions")
    if completions is None:
        return max(0, int(parallelism))
    left = completions - (status.get("succeeded") or 0)
    return max(0, min(int(parallelism), int(left)))


@lru_cache(maxsize=4096)
def _pod(
    containers: tuple[_Container, ...],
    init_containers: tuple[_Container, ...],
    of_the_pod: _Resources,
    overhead: _Items,
) -> Amounts:
    """Return what one pod asks for. Few templates differ in this, so each is computed once."""
    pod: dict[str, int] = {}
    for index, (resources, _) in enumerate(containers):
        _add(pod, _asked(resources, f"{_TEMPLATE}.containers[{index}].resources"))

    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for index, (resources, is_sidecar) in enumerate(init_containers):
        moment = _asked(resources, f"{_TEMPLATE}.initContainers[{index}].resources")
        if is_sidecar:
            _add(pod, moment)
            _add(sidecars, moment)
            moment = sidecars
        else:
            _add(moment, sidecars)
        _raise(peak, moment)
    _raise(pod, peak)

    pod.update(_asked_of_the_pod(of_the_pod, pod))
    _add(pod, _read(overhead, f"{_TEMPLATE}.overhead"))
    pod[PODS] = UNIT
    return amounts_of(pod)


def _asked(resources: _Resources, where: str) -> dict[str, int]:
    requests, limits = resources
    return _read(limits, f"{where}.limits") | _read(requests, f"{where}.requests")


def _asked_of_the_pod(resources: _Resources, pod: Mapping[str, int]) -> dict[str, int]:
    """Return what is asked for the pod as a whole, which replaces the sum of its containers.

    A limit of the pod stands in only where no container asks, but for huge pages, of which a limit always is
    the request: they cannot be overcommitted.
    """
    where = f"{_TEMPLATE}.resources"
    requests, limits = ([item for item in items if _is_pod_level(item[0])] for items in resources)
    asked = _read(requests, f"{where}.requests")
    for name, limit in _read(limits, f"{where}.limits").items():
        if name not in asked and (name not in pod or name.startswith(_HUGE_PAGES)):
            asked[name] = limit
    return asked


def _is_pod_level(name: str) -> bool:
    return name in _POD_LEVEL or name.startswith(_HUGE_PAGES)


def _read(quantities: Iterable[tuple[str, str]], where: str) -> dict[str, int]:
    amounts = {}
    for name, text in quantities:
        try:
            amounts[name] = parse_quantity(text)
        except (TypeError, ValueError):
            message = f"{QUANTITY_MESSAGE}, not {shorten(text)}"
            raise ContractError(f"{where}[{name!r}]", message) from None
    return amounts


def _add(to: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        to[name] = to.get(name, 0) + amount


def _raise(to: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        if name not in to or amount > to[name]:
            to[name] = amount
