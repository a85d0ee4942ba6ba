"""Whether the Jobs have succeeded that others depend on: a Job by itself does not say if it still waits for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from headgate.api.job import finished
from headgate.client._errors import NotFoundError
from headgate.client._job_reading import settled
from headgate.kube.paths import job_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.client._connection import Connection
    from headgate.client._job_info import JobInfo

AT_ONCE: Final = 16
MOST_KNOWN: Final = 20_000

Named = tuple[str, str]


class Dependencies:
    """Asks once for each Job that others depend on. One that is not there any more counts as not succeeded."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[Named, bool] = {}

    async def settle(self, jobs: list[JobInfo]) -> list[JobInfo]:
        """Return the Jobs with their true states; raises `HeadgateError`."""
        unknown = {one for job in jobs if job.state == "depend" for one in _named(job)} - self._known.keys()
        if len(self._known) + len(unknown) > MOST_KNOWN:
            self._known.clear()
            unknown = {one for job in jobs if job.state == "depend" for one in _named(job)}
        limit = asyncio.Semaphore(AT_ONCE)

        async def ask(one: Named) -> None:
            async with limit:
                self._known[one] = await self._succeeded(*one)

        await asyncio.gather(*(ask(one) for one in unknown))
        return [
            settled(job) if job.state == "depend" and all(self._known[one] for one in _named(job)) else job
            for job in jobs
        ]

    async def _succeeded(self, namespace: str, name: str) -> bool:
        path = job_path(quote(namespace, safe=""), quote(name, safe=""))
        try:
            return finished(await self._connection.call("GET", path)) == "succeeded"
        except NotFoundError:
            return False


def _named(job: JobInfo) -> Iterable[Named]:
    return ((job.namespace, name) for name in job.dependencies)
