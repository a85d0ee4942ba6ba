"""Who stands at the top of a queue's line, what holds them, and when they go: what a page about a queue ends with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from headgate.engine.explain import MOST_STEPS, runtime_of
from headgate.engine.forecast import Forecast
from headgate.engine.holds import Hold, holds
from headgate.engine.job import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headgate.api.jobqueue import JobQueue
    from headgate.engine.engine import Engine
    from headgate.engine.job import Job


@dataclass(frozen=True, slots=True)
class Place:
    """A Job that waits, where it stands in the line of its queue."""

    namespace: str
    name: str
    seconds: float | None
    """When it goes, in seconds from now, an estimate; None where nobody knows."""
    holds: tuple[Hold, ...]
    """What holds it now; empty for one that goes at once, or that only waits for its turn."""


@dataclass(frozen=True, slots=True)
class QueueLine:
    """The top of a queue's line."""

    queue: str
    waiting: int
    """How many Jobs of the queue wait."""
    places: tuple[Place, ...]
    """The first of them, in the order in which they go."""


def top(engine: Engine, name: str, now: float, past: Mapping[str, Sequence[float]], limit: int) -> QueueLine:
    """Return the first `limit` places in the line of a queue, at `now` in seconds since the epoch.

    Behind those that go by and by come those that nothing known lets go: first who stands in the line, in its order as
    it is now, then who is held back by something about itself. The line of a paused queue is the one that it will be
    when somebody resumes it. The engine has been told of everything, as for `explain`, and is used up.
    """
    queue = engine.queues.get(name)
    if queue is None:
        return QueueLine(name, 0, ())
    waiting = {uid: job for uid, job in queue.jobs.items() if job.state is JobState.WAITING}
    forecast = Forecast(engine, now, runtime_of(past))
    at_once = forecast.at_once()
    # As it is before anything that runs has ended.
    reasons = {
        uid: tuple(holds(engine, job)) for uid, job in waiting.items() if job.state is JobState.WAITING
    }
    resumed = queue.resource if queue.paused else None
    if resumed is not None:
        engine.queue_changed(_resumed(resumed), now)

    def going() -> Iterator[tuple[Job, float | None]]:
        for step in islice(chain(at_once, forecast.at_once(), forecast.later()), MOST_STEPS):
            yield step.job, step.at - now if step.doubt is None and resumed is None else None

    def staying() -> Iterator[tuple[Job, None]]:
        for job in (*queue.file_out(), *sorted(waiting.values(), key=lambda job: (job.created, job.uid))):
            if job.state is JobState.WAITING:
                yield job, None

    places: dict[str, Place] = {}
    for job, seconds in chain(going(), staying()):
        if len(places) == limit:
            break
        if job.uid in waiting and job.uid not in places:
            places[job.uid] = Place(job.namespace, job.name, seconds, reasons.get(job.uid, ()))
    return QueueLine(name, len(waiting), tuple(places.values()))


def _resumed(queue: JobQueue) -> JobQueue:
    dispatch = queue.spec.dispatch.model_copy(update={"paused": False})
    return queue.model_copy(update={"spec": queue.spec.model_copy(update={"dispatch": dispatch})})
