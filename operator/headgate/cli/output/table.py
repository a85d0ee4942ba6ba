"""Tables as kubectl prints them: no lines, nothing cut, three spaces between columns, whatever the terminal's width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")
GAP: Final = "   "
NONE: Final = "<none>"


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column: its heading, what it says of a row, and whether only ``-o wide`` has it."""

    heading: str
    cell: Callable[[T], object]
    wide: bool = False


class Table(Generic[T]):
    """Rows of one kind. It remembers the widths, so that rows which come later stand under those before."""

    def __init__(self, columns: Sequence[Column[T]], *, wide: bool = False, headings: bool = True) -> None:
        self._columns = [column for column in columns if wide or not column.wide]
        self._widths = [0] * len(self._columns)
        self._headings = headings

    def lines(self, rows: Iterable[T]) -> list[str]:
        """Return the lines for some rows, the headings above them the first time."""
        cells = [[_flat(column.cell(row)) for column in self._columns] for row in rows]
        if self._headings and cells:
            cells.insert(0, [column.heading for column in self._columns])
            self._headings = False
        for line in cells:
            self._widths = [
                max(width, cell_len(cell)) for width, cell in zip(self._widths, line, strict=True)
            ]
        return [self._line(line) for line in cells]

    def _line(self, cells: Sequence[str]) -> str:
        padded = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, self._widths, strict=True)
        )
        return GAP.join(padded).rstrip()


def _flat(cell: object) -> str:
    """Return a cell as one line."""
    if cell is None or cell == "":
        return NONE
    return " ".join(str(cell).split()) if isinstance(cell, str) else str(cell)
