"""``--filter KEY=VALUE``: read the same way by every list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TAG = "tag"


def pair(text: str, option: str) -> tuple[str, str]:
    """Return the two parts of KEY=VALUE; raises `typer.BadParameter`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"must be KEY=VALUE, not {text!r}", param_hint=f"'{option}'")
    return key, value


def read_filters(
    given: Iterable[str] | None, known: Mapping[str, str], *, tags: bool = False
) -> dict[str, Any]:
    """Return filters by the names that the client has for them; raises `typer.BadParameter`.

    `known` has the client's name for each key. A key that is given again is another value that would do; with `tags`,
    ``tag.KEY=VALUE`` is understood too.
    """
    values: dict[str, list[str]] = {}
    tagged: dict[str, list[str]] = {}
    for text in given or ():
        key, value = pair(text, "--filter")
        if tags and key.startswith(f"{TAG}."):
            tagged.setdefault(key.removeprefix(f"{TAG}."), []).append(value)
        elif key in known:
            values.setdefault(known[key], []).append(value)
        else:
            keys = [*known, f"{TAG}.KEY"] if tags else list(known)
            raise typer.BadParameter(f"{key!r} is none of {', '.join(keys)}", param_hint="'--filter'")
    filters: dict[str, Any] = {}
    for name, several in values.items():
        if name != "state" and len(several) > 1:
            raise typer.BadParameter(f"{name} can be given once", param_hint="'--filter'")
        filters[name] = several if name == "state" else several[0]
    return {**filters, "tags": tagged} if tagged else filters
