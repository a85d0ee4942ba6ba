"""`headgate job submit`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from headgate.cli.errors import Problem
from headgate.cli.filters import pair
from headgate.cli.queue.names import complete, plain
from headgate.cli.verb import Session, verb
from headgate.client import JobInfo


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
    parallelism: Annotated[
        int | None, typer.Option(metavar="NUMBER", show_default=False, help="Pods at a time.")
    ] = None
    completions: Annotated[
        int | None, typer.Option(metavar="NUMBER", show_default=False, help="Pods that have to succeed.")
    ] = None
    deadline: Annotated[
        int | None, typer.Option(metavar="SECONDS", show_default=False, help="How long it may run.")
    ] = None
    retries: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", show_default=False, help="Pods that may fail before the Job does."),
    ] = None
    ttl: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", show_default=False, help="Delete it so long after it is finished."),
    ] = None
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", show_default=False, help="An environment variable; may be repeated."
        ),
    ] = None
    service_account: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="The ServiceAccount of its Pods.")
    ] = None

    def options(self) -> dict[str, Any]:
        """Return what was given; raises `typer.BadParameter`."""
        given = {name: value for name, value in vars(self).items() if value not in (None, [], False)}
        if self.env:
            given["env"] = dict(pair(text, "--env") for text in self.env)
        return given


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
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is finished, and fail if it did.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, show_default=False, help="Wait so long at most.")
    ] = None,
    dry_run: Annotated[
        Literal["none", "server"],
        typer.Option("--dry-run", help="server: let the API server check it, and create nothing."),
    ] = "none",
    output: Annotated[
        Literal["name"] | None,
        typer.Option("--output", "-o", show_default=False, help="Print the name of the Job only."),
    ] = None,
) -> None:
    """Submit a Job: a command in an image, or a manifest.

    The command stands behind --. The Job waits in the queue until its turn comes; `headgate job why` says for what.

    For example:
      headgate job submit -q nightly --image busybox --cpu 500m -- echo hello
      headgate job submit -q nightly -f job.yaml --wait --timeout 3600
    """
    rehearsed = dry_run == "server"
    queue = plain(queue) if queue else None
    options = fields.options()
    if file is not None:
        if image or command or options:
            raise typer.BadParameter("a file says all but the queue: give no image, command or field with it")
        job = await _from_file(session, file, queue, dry_run=rehearsed)
    elif image and command and queue:
        job = await session.client.jobs.submit(image, command, queue=queue, dry_run=rehearsed, **options)
    else:
        raise typer.BadParameter("give --queue, --image and, behind --, a command; or a file with --file")
    typer.echo(
        f"job.batch/{job.name}"
        if output
        else f"job.batch/{job.name} created in queue {job.queue}" + (" (server dry run)" if rehearsed else "")
    )
    if wait and not rehearsed:
        done = await session.client.jobs.wait(job.id, timeout=timeout)
        typer.echo(f"job.batch/{done.name} {done.result}", err=bool(output))
        if done.exception:
            typer.echo(f"{done.exception.type}: {done.exception.note}", err=True)
        session.failed = not done.success


async def _from_file(session: Session, file: str, queue: str | None, *, dry_run: bool) -> JobInfo:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()  # noqa: ASYNC240 - nothing else goes on
        body = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Problem(f"{file}: {error}") from error
    if not isinstance(body, dict):
        raise Problem(f"{file}: this is no manifest of a Job")
    try:
        return await session.client.jobs.submit_manifest(body, queue=queue, dry_run=dry_run)
    except ValueError as error:
        raise Problem(f"{file}: {error}") from error
