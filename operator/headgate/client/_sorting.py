"""``sort``: read the same way by every list, and the fields that all objects have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")

Json = dict[str, Any]
Key = str | float | None
Fields = Mapping[str, Callable[[T], Key]]
"""What a list can be sorted by, each with where it is found; None where an object lacks it."""

METADATA: Final[Fields[Json]] = {
    "id": lambda raw: str(raw["metadata"]["uid"]),
    "name": lambda raw: str(raw["metadata"]["name"]),
    "created": lambda raw: str(raw["metadata"]["creationTimestamp"]),
}


def directives(sort: str | Sequence[str], fields: Fields[T]) -> list[tuple[Callable[[T], Key], bool]]:
    """Return the keys to sort by, the first first, each with whether it descends; raises ValueError."""
    result = []
    for directive in [sort] if isinstance(sort, str) else sort:
        field, colon, direction = directive.partition(":")
        if field not in fields or (colon and direction not in ("asc", "desc")):
            raise ValueError(
                f"sort: {directive!r} is not FIELD, FIELD:asc or FIELD:desc with FIELD one of {', '.join(fields)}"
            )
        result.append((fields[field], direction == "desc"))
    return result


def in_order(items: Iterable[T], sort: str | Sequence[str], fields: Fields[T]) -> list[T]:
    """Return items in the order asked for, those that lack a field last; ties stay as they are."""
    result = list(items)
    for key, descending in reversed(directives(sort, fields)):
        there = [item for item in result if key(item) is not None]
        there.sort(key=key, reverse=descending)  # type: ignore[arg-type]
        result = there + [item for item in result if key(item) is None]
    return result
