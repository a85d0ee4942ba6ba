"""Why a Job waits, who goes before it, and when it will go: the answer to `headgate job why`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Final

from headgate.engine.forecast import Forecast
from headgate.engine.holds import Hold, holds
from headgate.engine.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from headgate.engine.engine import Engine
    from headgate.engine.job import Job

AHEAD_SHOWN: Final = 10
MOST_STEPS: Final = 10_000
"""How many admissions are looked ahead: a second or two of computing."""
RECENT: Final = 100
"""How many of the latest completions of a queue make its usual runtime."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A Job that goes before another one of its queue."""

    namespace: str
    name: str
    seconds: float | None
    """When it goes, in seconds from now; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say of a Job that waits."""

    namespace: str
    name: str
    queue: str
    created: float
    """In seconds since the epoch: it waits since then, unless it has been sent back since."""
    holds: tuple[Hold, ...]
    """What holds it now; empty for one that goes at once, or that only waits for its turn."""
    position: int | None
    """1 for the next one of its queue; None where nothing known will let it go, or it is too far off to be told."""
    ahead: tuple[Ahead, ...]
    """The first of those that go before it, in order."""
    estimate: float | None
    """When it goes, in seconds from now, if Jobs run as long as they use to and no others come; None if not known."""
    too_far: bool = False
    """Whether it was not reached in as many admissions as are looked ahead."""


def explain(engine: Engine, uid: str, now: float, runtimes: Mapping[str, float]) -> Explanation:
    """Explain a live Job (a `KeyError` if there is none of that UID), at `now` in seconds since the epoch.

    The engine has been told of all pools, environments, policies, queues and Jobs, as after a start, and is used up.
    `runtimes` has the usual runtime of a queue's Jobs in seconds, see `usual_runtimes`.
    """
    job = engine.jobs[uid]
    queue = job.queue
    told = partial(Explanation, job.namespace, job.name, queue, job.created)
    if job.state is not JobState.WAITING:
        return told((), None, (), None)
    forecast = Forecast(engine, now, runtime_of(runtimes))
    at_once = forecast.at_once()
    # As it is before anything that runs has ended.
    reasons = tuple(holds(engine, job)) if job.state is JobState.WAITING and uid in engine.jobs else ()
    before: list[Ahead] = []
    count = 0
    for number, step in enumerate(chain(at_once, forecast.later())):
        if step.job.queue != queue:
            continue
        seconds = step.at - now if step.known else None
        if step.job.uid == uid:
            return told(reasons, count + 1, tuple(before), seconds)
        count += 1
        if len(before) < AHEAD_SHOWN:
            before.append(Ahead(step.job.namespace, step.job.name, seconds))
        if number >= MOST_STEPS:
            return told(reasons, None, tuple(before), None, too_far=True)
    return told(reasons, None, tuple(before), None)


def usual_runtimes(finished: Iterable[Job]) -> dict[str, float]:
    """Return by queue the median runtime, in seconds, of its latest Jobs that succeeded and still exist."""
    by_queue: dict[str, list[tuple[int, int]]] = {}
    for job in finished:
        if job.result == "succeeded" and job.started_at and job.finished_at >= job.started_at:
            by_queue.setdefault(job.queue, []).append((job.finished_at, job.finished_at - job.started_at))
    return {
        queue: float(median(runtime for _, runtime in sorted(ended)[-RECENT:]))
        for queue, ended in by_queue.items()
    }


def runtime_of(runtimes: Mapping[str, float]) -> Callable[[Job], float | None]:
    """Return how long a Job is expected to run: as its queue's usually do, and never longer than its deadline."""

    def runtime(job: Job) -> float | None:
        known = [float(seconds) for seconds in (runtimes.get(job.queue), job.deadline) if seconds is not None]
        return min(known) if known else None

    return runtime
