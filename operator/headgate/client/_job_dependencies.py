"""Whether the Jobs have succeeded that others depend on: a Job by itself does not say if it still waits for them."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from headgate.api.job import finished
from headgate.client._errors import NotFoundError
from headgate.client._job_info import settled
from headgate.kube.paths import job_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.client._connection import Connection
    from headgate.client._job_info import JobInfo

AT_ONCE: Final = 16
MOST_KNOWN: Final = 20_000

Named = tuple[str, str]


class Dependencies:
    """Asks once for each Job that others depend on. One that is not there any more counts as not succeeded.

    Jobs that a watch shows are not asked for: it says what becomes of them (`saw`, `gone`). Of others, only that they
    have succeeded is remembered in a watch, for it lasts.
    """

    def __init__(self, connection: Connection, *, watching: bool = False) -> None:
        self._connection = connection
        self._watching = watching
        self._shown: dict[Named, bool] = {}
        self._asked: dict[Named, bool] = {}

    def saw(self, job: JobInfo) -> None:
        """Take in a Job that the watch shows, and will show again when it changes."""
        self._shown[job.namespace, job.name] = job.result == "completed"

    def gone(self, job: JobInfo) -> None:
        """Take in that a Job was deleted."""
        self._shown[job.namespace, job.name] = False

    async def settle(self, jobs: list[JobInfo]) -> list[JobInfo]:
        """Return the Jobs with their true states; raises `HeadgateError`."""
        depends_on = {
            one for job in jobs if job.state == "depend" for one in _named(job)
        } - self._shown.keys()
        if len(self._asked.keys() | depends_on) > MOST_KNOWN:
            self._asked.clear()
        limit = asyncio.Semaphore(AT_ONCE)

        async def ask(one: Named) -> None:
            async with limit:
                self._asked[one] = await self._succeeded(*one)

        await asyncio.gather(*(ask(one) for one in depends_on - self._asked.keys()))
        known = ChainMap(self._shown, self._asked)
        told = [
            settled(job) if job.state == "depend" and all(known[one] for one in _named(job)) else job
            for job in jobs
        ]
        if self._watching:
            self._asked = {one: True for one, succeeded in self._asked.items() if succeeded}
        return told

    async def unmet(self, job: JobInfo) -> list[str]:
        """Return the names of Jobs that a Job depends on and that have not succeeded; raises `HeadgateError`."""
        await self.settle([job])
        known = ChainMap(self._shown, self._asked)
        return [name for namespace, name in _named(job) if not known.get((namespace, name))]

    async def _succeeded(self, namespace: str, name: str) -> bool:
        path = job_path(quote(namespace, safe=""), quote(name, safe=""))
        try:
            return finished(await self._connection.call("GET", path)) == "succeeded"
        except NotFoundError:
            return False


def _named(job: JobInfo) -> Iterable[Named]:
    return ((job.namespace, name) for name in job.dependencies)
