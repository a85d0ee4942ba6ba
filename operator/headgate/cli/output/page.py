"""A page about one object, as ``kubectl describe`` prints it: names on the left, what belongs together indented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.cli.output.table import NONE
from headgate.cli.output.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Value = str | int | None


class Page:
    """Collects the lines of a page."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, str, str | None]] = []

    def add(self, name: str, value: Value) -> None:
        """Add a line; what has no value says so."""
        self._add(0, name, value)

    def section(self, name: str, values: Mapping[str, Value]) -> None:
        """Add what belongs together."""
        self._lines.append((0, f"{name}:", None))
        for key, value in values.items():
            self._add(1, key, value)

    def block(self, name: str, lines: Iterable[str]) -> None:
        """Add lines that stand below a name, or say that there are none."""
        below = list(lines)
        if not below:
            self.add(name, None)
            return
        self._lines.append((0, f"{name}:", None))
        self._lines += [(1, line, None) for line in below]

    def _add(self, indent: int, name: str, value: Value) -> None:
        self._lines.append((indent, f"{name}:", NONE if value is None or value == "" else str(value)))

    def render(self) -> str:
        """Return the page: values stand under each other."""
        names = (2 * indent + len(name) for indent, name, value in self._lines if value is not None)
        width = max(names, default=0) + 2
        return "".join(_render(indent, name, value, width) for indent, name, value in self._lines)


def _render(indent: int, name: str, value: str | None, width: int) -> str:
    start = "  " * indent + visible(name)
    if value is None:
        return f"{start}\n"
    first, *rest = map(visible, value.split("\n"))
    return "".join([f"{start:<{width}}{first}\n", *(f"{'':<{width}}{line}\n" for line in rest)])
