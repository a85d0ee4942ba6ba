"""How long what a person is told may become: whoever submits a Job decides what is in it, not how much."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

MESSAGE_MAX: Final = 1024
"""What Kubernetes takes in an event, and a status outside of its conditions."""
CONDITION_MESSAGE_MAX: Final = 32_768
NAMES_SHOWN: Final = 5


def shortened(message: str, most: int = MESSAGE_MAX) -> str:
    """Return a message, cut where it is too long."""
    return message if len(message) <= most else f"{message[: most - 3]}..."


def enumerated(names: Collection[str], separator: str = ", ", *, most: int = NAMES_SHOWN) -> str:
    """Return the first of these names, and how many more there are."""
    shown = separator.join(islice(names, most))
    more = len(names) - most
    return f"{shown} and {more} more" if more > 0 else shown
