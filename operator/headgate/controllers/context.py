"""What every handler needs: it travels in kopf's memo, so that no handler has a global."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.admission.keeper import BindingKeeper
    from headgate.engine.engine import Engine
    from headgate.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Context:
    """The engine, and who wants to know that it was told something."""

    engine: Engine
    bindings: BindingKeeper
    metrics: Metrics
    clock: Callable[[], float]
    changed: Callable[[], None]
