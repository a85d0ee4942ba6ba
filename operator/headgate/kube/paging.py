"""Lists in pages, all of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

PAGE = 500
"""How many objects a page has."""


async def pages(
    call: Callable[..., Awaitable[dict[str, Any]]], path: str, *, limit: int = PAGE, **params: str
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield a list page by page, `limit` objects in each; raises as `call` does, which makes the requests.

    Only one page is held here at a time. Parameters that are empty are left out.
    """
    query = {name: value for name, value in params.items() if value}
    token = ""
    while True:
        page = await call("GET", path, params={**query, "limit": str(limit), "continue": token})
        token = page["metadata"].get("continue") or ""
        yield page
        del page
        if not token:
            return
