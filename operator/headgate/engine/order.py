"""Execution modes: the order of Jobs within one project.

Each mode is one line in a table. Ties are broken by creation time and then UID, so that the order is total and
a restarted operator finds the same one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.engine.job import Job
    from headgate.engine.line import Entry

EXECUTION_MODES: Final[dict[str, Callable[[Job], Entry]]] = {
    "FIFO": lambda job: (job.created, job.uid),
    "LIFO": lambda job: (-job.created, job.uid),
    "PRIORITY": lambda job: (-job.priority, job.created, job.uid),
}
