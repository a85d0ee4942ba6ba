"""The conditions of an object, on its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.cli.output.ages import age
from headgate.cli.output.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.api.meta import Condition

COLUMNS: Final[tuple[Column[Condition], ...]] = (
    Column("TYPE", lambda condition: condition.type),
    Column("STATUS", lambda condition: condition.status),
    Column("AGE", lambda condition: age(condition.last_transition_time)),
    Column("REASON", lambda condition: condition.reason),
    Column("MESSAGE", lambda condition: condition.message),
)


def conditions(all_of_them: Sequence[Condition]) -> list[str]:
    """Return the lines of a table of them."""
    return Table(COLUMNS).lines(all_of_them)
