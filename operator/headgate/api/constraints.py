"""Where a Job's pods may go, as its author wrote it: node selector, tolerations, required node affinity.

A compute environment adds to these when it admits the Job. What the author wrote is always kept, so a Job
whose words contradict the environment's does not go there: it would match no node at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Fields = tuple[tuple[str, Any], ...]
"""A flat JSON object that can be hashed: its members, sorted by name."""

_TEMPLATE: Final = "spec.template.spec"
_AFFINITY: Final = (
    f"{_TEMPLATE}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
)
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


class Expression(NamedTuple):
    """What a term demands of one label of a node."""

    key: str
    """The label; empty for a field of the node, such as its name, which no environment sets."""
    operator: str
    values: tuple[str, ...]

    def allows(self, value: str) -> bool:
        """Whether a node with this value of the label is what the expression asks for."""
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "DoesNotExist":
                return False
            case "Gt" | "Lt":
                return self._compares(value)
            case _:
                return True

    def _compares(self, value: str) -> bool:
        """As the kube-scheduler: a label that is no integer is never greater or less."""
        if len(self.values) != 1 or not (_INTEGER.fullmatch(value) and _INTEGER.fullmatch(self.values[0])):
            return False
        number, bound = int(value), int(self.values[0])
        return number > bound if self.operator == "Gt" else number < bound

    def __str__(self) -> str:
        """Say it in words."""
        values = ", ".join(repr(value) for value in self.values)
        return f"{self.key!r} {self.operator} {values}".rstrip()


Term = tuple[Expression, ...]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Constraints:
    """What a Job's template says. Made by `constraints_of` only, so that equal ones are the same object."""

    node_selector: tuple[tuple[str, str], ...]
    tolerations: tuple[Fields, ...]
    affinity: tuple[Term, ...] | None
    """The terms of the required node affinity, of which one must hold; None where there is none."""

    def contradicts(self, selector: Mapping[str, str]) -> str | None:
        """Return why no node with these labels is right for the Job's pods, or None if one can be.

        Only the labels in `selector` are known: another one may be there with any value, or be missing.
        """
        if not selector:
            return None
        for key, value in self.node_selector:
            there = selector.get(key, value)
            if there != value:
                return (
                    f"{_TEMPLATE}.nodeSelector[{key!r}] is {value!r}, and the nodes there have {there!r}: "
                    f"remove it, or set {there!r}"
                )
        if self.affinity is None:
            return None
        reasons = []
        for index, term in enumerate(self.affinity):
            reason = _contradiction(index, term, selector)
            if reason is None:
                return None
            reasons.append(reason)
        return reasons[0] if reasons else f"{_AFFINITY} is empty, which matches no node"

    def with_environment(
        self, selector: Mapping[str, str], tolerations: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, str], list[dict[str, Any]]]:
        """Return the node selector and the tolerations of a Job that an environment admits.

        What the author wrote comes first and stays as it is; of the environment's tolerations those are added
        that say something new.
        """
        merged = [dict(toleration) for toleration in self.tolerations]
        there = {_meaning(toleration) for toleration in merged}
        for toleration in tolerations:
            if (meaning := _meaning(toleration)) not in there:
                there.add(meaning)
                merged.append(dict(toleration))
        return {**selector, **dict(self.node_selector)}, merged


_KNOWN: WeakValueDictionary[tuple[Any, ...], Constraints] = WeakValueDictionary()


def _constraints(
    node_selector: tuple[tuple[str, str], ...],
    tolerations: tuple[Fields, ...],
    affinity: tuple[Term, ...] | None,
) -> Constraints:
    content = (node_selector, tolerations, affinity)
    known = _KNOWN.get(content)
    if known is None:
        known = _KNOWN[content] = Constraints(node_selector, tolerations, affinity)
    return known


FREE: Final = _constraints((), (), None)
"""Of a Job that goes anywhere."""


def constraints_of(job: Mapping[str, Any]) -> Constraints:
    """Return what a Job's template says about nodes."""
    template = ((job.get("spec") or {}).get("template") or {}).get("spec") or {}
    selector, tolerations = template.get("nodeSelector"), template.get("tolerations")
    affinity = template.get("affinity")
    if not (selector or tolerations or affinity):
        return FREE
    node_affinity = (affinity or {}).get("nodeAffinity") or {}
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return _constraints(
        tuple(sorted((selector or {}).items())),
        tuple(_fields(toleration) for toleration in tolerations or ()),
        tuple(_term(term) for term in required.get("nodeSelectorTerms") or ()) if required else None,
    )


def _fields(toleration: Mapping[str, Any]) -> Fields:
    return tuple(sorted(toleration.items()))


def _term(term: Mapping[str, Any]) -> Term:
    return tuple(
        Expression(expression["key"] if of_labels else "", expression["operator"], _values(expression))
        for of_labels, field in ((True, "matchExpressions"), (False, "matchFields"))
        for expression in term.get(field) or ()
    )


def _values(expression: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(expression.get("values") or ())


def _contradiction(index: int, term: Term, selector: Mapping[str, str]) -> str | None:
    if not term:
        return f"{_AFFINITY}[{index}] is empty, which matches no node"
    for expression in term:
        value = selector.get(expression.key)
        if value is not None and not expression.allows(value):
            return f"{_AFFINITY}[{index}] asks for {expression}, and the nodes there have {value!r}"
    return None


def _meaning(toleration: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a toleration says, however it is written: without an operator it is Equal."""
    return (
        toleration.get("key") or "",
        toleration.get("operator") or "Equal",
        toleration.get("value") or "",
        toleration.get("effect") or "",
        toleration.get("tolerationSeconds"),
    )
