"""`headgate queue create`."""

from typing import Annotated

import typer

from headgate.cli.completion import names_of
from headgate.cli.filters import pair
from headgate.cli.options import Writing
from headgate.cli.output.documents import manifest_of
from headgate.cli.queue.fields import SpecOptions
from headgate.cli.verb import Session, verb


@verb()
async def create_queue(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new queue.")],
    *,
    run_concurrency: Annotated[
        int, typer.Option(metavar="NUMBER", help="Runs that may be active at once; 0: no limit.")
    ],
    action_concurrency: Annotated[
        int, typer.Option(metavar="NUMBER", help="Jobs that may be active at once; 0: no limit.")
    ],
    pool: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The pool whose clusters run its Jobs, for good. If not given: default.",
            show_default=False,
            autocompletion=names_of(lambda client: client.pools.names()),
        ),
    ] = None,
    spec: SpecOptions,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="KEY=VALUE", help="A tag; may be repeated.", show_default=False),
    ] = None,
    writing: Writing,
) -> None:
    """Create a queue.

    What is not given is what the API server fills in: `kubectl explain jobqueue.spec` tells.

    For example:
      headgate queue create nightly --run-concurrency 1 --action-concurrency 20
      headgate queue create gpu --run-concurrency 0 --action-concurrency 0
    """
    given = spec.fields()
    if pool is not None:
        given["pool"] = pool
    if tags:
        given["tags"] = dict(pair(tag, "--tag") for tag in tags)
    queue = await session.client.queues.create(
        name,
        run_concurrency=run_concurrency,
        action_concurrency=action_concurrency,
        dry_run=writing.is_rehearsal,
        **given,
    )
    writing.report(manifest_of(queue), "created")
