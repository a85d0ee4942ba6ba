"""The names of Jobs as arguments: ``job.batch/train``, ``train`` or, with its namespace, ``team-a/train``."""

from typing import Annotated, Final

from headgate.cli.names import a_name, some_names
from headgate.client import AsyncClient

KINDS: Final = ("job", "jobs", "job.batch")


async def _names(client: AsyncClient) -> list[str]:
    return list(await client.jobs.names())


JobName = Annotated[str, a_name("The Job, or NAMESPACE/NAME.", KINDS, _names)]
JobNames = Annotated[list[str], some_names("The Jobs, or NAMESPACE/NAME.", KINDS, _names)]
