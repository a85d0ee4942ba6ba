"""The words of Flux's `flux.job.list`, for scripts that come from there: the same functions over `jobs.list`.

A job id is namespace and name, ``team-a/train``, or the name alone for a Job of the client's namespace. Each function
has a form for asyncio, which takes an `AsyncClient`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from headgate.client import _job_info as words
from headgate.client._errors import ForbiddenError, NotFoundError, RefusedError, ServerError
from headgate.client._job_query import MAX_ENTRIES, JobQuery, words_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from headgate.client._client import AsyncClient
    from headgate.client._job_info import JobInfo
    from headgate.client._sync import Client

AT_ONCE: Final = 16
"""How many Jobs are asked for at a time where they are given by id."""
ALL: Final = ("all",)
OF_ONE_JOB: Final = (NotFoundError, ForbiddenError, RefusedError, ServerError)
"""What goes wrong with one Job, and not with the connection to the API server."""

Texts = str | Iterable[str]
"""One text, or several."""


class Found(NamedTuple):
    """The answer to a query."""

    jobs: list[JobInfo]
    errors: list[str]


class JobListFuture:
    """An answer that is under way; it begins when it is made."""

    def __init__(self, client: Client, answer: Coroutine[Any, Any, Found], attrs: Texts = ALL) -> None:
        self._attrs = _attributes(attrs)
        self._running = client._portal.start(answer)

    def is_ready(self) -> bool:
        """Whether it is there."""
        return self._running.is_done()

    def get_jobinfos(self) -> list[JobInfo]:
        """Wait for it and return the Jobs, newest first; raises `HeadgateError`."""
        return self._running.result().jobs

    def get_jobs(self) -> list[dict[str, Any]]:
        """Return the same as dictionaries, with the attributes that were asked for."""
        return [job.to_dict(self._attrs) for job in self.get_jobinfos()]

    @property
    def errors(self) -> list[str]:
        """Why Jobs asked for by id are not in the answer."""
        return self._running.result().errors


class JobListIdFuture:
    """A Job that is asked for by id."""

    def __init__(self, client: Client, answer: Coroutine[Any, Any, JobInfo], attrs: Texts = ALL) -> None:
        self._attrs = _attributes(attrs)
        self._running = client._portal.start(answer)

    def is_ready(self) -> bool:
        """Whether it is there."""
        return self._running.is_done()

    def get_jobinfo(self) -> JobInfo:
        """Wait for it and return the Job; raises `NotFoundError` where there is none, and `ForbiddenError`."""
        return self._running.result()

    def get_job(self) -> dict[str, Any]:
        """Return the same as a dictionary, with the attributes that were asked for."""
        return self.get_jobinfo().to_dict(self._attrs)


class _Query:
    """What both forms of a list have: the question, and how it is asked."""

    RESULTS: ClassVar[Mapping[str, frozenset[words.JobResult]]] = {
        result: frozenset({result}) for result in words.RESULTS
    }
    STATES: ClassVar[Mapping[str, frozenset[words.JobState]]] = words.STATES

    def __init__(
        self,
        attrs: Texts,
        filters: Texts,
        ids: Texts,
        user: str | int | None,
        max_entries: int,
        since: float,
        name: str | None,
        queue: str | None,
        namespace: str | None,
        all_namespaces: bool,
    ) -> None:
        self.attrs = _attributes(attrs)
        self.filters = _filters(filters)
        self.ids = [ids] if isinstance(ids, str) else list(ids)
        self.user = user
        self.max_entries = max_entries
        self.since = since
        self.name = name
        self.queue = queue
        self.namespace = namespace
        self.all_namespaces = all_namespaces
        self.errors: list[str] = []
        """Why Jobs asked for by id were not in the last answer."""

    def add_filter(self, filter_name: Texts) -> None:
        """Also list Jobs of a state or a result; raises ValueError for a word that is neither."""
        self.filters += _filters(filter_name)

    def set_user(self, user: str | int | None) -> None:
        """List only the Jobs of a user; of all with None, or with "all"."""
        self.user = user

    async def _fetch(self, client: AsyncClient) -> Found:
        if self.ids:
            return await _by_ids(client, self.ids, self.namespace)
        listed = client.jobs.list(
            filters=self.filters,
            queue=self.queue,
            user=None if self.user is None else str(self.user),
            name=self.name,
            since=self.since,
            limit=self.max_entries,
            namespace=self.namespace,
            all_namespaces=self.all_namespaces,
        )
        jobs = [job async for job in listed]
        if not self.max_entries:
            jobs.sort(key=lambda job: (job.t_submit, job.uid), reverse=True)
        return Found(jobs, [])


class AsyncJobList(_Query):
    """The same as `JobList`, for asyncio."""

    def __init__(
        self,
        client: AsyncClient,
        attrs: Texts = ALL,
        filters: Texts = (),
        ids: Texts = (),
        user: str | int | None = None,
        max_entries: int = MAX_ENTRIES,
        since: float = 0.0,
        name: str | None = None,
        queue: str | None = None,
        *,
        namespace: str | None = None,
        all_namespaces: bool = False,
    ) -> None:
        super().__init__(
            attrs, filters, ids, user, max_entries, since, name, queue, namespace, all_namespaces
        )
        self._client = client

    async def jobs(self) -> list[JobInfo]:
        """Ask anew and return the Jobs, newest first; raises `ForbiddenError` and `UnreachableError`.

        Ids of which there is no answer are no error: they are in `errors`.
        """
        jobs, self.errors = await self._fetch(self._client)
        return jobs


class JobList(_Query):
    """The Jobs of queues, as `flux.job.list.JobList` has them.

    `attrs` are the attributes that `get_jobs` gives, see `ATTRIBUTES`. `filters` are states and results. Each may be
    one text (words with commas between them) or several, and `ids` one id or several. With `ids`, these Jobs are given
    and all other conditions ignored. `user` is a name, None for all. `max_entries` is how many at most, the newest, 0
    for all. Of finished Jobs those are given that ended after `since`, in seconds since the epoch. `name` and `queue`
    are exact. Jobs are of the client's namespace, of `namespace`, or with `all_namespaces` of all.

    Raises ValueError for an attribute or a filter that does not exist.
    """

    def __init__(
        self,
        client: Client,
        attrs: Texts = ALL,
        filters: Texts = (),
        ids: Texts = (),
        user: str | int | None = None,
        max_entries: int = MAX_ENTRIES,
        since: float = 0.0,
        name: str | None = None,
        queue: str | None = None,
        *,
        namespace: str | None = None,
        all_namespaces: bool = False,
    ) -> None:
        super().__init__(
            attrs, filters, ids, user, max_entries, since, name, queue, namespace, all_namespaces
        )
        self._client = client
        self._under_way: JobListFuture | None = None

    def add_filter(self, filter_name: Texts) -> None:
        """Also list Jobs of a state or a result; raises ValueError for a word that is neither."""
        super().add_filter(filter_name)
        self._under_way = None

    def set_user(self, user: str | int | None) -> None:
        """List only the Jobs of a user; of all with None, or with "all"."""
        super().set_user(user)
        self._under_way = None

    def fetch_jobs(self) -> JobListFuture:
        """Ask for the Jobs and return the answer that is under way."""
        self._under_way = JobListFuture(self._client, self._fetch(self._client._async), self.attrs)
        return self._under_way

    def jobs(self) -> list[JobInfo]:
        """Return the Jobs, newest first: what `fetch_jobs` has asked for since the last time, or else asked for now.

        Ids of which there is no answer are no error: they are in `errors`. Raises `ForbiddenError` and
        `UnreachableError`.
        """
        answer, self._under_way = self._under_way or self.fetch_jobs(), None
        jobs, self.errors = answer.get_jobinfos(), answer.errors
        return jobs


def job_list(
    client: Client,
    max_entries: int = MAX_ENTRIES,
    attrs: Texts = ALL,
    userid: str | int | None = None,
    states: Texts | Literal[0] = (),
    results: Texts | Literal[0] = (),
    since: float = 0.0,
    name: str | None = None,
    queue: str | None = None,
) -> JobListFuture:
    """Ask for Jobs, see `JobList`; without `userid`, for those of all users.

    `states` and `results` are words, or values of `JobList.STATES` and `JobList.RESULTS`; 0 is all, as in Flux.
    """
    filters = _states_and_results(states, results)
    return JobList(client, attrs, filters, (), userid, max_entries, since, name, queue).fetch_jobs()


def job_list_inactive(
    client: Client,
    since: float = 0.0,
    max_entries: int = MAX_ENTRIES,
    attrs: Texts = ALL,
    name: str | None = None,
    queue: str | None = None,
) -> JobListFuture:
    """Ask for finished Jobs only."""
    return job_list(client, max_entries, attrs, None, ("inactive",), (), since, name, queue)


def job_list_id(client: Client, jobid: str, attrs: Texts = ALL) -> JobListIdFuture:
    """Ask for one Job."""
    return JobListIdFuture(client, client._async.jobs.get(jobid), attrs)


def get_job(client: Client, jobid: str) -> dict[str, Any] | None:
    """Return one Job as a dictionary, None where there is none; raises `ForbiddenError` and `UnreachableError`."""
    try:
        return job_list_id(client, jobid).get_job()
    except NotFoundError:
        return None


async def async_job_list(
    client: AsyncClient,
    max_entries: int = MAX_ENTRIES,
    attrs: Texts = ALL,
    userid: str | int | None = None,
    states: Texts | Literal[0] = (),
    results: Texts | Literal[0] = (),
    since: float = 0.0,
    name: str | None = None,
    queue: str | None = None,
) -> list[JobInfo]:
    """Return Jobs, see `job_list`."""
    filters = _states_and_results(states, results)
    return await AsyncJobList(client, attrs, filters, (), userid, max_entries, since, name, queue).jobs()


async def async_job_list_inactive(
    client: AsyncClient,
    since: float = 0.0,
    max_entries: int = MAX_ENTRIES,
    attrs: Texts = ALL,
    name: str | None = None,
    queue: str | None = None,
) -> list[JobInfo]:
    """Return finished Jobs only."""
    return await async_job_list(client, max_entries, attrs, None, ("inactive",), (), since, name, queue)


async def async_job_list_id(client: AsyncClient, jobid: str) -> JobInfo:
    """Return one Job; raises `NotFoundError` where there is none, and `ForbiddenError`."""
    return await client.jobs.get(jobid)


async def async_get_job(client: AsyncClient, jobid: str) -> dict[str, Any] | None:
    """Return one Job as a dictionary, None where there is none."""
    try:
        return (await client.jobs.get(jobid)).to_dict()
    except NotFoundError:
        return None


async def _by_ids(client: AsyncClient, ids: Sequence[str], namespace: str | None) -> Found:
    limit = asyncio.Semaphore(AT_ONCE)

    async def ask(jobid: str) -> JobInfo | str:
        async with limit:
            try:
                return await client.jobs.get(jobid, namespace=namespace)
            except OF_ONE_JOB as error:
                return f"{jobid}: {error}"

    answers = await asyncio.gather(*(ask(jobid) for jobid in ids))
    return Found(
        [answer for answer in answers if not isinstance(answer, str)],
        [answer for answer in answers if isinstance(answer, str)],
    )


def _attributes(attrs: Texts) -> tuple[str, ...]:
    """Return the attributes that are meant."""
    names = tuple(words_of(attrs))
    if "all" in names:
        return words.ATTRIBUTES
    if unknown := [name for name in names if name not in words.ATTRIBUTES]:
        raise ValueError(f"attrs: must be all, or some of {', '.join(words.ATTRIBUTES)}, not {unknown[0]!r}")
    return names


def _states_and_results(states: Texts | Literal[0], results: Texts | Literal[0]) -> list[str]:
    """Return filters for what must be of one of the states and, where it is inactive, have one of the results."""
    ends = _filters(results or ())
    return [state for state in _filters(states or ()) if not ends or state != "inactive"] + ends


def _filters(given: Texts) -> list[str]:
    """Return the states and results that are meant: words, also with commas between them, or values of `STATES`."""
    found = words_of(given)
    JobQuery.of(found)
    return found
