"""What holds a Job, and when it goes, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.api.times import timestamp
from headgate.cli.output.ages import duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headgate.client import Explanation, Hold


def about(seconds: float | None) -> str:
    """Return when something happens: an estimate, and worded as one."""
    if seconds is None:
        return "unknown"
    return "now" if seconds < 1 else f"in about {duration(seconds)}"


def estimated(told: Explanation) -> str:
    """Return when a Job goes or, where nobody can tell, whose end it waits for."""
    doubt = told.doubt
    if doubt is None:
        return about(told.estimate)
    job = f"Job {doubt.namespace}/{doubt.name}, which runs,"
    if doubt.overdue is None:
        return f"unknown: nobody knows for how long {job} does"
    return f"unknown: {job} is overdue by {duration(doubt.overdue)}"


def hold_lines(holds: Iterable[Hold]) -> Iterator[str]:
    """Yield the lines that say what holds a Job, since when, and what would let it go."""
    for hold in holds:
        since = f", since {moment(timestamp(hold.since))}" if hold.since is not None else ""
        yield from (f"{hold.reason}{since}", f"  {hold.message}", f"  To let it go on: {hold.remedy}")
