"""Amounts of resources, exact: what Kubernetes calls a quantity, as an integer in billionths of its unit.

A billionth is the finest that Kubernetes itself keeps, so nothing is lost by it, and sums and comparisons are
those of integers: 0.1 and 0.2 cores are 0.3 cores. The Python client has a parser too, but it reads "0x1" and
"NaN" in its own way and computes with decimals of 28 digits, so it is not used here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import PlainValidator, WithJsonSchema

from headgate.api.schema import RULES, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

Amounts = tuple[tuple[str, int], ...]
"""Resource names with their billionths, sorted by name; what is zero is left out."""

UNIT: Final = 10**9
QUANTITY_MAX: Final = (2**63 - 1) * UNIT
"""Kubernetes counts no higher; a larger number is taken for this one."""

QUANTITY_LENGTH_MAX: Final = 64

_QUANTITY = re.compile(
    r"\+?(?:(?P<whole>[0-9]+)(?:\.(?P<part>[0-9]*))?|\.(?P<only>[0-9]+))"
    r"(?:(?P<binary>[KMGTPE])i|(?P<decimal>[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,18}))?"
)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}

# How Kubernetes writes amounts of bytes; everything else it writes in powers of ten.
_BYTES: Final = frozenset({"memory", "storage", "ephemeral-storage"})
_HUGE_PAGES: Final = "hugepages-"

QUANTITY_MESSAGE: Final = "must be a quantity of at least 0, such as 2, 500m or 16Gi"
SIZE_MESSAGE: Final = "must be a quantity above 0, such as 2, 500m or 16Gi"


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> int:
    """Return a quantity in billionths; what is finer than one is rounded up, as Kubernetes does.

    Raises ValueError for what is no quantity, or is negative.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(QUANTITY_MESSAGE)
    whole, part = found["whole"] or "", found["part"] or found["only"] or ""
    exponent = _DECIMAL[found["decimal"]] if found["decimal"] else 0
    if found["exponent"]:
        # Beyond this the digits that are there make no difference: the number is the largest, or the least.
        bound = len(text) + 60
        exponent = max(-bound, min(bound, int(found["exponent"])))
    digits = int(whole + part) << (_BINARY[found["binary"]] if found["binary"] else 0)
    power = exponent - len(part) + 9
    billionths: int = digits * 10**power if power >= 0 else -(-digits // 10**-power)
    return billionths if billionths < QUANTITY_MAX else QUANTITY_MAX


def format_quantity(name: str, billionths: int) -> str:
    """Return the amount of the resource `name` as Kubernetes writes it: 1500m cores, 64Gi of memory.

    It is exact: where a suffix would round, a smaller one is used.
    """
    if billionths < 0:
        return f"-{format_quantity(name, -billionths)}"
    if _in_bytes(name) and billionths >= 1024 * UNIT and billionths % UNIT == 0:
        return _binary(billionths // UNIT)
    if billionths == 0:
        return "0"
    suffixes = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
    step = 0
    while billionths % 1000 == 0 and step < len(suffixes) - 1:
        billionths //= 1000
        step += 1
    return f"{billionths}{suffixes[step]}"


def parse_amounts(quantities: Mapping[str, str]) -> Amounts:
    """Return a resource list as amounts; raises ValueError, which names the resource."""
    return amounts_of({name: _parse(name, text) for name, text in quantities.items()})


def amounts_of(billionths: Mapping[str, int]) -> Amounts:
    """Return the amounts of a plain mapping."""
    return tuple(sorted((name, amount) for name, amount in billionths.items() if amount))


def _parse(name: str, text: str) -> int:
    try:
        return parse_quantity(text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _in_bytes(name: str) -> bool:
    return name in _BYTES or name.startswith(_HUGE_PAGES)


def _binary(number: int) -> str:
    suffixes = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
    step = 0
    while number % 1024 == 0 and step < len(suffixes) - 1:
        number //= 1024
        step += 1
    return f"{number}{suffixes[step]}"


def _quantity(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(QUANTITY_MESSAGE)
    parse_quantity(str(value))
    return str(value)


def _size(value: Any) -> str:
    try:
        text = _quantity(value)
    except ValueError:
        raise ValueError(SIZE_MESSAGE) from None
    if not parse_quantity(text):
        raise ValueError(SIZE_MESSAGE)
    return text


def _schema(rule: Rule) -> WithJsonSchema:
    return WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "maxLength": QUANTITY_LENGTH_MAX, RULES: [rule.to_dict()]}
    )


Quantity = Annotated[
    str,
    PlainValidator(_quantity),
    _schema(
        Rule(
            "type(self) == int ? self >= 0 : isQuantity(self) && !quantity(self).isLessThan(quantity('0'))",
            QUANTITY_MESSAGE,
        )
    ),
]
"""A quantity in a spec: a number, or text as in Kubernetes' own resources. It is kept as text."""

Size = Annotated[
    str,
    PlainValidator(_size),
    _schema(
        Rule(
            "type(self) == int ? self > 0 : isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
            SIZE_MESSAGE,
        )
    ),
]
"""A quantity that is not nothing."""
