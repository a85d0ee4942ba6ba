"""Keywords that stand in a TypedDict: Python itself checks them only where a type checker is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def check_keywords(given: Iterable[str], known: Collection[str], whose: str) -> None:
    """Raise TypeError for a keyword that does not exist, as a function would for its own."""
    if unknown := sorted(set(given).difference(known)):
        raise TypeError(f"{whose} no {', '.join(unknown)}; there are {', '.join(known)}")
