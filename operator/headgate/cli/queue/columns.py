"""The columns of lists of queues. What everybody looks for fits into 80; `-o wide` has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.cli.output.ages import age
from headgate.cli.output.table import Column
from headgate.cli.queue import words

if TYPE_CHECKING:
    from headgate.api.jobqueue import JobQueue

COLUMNS: Final[tuple[Column[JobQueue], ...]] = (
    Column("NAME", lambda queue: queue.name),
    Column("STATE", words.state),
    Column("POOL", lambda queue: queue.spec.pool),
    Column("RUNS", words.runs),
    Column("ACTIONS", words.actions),
    Column("WAITING", words.waiting),
    Column("AGE", lambda queue: age(queue.metadata.creation_timestamp)),
    Column("PRIORITY", lambda queue: queue.spec.priority, wide=True),
    Column("DEPTH", words.depth, wide=True),
    Column("SUCCEEDED", lambda queue: queue.status.jobs.succeeded if queue.status.jobs else 0, wide=True),
    Column("FAILED", lambda queue: queue.status.jobs.failed if queue.status.jobs else 0, wide=True),
    Column("MODE", lambda queue: queue.spec.execution_mode, wide=True),
    Column("CLUSTERS", lambda queue: ",".join(queue.spec.clusters), wide=True),
    Column("CREATED-BY", lambda queue: queue.status.created_by, wide=True),
    Column("ID", lambda queue: queue.metadata.uid, wide=True),
    Column("DESCRIPTION", lambda queue: queue.spec.description, wide=True),
)
