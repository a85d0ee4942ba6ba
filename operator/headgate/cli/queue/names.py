"""The names of queues as arguments: completed from those that are there, and taken as `-o name` prints them."""

from typing import Annotated

import typer

from headgate.cli.completion import names_of
from headgate.cli.output.documents import short_name

KINDS = ("jobqueue", "jobqueues", "jq", "queue")


def plain(text: str) -> str:
    """Return the name in ``jobqueue.headgate.dev/nightly`` or ``nightly``."""
    return short_name(text, *KINDS)


complete = names_of(lambda client: client.queues.names())

QueueName = Annotated[
    str, typer.Argument(metavar="NAME", help="The queue.", autocompletion=complete, callback=plain)
]
QueueNames = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME",
        help="The queues.",
        autocompletion=complete,
        callback=lambda names: [plain(name) for name in names],
    ),
]
