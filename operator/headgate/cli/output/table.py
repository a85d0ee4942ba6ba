"""Tables as kubectl prints them: no lines, nothing cut, three spaces between columns, whatever the terminal's width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from rich.cells import cell_len

from headgate.cli.output.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")
GAP: Final = "   "
NONE: Final = "<none>"
UNKNOWN: Final = "Unknown"


@dataclass(frozen=True)
class Unreadable:
    """A row for an object that is not as this program knows its kind."""

    name: str
    why: str

    def cells(self, count: int) -> list[str | None]:
        """Return what is known of it: its name, which all tables begin with, and that its state is unknown."""
        return [self.name, UNKNOWN, *[None] * (count - 2)]


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

    def lines(self, rows: Iterable[T | Unreadable]) -> list[str]:
        """Return the lines for some rows, the headings above them the first time."""
        cells = [list(map(_flat, self._cells(row))) for row in rows]
        if self._headings and cells:
            cells.insert(0, [column.heading for column in self._columns])
            self._headings = False
        for line in cells:
            self._widths = [
                max(width, cell_len(cell)) for width, cell in zip(self._widths, line, strict=True)
            ]
        return [self._line(line) for line in cells]

    def _cells(self, row: T | Unreadable) -> Sequence[object]:
        if isinstance(row, Unreadable):
            return row.cells(len(self._columns))
        return [column.cell(row) for column in self._columns]

    def _line(self, cells: Sequence[str]) -> str:
        padded = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, self._widths, strict=True)
        )
        return GAP.join(padded).rstrip()


def _flat(cell: object) -> str:
    """Return a cell as one line."""
    if cell is None or cell == "":
        return NONE
    return visible(" ".join(cell.split())) if isinstance(cell, str) else str(cell)
