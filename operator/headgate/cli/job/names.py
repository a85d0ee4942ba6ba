"""The names of Jobs as arguments: ``job.batch/train``, ``train`` or, with its namespace, ``team-a/train``."""

from typing import Annotated, Final

from headgate.cli.names import a_name, some_names
from headgate.cli.output.documents import short_name
from headgate.client import AsyncClient

KINDS: Final = ("job", "jobs", "job.batch", "jobs.batch")


def plain(text: str) -> str:
    """Return the name in ``job.batch/train`` or ``train``."""
    return short_name(text, *KINDS)


async def _names(client: AsyncClient) -> list[str]:
    return list(await client.jobs.names())


JobName = Annotated[str, a_name("The Job, or NAMESPACE/NAME.", KINDS, _names)]
JobNames = Annotated[list[str], some_names("The Jobs, or NAMESPACE/NAME.", KINDS, _names)]
SomeJobNames = Annotated[
    list[str] | None, some_names("The Jobs, or NAMESPACE/NAME; if none is given, all.", KINDS, _names)
]
