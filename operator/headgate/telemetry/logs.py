"""Structured logs: one JSON object a line, or plain text for a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Literal

from pythonjsonlogger.json import JsonFormatter

if TYPE_CHECKING:
    from typing import TextIO

LogFormat = Literal["json", "text"]

_FIELDS = "{levelname}{name}{message}"


def set_up(level: str, log_format: LogFormat, stream: TextIO = sys.stderr) -> None:
    """Send all logs to a stream; libraries that tell of each of their steps speak from WARNING on."""
    handler = logging.StreamHandler(stream)
    if log_format == "json":
        handler.setFormatter(
            JsonFormatter(
                _FIELDS,
                style="{",
                rename_fields={"levelname": "level", "name": "logger"},
                timestamp="time",
            )
        )
    else:
        handler.setFormatter(logging.Formatter("{asctime} {levelname:<7} {message}", style="{"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("kopf", "aiohttp.access", "asyncio", "kubernetes"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
