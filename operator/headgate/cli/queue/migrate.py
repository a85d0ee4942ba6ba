"""`headgate queue migrate`: work moves to another pool by drain and replace, one step after the other."""

from typing import Annotated, Any

import typer

from headgate.api.jobqueue import JobQueue
from headgate.api.names import QUEUE_LABEL
from headgate.cli.completion import names_of
from headgate.cli.confirm import check_askable, confirm
from headgate.cli.errors import Problem
from headgate.cli.options import Writing, Yes
from headgate.cli.output.documents import manifest_of
from headgate.cli.queue.live import Watched
from headgate.cli.queue.names import QueueName
from headgate.cli.queue.watch import watch
from headgate.cli.queue.words import live, say_if_stuck
from headgate.cli.verb import Session, verb
from headgate.client import AsyncClient, NotFoundError

OF_THE_POOL = ("clusters", "computeEnvironments")
"""Fields that name what is in the old pool, and cannot be in another one."""
OF_THE_MOMENT = ("state", "dispatch")


@verb()
async def migrate_queue(
    session: Session,
    old: QueueName,
    *,
    to_pool: Annotated[
        str,
        typer.Option(
            metavar="POOL",
            help="The pool to move to.",
            autocompletion=names_of(lambda client: client.pools.names()),
        ),
    ],
    name: Annotated[str, typer.Option(metavar="NEW", help="The name of the queue there.")],
    compute_environments: Annotated[
        list[str] | None,
        typer.Option(
            "--compute-environment",
            metavar="NAME",
            show_default=False,
            help="A compute environment of the new queue; may be repeated.",
            autocompletion=names_of(lambda client: client.environments.names()),
        ),
    ] = None,
    writing: Writing,
    yes: Yes = False,
) -> None:
    """Move a queue's work to another pool, by drain and replace.

    A queue never changes its pool. So a new queue is created with the settings of the old one, whoever creates Jobs
    names the new one from then on, and the old one is drained: it refuses new Jobs and finishes what it has.

    It asks before it drains. Where it was interrupted, the same command goes on. With --dry-run the API server checks
    all of it, and the steps are told, or with -o the new queue.

    For example:
      headgate queue migrate reports --to-pool prod --name reports-prod --dry-run
    """
    client = session.client
    if writing.output is not None and not writing.is_rehearsal:
        raise typer.BadParameter("it goes with --dry-run", param_hint="'--output'")
    if not writing.is_rehearsal:
        check_askable(yes=yes)
    queue = await client.queues.get(old)
    await _check(client, queue, to_pool, name)
    manifest = replacement(queue, to_pool, name, compute_environments or [])
    there = await _existing(client, name, to_pool)
    if writing.is_rehearsal:
        planned = there or await client.queues.create_manifest(manifest, dry_run=True)
        writing.show([manifest_of(planned)])
        if writing.output is None:
            for number, step in enumerate(steps(queue, to_pool, name, there=there), 1):
                typer.echo(f"{number}. {step}")
            _say_left_out(queue, compute_environments or [])
        return

    if there is not None:
        typer.echo(f"jobqueue.headgate.dev/{name} is there already, in pool {to_pool}")
    else:
        await client.queues.create_manifest(manifest)
        typer.echo(f"jobqueue.headgate.dev/{name} created in pool {to_pool}")
        _say_left_out(queue, compute_environments or [])
    typer.echo(f"Change the Jobs that are created from now on: label {QUEUE_LABEL}: {name} instead of {old}.")
    confirm(f"Drain {old} now? From then on Jobs that name it are refused.", yes=yes)
    say_if_stuck(await client.queues.drain(old))
    typer.echo(f"jobqueue.headgate.dev/{old} draining")
    await watch(client, [old], until=_drained)
    typer.echo(f"jobqueue.headgate.dev/{old} drained. Leave it idle, or: headgate queue archive {old}")


def replacement(queue: JobQueue, pool: str, name: str, environments: list[str]) -> dict[str, Any]:
    """Return the manifest of the queue that takes another one's place in another pool."""
    left_out = (*OF_THE_POOL, *OF_THE_MOMENT)
    spec = {key: value for key, value in queue.spec.to_dict().items() if key not in left_out}
    spec["pool"] = pool
    if environments:
        spec["computeEnvironments"] = [
            {"order": order, "name": environment} for order, environment in enumerate(environments, 1)
        ]
    return {"metadata": {"name": name}, "spec": spec}


def steps(queue: JobQueue, pool: str, name: str, *, there: JobQueue | None) -> list[str]:
    """Return what is done, in order; `there` is the new queue, where it exists already."""
    return [
        f"create queue {name} in pool {pool}, with the settings of {queue.name}"
        if there is None
        else f"leave queue {name}, which is in pool {pool} already, as it is{_differences(queue, there)}",
        f"you: label the Jobs that are created from now on {QUEUE_LABEL}: {name}",
        f"drain {queue.name}: it refuses new Jobs",
        f"wait until its {live(queue)} live Jobs have ended",
    ]


def _differences(old: JobQueue, new: JobQueue) -> str:
    """Say in which fields two queues differ, of those that would be taken over."""
    specs = old.spec.to_dict(), new.spec.to_dict()
    fields = sorted(specs[0].keys() | specs[1].keys())
    own = ("pool", *OF_THE_POOL, *OF_THE_MOMENT)
    differ = [field for field in fields if field not in own and specs[0].get(field) != specs[1].get(field)]
    return f"; it differs from {old.name} in {', '.join(differ)}" if differ else ""


def _say_left_out(queue: JobQueue, environments: list[str]) -> None:
    if queue.spec.clusters != ["*"]:
        typer.echo(
            f"Not taken over: clusters {', '.join(queue.spec.clusters)}; the new queue uses all of its pool."
        )
    if queue.spec.compute_environments and not environments:
        names = ", ".join(each.name for each in queue.spec.compute_environments)
        typer.echo(
            f"Not taken over: compute environments {names}; give those of the new pool, if it has some."
        )


async def _check(client: AsyncClient, queue: JobQueue, pool: str, name: str) -> None:
    if queue.spec.pool == pool:
        raise Problem(f"queue {queue.name} is in pool {pool} already")
    if queue.name == name:
        raise Problem("the new queue needs another name than the old one, which stays until it is drained")
    await client.pools.get(pool)
    # Before anything is done that somebody would have to undo.
    await client.queues.drain(queue.name, dry_run=True)


async def _existing(client: AsyncClient, name: str, pool: str) -> JobQueue | None:
    """Return the new queue, if it is there from an earlier attempt."""
    try:
        found = await client.queues.get(name)
    except NotFoundError:
        return None
    if found.spec.pool != pool:
        raise Problem(f"there is a queue {name} already, in pool {found.spec.pool}: choose another name")
    return found


def _drained(watched: list[Watched]) -> bool:
    return bool(watched) and all(each.queue.status.state == "Drained" for each in watched)
