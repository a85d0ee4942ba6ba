"""Text that others wrote, for a terminal: what would steer it is shown instead of obeyed."""

from __future__ import annotations

import re
from typing import Final

_STEERS: Final = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f"  # all but line breaks and tabs
    "\x80-\x9f"
    "\u202a-\u202e\u2066-\u2069"  # the other way round: what is read is not what is there
    "]"
)


def visible(text: str) -> str:
    """Return text in which control characters are written out: ``^[`` for Escape, as kubectl does."""
    return _STEERS.sub(lambda found: _written(ord(found[0])), text)


def _written(code: int) -> str:
    if code < 0x80:
        return f"^{chr(code ^ 0x40)}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
