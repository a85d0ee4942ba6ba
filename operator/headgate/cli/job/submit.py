"""`headgate job submit`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from headgate.api.names import QUEUE_LABEL
from headgate.cli.durations import read_seconds
from headgate.cli.errors import Problem, is_not_found
from headgate.cli.filters import pair
from headgate.cli.interrupt import interruptible
from headgate.cli.job.names import plain as plain_job
from headgate.cli.manifests import read_manifest
from headgate.cli.options import Waiting, Writing
from headgate.cli.output.outage import outages_told
from headgate.cli.output.visible import visible
from headgate.cli.queue.names import complete, plain
from headgate.cli.verb import Session, verb
from headgate.client import HeadgateError, job_manifest


@dataclass(frozen=True)
class JobFields:
    """What a Job may be given."""

    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default=False, help="Its name, if not one made from the queue's."),
    ] = None
    priority: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", show_default=False, help="0 to 9999, in a queue of mode PRIORITY."),
    ] = None
    project: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default=False, help="Its project, if not the namespace."),
    ] = None
    share: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="Its share identifier.")
    ] = None
    run: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="The run that it belongs to.")
    ] = None
    depends_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", show_default=False, help="A Job that has to succeed first; may be repeated."
        ),
    ] = None
    retry_of: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="The Job that it repeats.")
    ] = None
    hold: Annotated[
        bool, typer.Option("--hold", help="Let it wait until its annotation headgate.dev/hold is removed.")
    ] = False
    cpu: Annotated[
        str | None, typer.Option(metavar="QUANTITY", show_default=False, help="What a Pod requests: 500m.")
    ] = None
    memory: Annotated[
        str | None, typer.Option(metavar="QUANTITY", show_default=False, help="What a Pod requests: 4Gi.")
    ] = None
    request: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=QUANTITY",
            show_default=False,
            help="What else a Pod requests: nvidia.com/gpu=1; may be repeated.",
        ),
    ] = None
    parallelism: Annotated[
        int | None, typer.Option(metavar="NUMBER", show_default=False, help="Pods at a time.")
    ] = None
    completions: Annotated[
        int | None, typer.Option(metavar="NUMBER", show_default=False, help="Pods that have to succeed.")
    ] = None
    deadline: Annotated[
        int | None,
        typer.Option(
            parser=read_seconds, metavar="DURATION", show_default=False, help="How long it may run: 90m."
        ),
    ] = None
    retries: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", show_default=False, help="Pods that may fail before the Job does."),
    ] = None
    ttl: Annotated[
        int | None,
        typer.Option(
            parser=read_seconds,
            metavar="DURATION",
            show_default=False,
            help="Delete it so long after it is finished.",
        ),
    ] = None
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", show_default=False, help="An environment variable; may be repeated."
        ),
    ] = None
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", show_default=False, help="A label of the Job; may be repeated."),
    ] = None
    annotation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", show_default=False, help="An annotation of the Job; may be repeated."
        ),
    ] = None
    service_account: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="The ServiceAccount of its Pods.")
    ] = None

    def options(self) -> dict[str, Any]:
        """Return what was given; raises `typer.BadParameter`."""
        # A deadline of 0 is one, too.
        given = {
            name: value
            for name, value in vars(self).items()
            if value not in (None, []) and value is not False
        }
        for option, field in PAIRS.items():
            if texts := given.pop(option, None):
                given[field] = dict(pair(text, f"--{option}") for text in texts)
        if self.depends_on:
            given["depends_on"] = [plain_job(name) for name in self.depends_on]
        if self.retry_of:
            given["retry_of"] = plain_job(self.retry_of)
        return given


PAIRS: Final = {"env": "env", "request": "requests", "label": "labels", "annotation": "annotations"}
"""Options of NAME=VALUE, with what the client calls them."""


@verb(namespaced=True)
async def submit_job(
    session: Session,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", show_default=False, help="What to run, behind --."),
    ] = None,
    *,
    queue: Annotated[
        str | None,
        typer.Option(
            "--queue", "-q", metavar="NAME", show_default=False, help="The queue.", autocompletion=complete
        ),
    ] = None,
    image: Annotated[
        str | None, typer.Option(metavar="IMAGE", show_default=False, help="The container image.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", "-f", metavar="FILE", show_default=False, help="A manifest instead; -: stdin."
        ),
    ] = None,
    fields: JobFields,
    waiting: Waiting,
    writing: Writing,
) -> None:
    """Submit a Job: a command in an image, or a manifest.

    The command stands behind --; without one the image's own is run. The Job waits in the queue until its turn comes;
    `headgate job why` says for what. With --wait, it fails if the Job does.

    For example:
      headgate job submit -q nightly --image busybox --cpu 500m -- echo hello
      headgate job submit -q nightly -f job.yaml --wait --timeout 1h
    """
    jobs, rehearsed = session.client.jobs, writing.is_rehearsal
    queue = plain(queue) if queue else None
    options = fields.options()
    if file is not None:
        if image or command or options:
            raise typer.BadParameter("a file says all but the queue: give no image, command or field with it")
        created = await _from_file(session, file, queue, dry_run=rehearsed)
    elif image and queue:
        manifest = job_manifest(image, command, queue=queue, **options)
        created = await jobs.create_manifest(manifest, dry_run=rehearsed)
    else:
        raise typer.BadParameter("give --queue and --image, or a file with --file")
    metadata = created["metadata"]
    queue = metadata["labels"][QUEUE_LABEL]
    writing.report(created, f"created in queue {queue}")
    await _say_if_missing(session, queue)
    if waiting.wait and not rehearsed:
        name = f"{metadata['namespace']}/{metadata['name']}"
        async with outages_told(session.client):
            done = await jobs.wait(name, timeout=waiting.timeout)
        typer.echo(f"job.batch/{done.name} {done.result}", err=writing.output is not None)
        if done.exception:
            typer.echo(visible(f"{done.exception.type}: {done.exception.note}"), err=True)
        session.failed = not done.success


async def _say_if_missing(session: Session, queue: str) -> None:
    """Say so where there is no such queue: the Job waits until somebody creates it."""
    try:
        await session.client.queues.get_manifest(queue)
    except HeadgateError as error:
        if is_not_found(error):
            typer.echo(f"warning: there is no queue {queue}: a Job in it waits until there is one", err=True)


async def _from_file(session: Session, file: str, queue: str | None, *, dry_run: bool) -> dict[str, Any]:
    try:
        body = read_manifest(_text_of(file))
        if not isinstance(body, dict):
            raise Problem("this is no manifest of a Job")
        return await session.client.jobs.create_manifest(body, queue=queue, dry_run=dry_run)
    except (OSError, UnicodeDecodeError, Problem, ValueError) as error:
        raise Problem(f"{file}: {error}") from error


def _text_of(file: str) -> str:
    if file != "-":
        return Path(file).read_text(encoding="utf-8")
    with interruptible():
        return sys.stdin.read()
