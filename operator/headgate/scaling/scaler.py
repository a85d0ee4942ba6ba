"""Keeps the engine's view of what environments scale fresh, and sets it as the engine wants.

A look around every second costs nothing where no environment scales. Each target is read on its own, so that one that
does not answer keeps no other waiting, and often only while something is on its way.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final

from headgate.engine.decisions import Notice, Scale
from headgate.kube.client import UNREACHABLE, ApiError
from headgate.kube.retry import growing
from headgate.scaling.targets import TargetError, Targets, described, identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.engine.engine import Engine
    from headgate.engine.environments import Environment, ScaleReading
    from headgate.kube.client import Api
    from headgate.kube.events import EventRecorder
    from headgate.scaling.targets import Identity
    from headgate.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

TURN_SECONDS: Final = 1.0
"""How often it is asked what to scale, and the shortest pause between two reads of one target."""
BUSY_SECONDS: Final = 2.0
"""How often a target is read while it is not as wanted, or cannot be read."""
QUIET_SECONDS: Final = 5.0
"""How often it is read otherwise: somebody else may have scaled it."""
LONGEST_SECONDS: Final = 30.0
"""The longest pause before a target that cannot be read or set is tried again; the pause doubles until then."""
QUIET_FAILURES: Final = 2
"""How often in a row the API server may fail to answer before a person is told: it may be restarting."""
FIRST_READ_SECONDS: Final = 5.0
"""How long the first statuses wait for what the targets say."""
AT_ONCE: Final = 16
"""Targets read at the same time: few, because Jobs go first."""
ANSWER_SECONDS: Final = 5.0
"""How long the API server may take for one of them, for which it may have to ask somebody else."""
MOST_SHARE: Final = 0.05
"""The part of the time that the engine may take for the question what to scale."""
LONGEST_MESSAGE: Final = 1000


@dataclass(slots=True)
class _Watched:
    """One environment's target."""

    due: float = 0.0
    """When to read it again, in seconds since the epoch, if nothing is to be scaled before."""
    not_before: float = 0.0
    failures: int = 0
    refused: str | None = None
    """Why it could be read, but not set, the last time."""
    decided_at: int = 0
    """How many replicas were asked for when the last decision was taken."""
    task: asyncio.Task[None] | None = None


class Scaler:
    """Scales what the environments name."""

    def __init__(
        self,
        api: Api,
        engine: Engine,
        *,
        events: EventRecorder,
        metrics: Metrics,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._targets = Targets(api)
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._changed = changed
        self._watched: dict[str, _Watched] = {}
        self._ask_at = 0.0
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def read_all(self) -> None:
        """Read every target once, and wait for it a moment: the first statuses should tell how things are."""
        tasks = [self._visit(environment, None) for environment in self._owners()]
        if tasks:
            await asyncio.wait(tasks, timeout=FIRST_READ_SECONDS)

    async def run(self) -> None:
        """Scale until cancelled."""
        try:
            while True:
                self._turn(self._clock())
                await asyncio.sleep(TURN_SECONDS)
        finally:
            for watched in self._watched.values():
                if watched.task is not None:
                    watched.task.cancel()

    def _owners(self) -> list[Environment]:
        """Return the environments that scale a target; of two with the same one, the older does."""
        owners: dict[Identity, Environment] = {}
        for environment in sorted(self._engine.environments.values(), key=_age):
            target = environment.target
            if target is None:
                continue
            owner = owners.setdefault(identity(target), environment)
            if owner is not environment:
                self._turn_away(environment, owner)
        return list(owners.values())

    def _turn_away(self, environment: Environment, owner: Environment) -> None:
        """Tell that a target is another environment's: scaled by two, it would go up and down for ever."""
        assert environment.resource is not None
        assert environment.target is not None
        message = (
            f'{described(environment.target)} is scaled by ComputeEnvironment "{owner.name}": '
            "name another object in spec.scaling.targetRef"
        )
        if environment.unreadable != message:
            self._tell(environment.resource, None, message)

    def _turn(self, now: float) -> None:
        environments = self._owners()
        for name in self._watched.keys() - {environment.name for environment in environments}:
            self._forget(name)
        if not environments:
            return
        scales = self._decisions(now)
        for environment in environments:
            watched = self._watched.setdefault(environment.name, _Watched())
            scale = scales.get(environment.name)
            is_free = watched.task is None or watched.task.done()
            if is_free and now >= watched.not_before and (scale or now >= watched.due):
                self._visit(environment, scale)

    def _decisions(self, now: float) -> dict[str, Scale]:
        """Return what the engine wants scaled; a question that takes it long is asked less often."""
        if now < self._ask_at:
            return {}
        began = perf_counter()
        scales = {scale.environment: scale for scale in self._engine.scales(now)}
        self._ask_at = now + (perf_counter() - began) / MOST_SHARE
        return scales

    def _forget(self, name: str) -> None:
        task = self._watched.pop(name).task
        if task is not None:
            task.cancel()

    def _visit(self, environment: Environment, scale: Scale | None) -> asyncio.Task[None]:
        watched = self._watched.setdefault(environment.name, _Watched())
        assert environment.resource is not None
        if scale is not None and environment.reading is not None:
            watched.decided_at = environment.reading.replicas
        watched.task = asyncio.create_task(self._look(environment.resource, watched, scale))
        return watched.task

    async def _look(self, resource: ComputeEnvironment, watched: _Watched, scale: Scale | None) -> None:
        """Read a target and, if it is as it was when that was decided, scale it."""
        ref = resource.spec.target
        assert ref is not None
        reading: ScaleReading | None = None
        try:
            async with self._slots, asyncio.timeout(ANSWER_SECONDS):
                found = await self._targets.read(ref)
                reading = found.reading
                if scale is None or scale.target != ref:
                    watched.refused = None
                elif reading.replicas == watched.decided_at:
                    reading = await self._targets.write(ref, found, scale.replicas)
                    watched.refused = None
                    self._scaled_to(resource, found.reading.replicas, scale)
        except TargetError as error:
            if reading is not None:
                watched.refused = error.message
            self._fail(watched)
            self._tell(resource, reading, error.message, missing=error.missing)
        except (ApiError, *UNREACHABLE) as error:
            if isinstance(error, ApiError) and error.status == 409:
                # Somebody else was faster: the next turn goes by what there is then.
                watched.not_before = self._clock() + TURN_SECONDS
                return
            self._metrics.api_error("scale", error)
            self._fail(watched)
            if watched.failures > QUIET_FAILURES:
                words = str(error) or type(error).__name__
                self._tell(resource, reading, f"the scale of {described(ref)} cannot be reached: {words}")
        except Exception:
            # One that nobody foresaw must not keep the others from theirs.
            logger.exception("the target of ComputeEnvironment %s is left alone for now", resource.name)
            self._metrics.unreadable.inc()
            self._fail(watched)
        else:
            watched.failures = 0
            self._tell(resource, reading, watched.refused)
            now = self._clock()
            watched.not_before = now + TURN_SECONDS
            watched.due = now + (QUIET_SECONDS if self._is_quiet(resource.name) else BUSY_SECONDS)

    def _fail(self, watched: _Watched) -> None:
        watched.failures += 1
        pause = growing(watched.failures, BUSY_SECONDS, LONGEST_SECONDS)
        watched.not_before = watched.due = self._clock() + pause

    def _tell(
        self,
        resource: ComputeEnvironment,
        reading: ScaleReading | None,
        message: str | None,
        *,
        missing: bool = False,
    ) -> None:
        known = self._engine.environments.get(resource.name)
        if known is None or known.target != resource.spec.target:
            # It was changed meanwhile: this is about something else.
            return
        shortened = message[:LONGEST_MESSAGE] if message else None
        self._engine.environment_scaled(resource.name, reading, shortened, self._clock(), missing=missing)
        self._changed()

    def _is_quiet(self, name: str) -> bool:
        environment = self._engine.environments.get(name)
        return environment is None or environment.is_as_wanted

    def _scaled_to(self, resource: ComputeEnvironment, before: int, scale: Scale) -> None:
        self._metrics.scaled(resource.name)
        message = f"{described(scale.target)} from {before} to {scale.replicas}: {scale.why}"
        self._events.record(
            Notice(
                "ComputeEnvironment", None, resource.name, resource.metadata.uid, "Normal", "Scaled", message
            )
        )


def _age(environment: Environment) -> tuple[str, str]:
    resource = environment.resource
    return (resource.metadata.creation_timestamp if resource else "", environment.name)
