"""The page about a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.cli.output.ages import age, duration, moment
from headgate.cli.output.conditions import conditions
from headgate.cli.output.page import Page
from headgate.cli.output.table import Column, Table
from headgate.cli.queue import words

if TYPE_CHECKING:
    from headgate.api.jobqueue import JobQueue
    from headgate.api.jobqueue_status import QueueCluster, QueueEnvironmentStatus, ShareStatus


def page(queue: JobQueue) -> str:
    """Return what there is to know of a queue."""
    spec, status = queue.spec, queue.status
    about = Page()
    about.add("Name", queue.name)
    about.add("ID", queue.metadata.uid)
    about.add("Description", spec.description)
    about.add("State", _state(queue))
    about.add("Dispatch", _dispatch(queue))
    about.add("Pool", spec.pool)
    created = moment(queue.metadata.creation_timestamp)
    about.add("Created", f"{created} by {status.created_by}" if status.created_by else created)
    about.add("Last Admitted", moment(status.last_admitted_at))
    if status.drained_at:
        about.add("Drained At", moment(status.drained_at))
    about.section(
        "Limits",
        {
            "Runs": _used(status.runs.active if status.runs else 0, spec.run_concurrency),
            "Actions": _used(status.actions.active if status.actions else 0, spec.action_concurrency),
            "Depth": _used(words.live(queue), spec.depth),
        },
    )
    if status.jobs:
        jobs = status.jobs
        about.section(
            "Jobs",
            {
                "Waiting": jobs.waiting,
                "Active": jobs.active,
                "Succeeded": jobs.succeeded,
                "Failed": jobs.failed,
                "Canceled": jobs.canceled,
                "Timed Out": jobs.timed_out,
                "Total": jobs.total,
            },
        )
    about.section("Order", _order(queue))
    if status.head:
        head = status.head
        since = f" for {age(head.since)}" if head.since else ""
        about.add(
            "At The Head",
            f"{head.namespace}/{head.name} waits{since}\n{head.reason}: {head.message}".rstrip(": "),
        )
    about.block("Clusters", _clusters(queue))
    about.block("Compute Environments", _environments(queue))
    if status.shares:
        about.block("Shares", _shares(queue))
    if spec.time_limit_actions:
        about.block(
            "Time Limits",
            (
                f"{limit.action} the Job at the head after {duration(limit.max_time_seconds)} of {limit.reason}"
                for limit in spec.time_limit_actions
            ),
        )
    about.block("Tags", (f"{key}={value}" for key, value in sorted(spec.tags.items())))
    about.block("Conditions", conditions(status.conditions))
    return about.render()


def _state(queue: JobQueue) -> str:
    state = queue.status.state
    if state is None:
        return f"{words.UNKNOWN} (the operator has not seen it yet)"
    return state if state == queue.spec.state else f"{state} (to be {queue.spec.state})"


def _dispatch(queue: JobQueue) -> str:
    if not queue.spec.dispatch.paused:
        return "on"
    told = queue.status.dispatch
    by = f" by {told.paused_by}" if told and told.paused_by else ""
    since = f" since {moment(told.paused_at)}" if told and told.paused_at else ""
    note = queue.spec.dispatch.note
    return f"paused{by}{since}" + (f"\n{note}" if note else "")


def _used(used: int, limit: int) -> str:
    return f"{used} of {limit}" if limit else f"{used}, no limit"


def _order(queue: JobQueue) -> dict[str, str | int | None]:
    spec = queue.spec
    number = "" if isinstance(spec.priority, int) else f" ({spec.priority_value})"
    return {
        "Priority": f"{spec.priority}{number}",
        "Execution Mode": spec.execution_mode,
        "Fairness": spec.fairness,
        "Head Of Line": spec.head_of_line,
        "Scheduling Policy": spec.scheduling_policy,
        "Retry Affinity": spec.retry_affinity,
        "Idle Timeout": duration(spec.idle_timeout_seconds) if spec.idle_timeout_seconds else "never",
    }


def _clusters(queue: JobQueue) -> list[str]:
    columns: list[Column[QueueCluster]] = [
        Column("NAME", lambda cluster: cluster.name),
        Column("STATE", lambda cluster: cluster.state),
        Column("ACTIVE", lambda cluster: cluster.active),
    ]
    return Table(columns).lines(queue.status.clusters) or [", ".join(queue.spec.clusters)]


def _environments(queue: JobQueue) -> list[str]:
    columns: list[Column[QueueEnvironmentStatus]] = [
        Column("ORDER", lambda environment: environment.order),
        Column("NAME", lambda environment: environment.name),
        Column("ACTIVE", lambda environment: environment.active),
    ]
    listed = sorted(queue.status.compute_environments, key=lambda environment: environment.order)
    return Table(columns).lines(listed) or [one.name for one in queue.spec.compute_environments]


def _shares(queue: JobQueue) -> list[str]:
    columns: list[Column[ShareStatus]] = [
        Column("IDENTIFIER", lambda share: share.identifier),
        Column("WAITING", lambda share: share.waiting),
        Column("ACTIVE", lambda share: share.active),
        Column("USAGE", lambda share: share.usage),
    ]
    return Table(columns).lines(queue.status.shares)
