"""How a process ends: its parts one after the other, and in time whatever hangs."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

logger = logging.getLogger(__name__)

STOP_SECONDS: Final = 20.0
"""How long it may take to end. After 30 s Kubernetes would kill the Pod, and the lead would not be given back."""
FOLLOW_SECONDS: Final = 3.0
"""How long what follows the resources may take to end, before all the rest is ended without it."""
AGAIN_SECONDS: Final = 1.0
LAST_SECONDS: Final = 5.0


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended: one that was about to go on anyway may overhear it once."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)


async def run_until_told(
    following: Coroutine[Any, Any, None],
    told: asyncio.Event,
    finish: Callable[[], Awaitable[None]],
    *,
    seconds: float = FOLLOW_SECONDS,
) -> None:
    """Run kopf, which ends when it is told to, and has `finish` called; where it does not in time, end without it.

    kopf cancels each of its tasks once and waits for all of them. Under Python 3.11 one that was about to go on may
    overhear that, and kopf would wait for ever, before it has anything else finished. Raises what kopf raises.
    """
    task = asyncio.create_task(following, name="kopf")
    waiting = asyncio.create_task(told.wait(), name="told to end")
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        await finish()
        await end_all([task])
    if not task.cancelled():
        task.result()


async def end_in_time(
    told: asyncio.Event,
    release: Callable[[], Awaitable[None]],
    leave: Callable[[int], None],
    *,
    seconds: float = STOP_SECONDS,
) -> None:
    """Once it was told to end, give it so many seconds; then say what is left, give back the lead, and leave with 1."""
    await told.wait()
    await asyncio.sleep(seconds)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    logger.critical(
        "not ended %g s after it was told to, so it ends now; what was left: %s",
        seconds,
        ", ".join(sorted(f"{task.get_name()} in {_place(task)}" for task in left)),
    )
    # What is still under way carries the term, so the next leader has nothing to fear from it.
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            await release()
    leave(1)


def _place(task: asyncio.Task[Any]) -> str:
    """Return where a task waits."""
    frames = task.get_stack(limit=1)
    return f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "nowhere"
