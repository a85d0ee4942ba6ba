"""The help of a verb: its docstring."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

AS_IT_STANDS = "\b"
"""How a paragraph begins of which the lines are not to be joined."""


def help_of(function: Callable[..., Any]) -> str:
    """Return the docstring, prepared so that paragraphs with indented lines, such as examples, stay as they are."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(function.__doc__ or ""))
    return "\n\n".join(
        f"{AS_IT_STANDS}\n{paragraph}" if re.search(r"^ ", paragraph, re.MULTILINE) else paragraph
        for paragraph in paragraphs
    )
