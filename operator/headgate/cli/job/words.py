"""How a Job is described: its columns and its page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from headgate.api.times import timestamp
from headgate.cli.output.ages import duration, moment
from headgate.cli.output.page import Page
from headgate.cli.output.table import Column

if TYPE_CHECKING:
    from headgate.client import JobInfo


def state(job: JobInfo) -> str:
    """Return the result of a Job, or else its state in Flux's words, and whether somebody holds it."""
    return job.result or (f"{job.state},held" if job.held else job.state)


def runtime(job: JobInfo) -> str | None:
    """Return how long it ran so far."""
    return None if job.runtime is None else duration(job.runtime)


COLUMNS: Final[tuple[Column[JobInfo], ...]] = (
    Column("NAME", lambda job: job.name),
    Column("STATE", state),
    Column("QUEUE", lambda job: job.queue),
    Column("USER", lambda job: job.username),
    Column("RUNTIME", runtime),
    Column("AGE", lambda job: duration(time.time() - job.t_submit)),
    Column("PRIORITY", lambda job: job.priority, wide=True),
    Column("PROJECT", lambda job: job.project, wide=True),
    Column("RUN", lambda job: job.run, wide=True),
    Column("PODS", lambda job: job.ntasks, wide=True),
    Column("CORES", lambda job: job.ncores, wide=True),
    Column("CLUSTER", lambda job: job.cluster, wide=True),
    Column("ENVIRONMENT", lambda job: job.environment, wide=True),
    Column("REASON", lambda job: job.exception.type if job.exception else None, wide=True),
)
NAMESPACE: Final[Column[JobInfo]] = Column("NAMESPACE", lambda job: job.namespace)


def page(job: JobInfo) -> str:
    """Return what there is to know of a Job."""
    about = Page()
    about.add("Name", job.name)
    about.add("Namespace", job.namespace)
    about.add("State", state(job))
    about.add("Reason", f"{job.exception.type}: {job.exception.note}" if job.exception else None)
    if job.error:
        about.add("Error", job.error)
    about.add("Queue", job.queue)
    about.add("Pool", job.pool)
    about.add("User", job.username)
    about.add("Project", job.project)
    about.add("Run", job.run)
    about.add("Share", job.share)
    about.add("Priority", job.priority)
    about.add("Depends On", ", ".join(job.dependencies))
    about.add("Retry Of", job.retry_of)
    about.section("Place", {"Cluster": job.cluster, "Environment": job.environment})
    about.section(
        "Times",
        {
            "Submitted": _moment(job.t_submit),
            "Admitted": _moment(job.t_run),
            "Finished": _moment(job.t_inactive),
            "Runtime": runtime(job),
            "At Most": None if job.duration is None else duration(job.duration),
        },
    )
    cores = None if job.ncores is None else f"{job.ncores:g}"
    about.section("Size", {"Pods": job.ntasks, "Cores": cores})
    return about.render()


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else moment(timestamp(seconds))
