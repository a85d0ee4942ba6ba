"""Lists of Jobs: page by page, and no more held than a page and the newest that are wanted."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING, Any, Final

from headgate.client._connection import tidy
from headgate.client._sorting import directives, in_order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from headgate.client._connection import Connection
    from headgate.client._job_info import JobInfo
    from headgate.client._job_query import JobQuery
    from headgate.client._sorting import Fields

Json = dict[str, Any]
Found = tuple["JobInfo", Json]

SORT: Final[Fields[JobInfo]] = {
    "name": lambda job: job.name,
    "namespace": lambda job: job.namespace,
    "created": lambda job: job.t_submit,
    "started": lambda job: job.t_run,
    "finished": lambda job: job.t_inactive,
    "state": lambda job: job.result or job.state,
    "queue": lambda job: job.queue,
    "user": lambda job: job.username,
    "project": lambda job: job.project,
    "priority": lambda job: job.priority,
    "runtime": lambda job: job.runtime,
}


@dataclass(frozen=True)
class Listing:
    """Which Jobs, how many of them at most (the newest; 0: all), and in what order."""

    query: JobQuery
    limit: int
    sort: str | Sequence[str] = ()
    page_size: int | None = None
    on_left_out: Callable[[int], object] | None = None
    keep: bool = False
    """Whether the JSON of the Jobs is wanted, too."""

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError(f"limit: must be 0 or more, not {self.limit}")
        directives(self.sort, SORT)

    async def of(self, connection: Connection, path: str) -> AsyncGenerator[Found, None]:
        """Yield the Jobs of a path: in order, or the newest first, or all of them as they come."""
        async with aclosing(self._found(connection, path)) as found:
            if not self.limit and not self.sort:
                async for one in found:
                    yield one
                return
            held = await self._newest(found) if self.limit else [one async for one in found]
        if self.sort:
            manifests = {info.uid: raw for info, raw in held}
            held = [
                (info, manifests[info.uid]) for info in in_order((info for info, _ in held), self.sort, SORT)
            ]
        for info, raw in held:
            yield info, raw

    async def _newest(self, found: AsyncGenerator[Found, None]) -> list[Found]:
        newest: list[tuple[float, str, JobInfo, Json]] = []
        left_out = 0
        async for info, raw in found:
            entry = (info.t_submit, info.uid, info, raw)
            if len(newest) < self.limit:
                heappush(newest, entry)
            else:
                heappushpop(newest, entry)
                left_out += 1
        if left_out and self.on_left_out is not None:
            self.on_left_out(left_out)
        newest.sort(reverse=True, key=lambda entry: entry[:2])
        return [(info, raw) for _, _, info, raw in newest]

    async def _found(self, connection: Connection, path: str) -> AsyncGenerator[Found, None]:
        from headgate.client._job_dependencies import Dependencies
        from headgate.client._job_reading import info_of

        query, dependencies = self.query, Dependencies(connection)
        pages = connection.pages(
            path, limit=self.page_size, labelSelector=query.labels, fieldSelector=query.fields
        )
        async with aclosing(pages):
            async for page in pages:
                read = [(info_of(raw), raw) for raw in page["items"]]
                read = [(info, raw) for info, raw in read if query.may_match(info)]
                infos = await dependencies.settle([info for info, _ in read])
                for info, (_, raw) in zip(infos, read, strict=True):
                    if query.matches(info):
                        head = {"apiVersion": "batch/v1", "kind": "Job"}
                        yield info, tidy({**head, **raw}) if self.keep else {}
                del page, read, infos
