"""How a queue is described: the words that the table, the page and the live view share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from headgate.api.meta import find_condition
from headgate.api.names import CONDITION_STALLED

if TYPE_CHECKING:
    from headgate.api.jobqueue import JobQueue

UNKNOWN: Final = "Unknown"


def state(queue: JobQueue) -> str:
    """Return where a queue is in its life, and what keeps it from working: ``Active,Paused``."""
    words: list[str] = [queue.status.state or UNKNOWN]
    if queue.spec.dispatch.paused:
        words.append("Paused")
    if reason := stalled(queue):
        words.append(reason)
    return ",".join(words)


def stalled(queue: JobQueue) -> str:
    """Return in one word why a queue is stalled, empty where it is not."""
    condition = find_condition(queue.status.conditions, CONDITION_STALLED)
    return condition.reason if condition and condition.status == "True" else ""


def usage(used: int, limit: int) -> str:
    """Return how much of a limit is used; 0 is no limit."""
    return f"{used}/{limit}" if limit else str(used)


def runs(queue: JobQueue) -> str:
    """Return the active runs and their limit."""
    return usage(queue.status.runs.active if queue.status.runs else 0, queue.spec.run_concurrency)


def actions(queue: JobQueue) -> str:
    """Return the active Jobs and their limit."""
    return usage(queue.status.actions.active if queue.status.actions else 0, queue.spec.action_concurrency)


def depth(queue: JobQueue) -> str:
    """Return the live Jobs and their limit."""
    return usage(queue.status.depth.current if queue.status.depth else 0, queue.spec.depth)


def live(queue: JobQueue) -> int:
    """Return how many Jobs wait or are active."""
    return queue.status.depth.current if queue.status.depth else 0


def waiting(queue: JobQueue) -> int:
    """Return how many Jobs wait."""
    return queue.status.jobs.waiting if queue.status.jobs else 0


def say_if_stuck(queue: JobQueue) -> None:
    """Say so of a queue that is to finish what it has, and does not as long as it is paused."""
    if queue.spec.dispatch.paused and (left := waiting(queue)):
        typer.echo(
            f"warning: queue {queue.name} is paused: {left} Jobs wait in it until somebody resumes it",
            err=True,
        )
