"""The program: its verbs, and what may stand before them."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from headgate import __version__
from headgate.cli.command import Command
from headgate.cli.completion import completion, prepare
from headgate.cli.doctor import doctor
from headgate.cli.environment import get_environment, list_environments
from headgate.cli.help import help_of
from headgate.cli.job.cancel import cancel_jobs
from headgate.cli.job.get import get_job
from headgate.cli.job.list import list_jobs
from headgate.cli.job.logs import print_logs
from headgate.cli.job.submit import submit_job
from headgate.cli.job.why import why_job
from headgate.cli.pool import get_pool, list_pools
from headgate.cli.queue.create import create_queue
from headgate.cli.queue.delete import delete_queue
from headgate.cli.queue.dispatch import pause_queue, resume_queue
from headgate.cli.queue.edit import edit_queue
from headgate.cli.queue.get import get_queue
from headgate.cli.queue.life import activate_queue, archive_queue, drain_queue, terminate_queue
from headgate.cli.queue.list import list_queues
from headgate.cli.queue.migrate import migrate_queue
from headgate.cli.queue.tag import tag_queue
from headgate.cli.queue.update import update_queue
from headgate.cli.queue.watch import watch_queues
from headgate.cli.verb import Context, Kubeconfig, Namespace, Namespaced

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

app = typer.Typer(
    name="headgate",
    help="Queues for Kubernetes Jobs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


VERBS: Final[dict[str, dict[str, Callable[..., None]]]] = {
    "queue": {
        "list": list_queues,
        "get": get_queue,
        "create": create_queue,
        "update": update_queue,
        "edit": edit_queue,
        "watch": watch_queues,
        "pause": pause_queue,
        "resume": resume_queue,
        "drain": drain_queue,
        "activate": activate_queue,
        "archive": archive_queue,
        "terminate": terminate_queue,
        "delete": delete_queue,
        "tag": tag_queue,
        "migrate": migrate_queue,
    },
    "pool": {"list": list_pools, "get": get_pool},
    "environment": {"list": list_environments, "get": get_environment},
    "job": {
        "list": list_jobs,
        "get": get_job,
        "submit": submit_job,
        "cancel": cancel_jobs,
        "why": why_job,
        "logs": print_logs,
    },
    "doctor": {},
    "completion": {},
}
"""Every verb, by its group, in the order of the help."""
GROUPS: Final = {
    "job": "Jobs that wait in queues, run, or have ended.",
    "queue": "The lanes in which Jobs wait for their turn.",
    "pool": "Sets of clusters that queues never leave.",
    "environment": "Kinds of compute in a pool's clusters.",
}

for name, verbs in VERBS.items():
    if not verbs:
        continue
    group = typer.Typer(name=name, help=GROUPS[name], no_args_is_help=True, rich_markup_mode=None)
    for verb, command in verbs.items():
        group.command(verb, cls=Command, help=help_of(command))(command)
    app.add_typer(group)
app.command("doctor", cls=Command, help=help_of(doctor))(doctor)
app.command("completion", cls=Command, help=help_of(completion))(completion)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"headgate {__version__}")
        raise typer.Exit


@app.callback()
def connection(
    ctx: typer.Context,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda value: _version(wanted=value),
            is_eager=True,
            help="Print the version of this program and exit.",
        ),
    ] = False,
) -> None:
    """Remember what stands before the verb."""
    ctx.obj = Namespaced(kubeconfig, context, namespace)


def main() -> None:
    """Entry point of `headgate` and, as a plugin of kubectl, of `kubectl-headgate`."""
    prepare()
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    try:
        try:
            app(prog_name="kubectl headgate" if plugin else "headgate")
        finally:
            sys.stdout.flush()
    except OSError as error:
        # What could not be written stays in the buffer, and would be tried again, and told of, at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(f"error: {error}")
