"""Why a Job waits, who goes before it, and when it will go: the answer to `headgate job why`."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Final

from headgate.engine.forecast import Doubt, Forecast
from headgate.engine.holds import Hold, holds
from headgate.engine.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from headgate.engine.engine import Engine
    from headgate.engine.job import Job

AHEAD_SHOWN: Final = 10
MOST_STEPS: Final = 10_000
"""How many admissions are looked ahead: a second or two of computing."""
RECENT: Final = 100
"""How many of the latest completions of a queue say how long its Jobs run."""


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
    doubt: Doubt | None = None
    """The Job whose end nobody can foresee, where that is why there is no estimate."""
    too_far: bool = False
    """Whether it was not reached in as many admissions as are looked ahead."""
    unseen: str | None = None
    """The right that was missing, such as ``list jobs.batch``: then `holds` is what can be told without, and who goes
    before it, and when, is not known."""


def explain(engine: Engine, uid: str, now: float, past: Mapping[str, Sequence[float]]) -> Explanation:
    """Explain a live Job (a `KeyError` if there is none of that UID), at `now` in seconds since the epoch.

    The engine has been told of all pools, environments, policies, queues and Jobs, as after a start, and is used up.
    `past` has the runtimes of a queue's Jobs, see `past_runtimes`.
    """
    job = engine.jobs[uid]
    queue = job.queue
    told = partial(Explanation, job.namespace, job.name, queue, job.created)
    if job.state is not JobState.WAITING:
        return told((), None, (), None)
    forecast = Forecast(engine, now, runtime_of(past))
    at_once = forecast.at_once()
    # As it is before anything that runs has ended.
    reasons = tuple(holds(engine, job)) if job.state is JobState.WAITING and uid in engine.jobs else ()
    before: list[Ahead] = []
    count = 0
    for number, step in enumerate(chain(at_once, forecast.later())):
        if number > MOST_STEPS:
            return told(reasons, None, tuple(before), None, too_far=True)
        if step.job.queue != queue:
            continue
        seconds = step.at - now if step.doubt is None else None
        if step.job.uid == uid:
            return told(reasons, count + 1, tuple(before), seconds, step.doubt)
        count += 1
        if len(before) < AHEAD_SHOWN:
            before.append(Ahead(step.job.namespace, step.job.name, seconds))
    return told(reasons, None, tuple(before), None)


def past_runtimes(finished: Iterable[Job]) -> dict[str, tuple[float, ...]]:
    """Return by queue the runtimes, in seconds and in order, of its latest Jobs that succeeded and still exist."""
    by_queue: dict[str, list[tuple[int, int]]] = {}
    for job in finished:
        if job.result == "succeeded" and job.started_at and job.finished_at >= job.started_at:
            by_queue.setdefault(job.queue, []).append((job.finished_at, job.finished_at - job.started_at))
    return {
        queue: tuple(sorted(float(runtime) for _, runtime in sorted(ended)[-RECENT:]))
        for queue, ended in by_queue.items()
    }


def runtime_of(past: Mapping[str, Sequence[float]]) -> Callable[[Job, float], float | None]:
    """Return how long a Job is expected to run, given for how long it has: never longer than its deadline.

    It is the median of the runtimes of its queue that are longer than that. One that has run for longer than all of
    them is expected to have ended when their median was over.
    """

    def runtime(job: Job, so_far: float) -> float | None:
        runtimes = past.get(job.queue, ())
        usual = runtimes[bisect_right(runtimes, so_far) :] or runtimes
        known = [float(job.deadline)] if job.deadline is not None else []
        if usual:
            known.append(float(median(usual)))
        return min(known, default=None)

    return runtime
