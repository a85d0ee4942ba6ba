"""What a terminal shows, as SVG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

if TYPE_CHECKING:
    from rich.text import Text

FORMAT: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" xml:space="preserve">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px "DejaVu Sans Mono", Menlo, Consolas, monospace }}
.{unique_id}-title {{ font: bold 18px sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own asks another server for a font, which a picture in a page may not do."""


def svg(shown: Text, name: str, width: int) -> str:
    """Return the picture of a terminal of so many columns; `name` tells its styles from those of others."""
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(shown, soft_wrap=True)
    text = console.export_svg(title="", theme=DIMMED_MONOKAI, code_format=FORMAT, unique_id=name)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.strip())
