"""The names of queues as arguments: completed from those that are there, and taken as `-o name` prints them."""

from typing import Annotated

from headgate.cli.completion import names_of
from headgate.cli.names import a_name, some_names
from headgate.cli.output.documents import short_name
from headgate.client import AsyncClient

KINDS = ("jobqueue", "jobqueues", "jq", "queue")


def plain(text: str) -> str:
    """Return the name in ``jobqueue.headgate.dev/nightly`` or ``nightly``."""
    return short_name(text, *KINDS)


async def _names(client: AsyncClient) -> list[str]:
    return list(await client.queues.names())


complete = names_of(_names)

QueueName = Annotated[str, a_name("The queue.", KINDS, _names)]
QueueNames = Annotated[list[str], some_names("The queues.", KINDS, _names)]
SomeQueueNames = Annotated[list[str] | None, some_names("The queues; if none is given, all.", KINDS, _names)]
