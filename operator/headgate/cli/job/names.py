"""The names of Jobs as arguments."""

from typing import Annotated, Final

import typer

from headgate.cli.completion import names_of
from headgate.cli.output.documents import short_name
from headgate.client import AsyncClient

KINDS: Final = ("job", "jobs", "job.batch")


async def _names(client: AsyncClient) -> list[str]:
    return list(await client.jobs.names())


def plain(text: str) -> str:
    """Return the name in ``job.batch/train``, ``train`` or, with its namespace, ``team-a/train``."""
    return short_name(text, *KINDS)


JobName = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The Job, or NAMESPACE/NAME.", autocompletion=names_of(_names), callback=plain
    ),
]
JobNames = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME",
        help="The Jobs, or NAMESPACE/NAME.",
        autocompletion=names_of(_names),
        callback=lambda names: [plain(name) for name in names],
    ),
]
