"""Jobs: submitted, listed, waited for, canceled."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Unpack

from headgate.api.names import QUEUE_LABEL, REASON_CANCELED
from headgate.api.times import timestamp
from headgate.client._collection import segment
from headgate.client._connection import tidy
from headgate.client._errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from headgate.client._job_listing import Listing
from headgate.client._job_query import MAX_ENTRIES, check_filters, check_selection, query_of
from headgate.client._patience import patience
from headgate.client._submission import in_queue, job_manifest
from headgate.kube.paths import JOBS, jobs_path

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from headgate.client._connection import Connection, Json
    from headgate.client._events import EventType
    from headgate.client._job_info import JobInfo
    from headgate.client._job_query import JobFilters, JobQuery, JobSelection
    from headgate.client._pods import JobPod
    from headgate.client._submission import JobOptions
    from headgate.engine.explain import Explanation

TRIES: Final = 10


class JobEvent(NamedTuple):
    """What has happened to a Job, and the Job as it is since, or was last."""

    type: EventType
    job: JobInfo


class LogLine(NamedTuple):
    """A line that a Pod wrote."""

    pod: str
    container: str
    text: str


class AsyncJobs:
    """The Jobs of queues.

    Names are of the client's namespace, unless `namespace` says another, or the name itself: ``team-a/train``.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def submit(
        self,
        image: str,
        command: str | Sequence[str] | None = None,
        *,
        queue: str,
        namespace: str | None = None,
        dry_run: bool = False,
        **options: Unpack[JobOptions],
    ) -> JobInfo:
        """Create a Job that runs a command in a container of an image, and return it; see `JobOptions`.

        A command that is one string is given to the image's shell; without one the image's own is run. Raises
        `RefusedError` where the queue takes no Jobs or a value is wrong, `AlreadyExistsError`, and `ForbiddenError`.
        """
        manifest = job_manifest(image, command, queue=queue, **options)
        return await self.submit_manifest(manifest, namespace=namespace, dry_run=dry_run)

    async def submit_manifest(
        self,
        manifest: Mapping[str, Any],
        *,
        queue: str | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> JobInfo:
        """Create a Job from what a file says, and return it; `queue` puts it into another queue than the file does.

        Raises as `submit` does, also for a field that does not exist, and ValueError for what is no Job, or names no
        queue.
        """
        created = await self.create_manifest(manifest, queue=queue, namespace=namespace, dry_run=dry_run)
        return await self._read(created)

    async def create_manifest(
        self,
        manifest: Mapping[str, Any],
        *,
        queue: str | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Do the same as `submit_manifest`, and return the Job as the API server has it then, with its defaults."""
        body = in_queue(manifest, queue)
        where = namespace or body["metadata"].get("namespace") or await self._namespace()
        params = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        return tidy(await self._connection.call("POST", _path(where), body, params=params))

    async def get(self, name: str, *, namespace: str | None = None) -> JobInfo:
        """Return a Job; raises `NotFoundError`, `ForbiddenError`, and `UnreachableError`."""
        return await self._read(await self._get(name, namespace))

    async def get_manifest(self, name: str, *, namespace: str | None = None) -> dict[str, Any]:
        """Return a Job as the API server has it, all but `metadata.managedFields`; raises as `get` does."""
        return tidy(await self._get(name, namespace))

    async def list(self, **filters: Unpack[JobFilters]) -> AsyncIterator[JobInfo]:
        """Yield the newest Jobs of queues that meet all filters, newest first; see `JobFilters`.

        With `limit` 0, all, as the API server has them. However many Jobs there are, no more than a page and `limit`
        are held, or all where all are to be sorted. Raises ValueError for a filter that is wrong, TypeError for one
        that does not exist, `ForbiddenError`, and `UnreachableError`.
        """
        async with aclosing(self._list(filters)) as found:
            async for info, _ in found:
                yield info

    async def list_manifests(self, **filters: Unpack[JobFilters]) -> AsyncIterator[dict[str, Any]]:
        """Yield the same as `list`, each as the API server has it, all but `metadata.managedFields`."""
        async with aclosing(self._list(filters, keep=True)) as found:
            async for _, raw in found:
                yield raw

    async def names(self, *, namespace: str | None = None) -> Sequence[str]:
        """Return the names of the Jobs of queues: for completion. Raises `ForbiddenError` and `UnreachableError`."""
        path = _path(namespace or await self._namespace())
        async with aclosing(self._connection.objects(path, labelSelector=QUEUE_LABEL)) as objects:
            return [raw["metadata"]["name"] async for raw in objects]

    async def cancel(
        self, name: str, *, message: str = "", namespace: str | None = None, dry_run: bool = False
    ) -> Literal["canceled", "deleted"]:
        """Cancel a Job that waits or runs, and return what became of it: "canceled" or "deleted".

        Who may write the status of Jobs (``patch jobs/status``; ClusterRole edit has no such right) cancels it: it
        stays, with the reason Canceled and the message, and Jobs that depend on it are told. For everybody else it is
        deleted, and its Pods with it. Raises `NotFoundError`, `RefusedError` for a Job that is finished, and
        `ForbiddenError` for who may do neither.
        """
        for attempt in range(1, TRIES + 1):
            raw = await self._get(name, namespace)
            try:
                return await self._cancel(raw, message, dry_run=dry_run)
            except ConflictError:
                if attempt == TRIES:
                    raise
        raise AssertionError("unreachable")

    async def wait(self, name: str, *, timeout: float | None = None, namespace: str | None = None) -> JobInfo:
        """Wait until a Job is finished, however it ended, and return it: see its `result`.

        `timeout` is in seconds. Raises `TimeoutError`, and `NotFoundError` where there is no such Job or it is deleted.
        """
        from headgate.client._events import versions
        from headgate.client._job_dependencies import Dependencies
        from headgate.client._job_reading import info_of

        last = await self.get(name, namespace=namespace)

        def state_now() -> str:
            return f'Job "{last.id}" is not finished ({last.state})'

        seen = versions(self._connection, _path(last.namespace), last.name, info_of)
        async with patience(timeout, state_now), aclosing(seen) as jobs:
            async for job in jobs:
                if job.uid != last.uid:
                    break
                last = (await Dependencies(self._connection).settle([job]))[0]
                if last.result is not None:
                    return last
        raise NotFoundError(f'Job "{last.id}" was deleted before it was finished')

    async def why(self, name: str, *, namespace: str | None = None) -> Explanation:
        """Say why a Job waits: what holds it, who goes before it, and an estimate of when it goes.

        It is computed from a list of everything, by the same engine that the operator decides by. Without the right to
        list Jobs in the whole cluster, it says what the Job and the status of its queue tell, and in `unseen` which
        right is missing. For a Job that is admitted there is nothing to say. Raises `NotFoundError`, `RefusedError` for
        a Job that is finished or in no queue, and `ForbiddenError` for who may not see the Job.
        """
        from headgate.client._why import why
        from headgate.client._why_partly import why_partly

        raw = await self._get(name, namespace)
        job = await self._read(raw)
        if job.queue is None:
            raise RefusedError(f'Job "{job.id}" is in no queue: it has no label {QUEUE_LABEL}')
        if job.result is not None:
            raise RefusedError(f'Job "{job.id}" is finished: {job.result}')
        try:
            explanation = await why(self._connection, raw)
        except ForbiddenError as error:
            return await why_partly(self._connection, raw, job, error.right)
        if explanation is None:
            raise NotFoundError(f'Job "{job.id}" has just ended')
        return explanation

    async def pods(
        self,
        name: str,
        *,
        wait: bool = False,
        container: str | None = None,
        all_containers: bool = False,
        namespace: str | None = None,
    ) -> Sequence[JobPod]:
        """Return the Pods of a Job of which a container has started, the oldest first.

        With `wait`, for a Job that waits or whose Pods are yet to start, it waits until the main container of one has
        started, or the one named `container`, or with `all_containers` any. Raises `RefusedError` where there are none:
        the Job waits, they are gone, or they are in another cluster (the message says in which); `NotFoundError` and
        `ForbiddenError`.
        """
        from headgate.client._pods import JobPods, Wanted

        wanted = Wanted(None, container, all_containers) if wait else None
        return await JobPods(self._connection, await self._get(name, namespace)).started(wait=wanted)

    async def logs(
        self,
        name: str,
        *,
        pod: str | None = None,
        container: str | None = None,
        all_containers: bool = False,
        follow: bool = False,
        tail: int | None = None,
        since: float = 0.0,
        timestamps: bool = False,
        previous: bool = False,
        namespace: str | None = None,
    ) -> AsyncIterator[LogLine]:
        """Yield what the Pods of a Job wrote, line by line: one Pod after the other, the oldest first, or only `pod`.

        Without `container` it is the main one of each Pod, or as long as that has not started the last of those before
        it; with `all_containers`, all of them. `tail` is how many lines at the end of each log, `since` leaves out what
        was written before (seconds since the epoch), and `previous` is the container as it was before it was started
        again. With `follow` lines come as they are written, until the Job is finished: of all its Pods at the same
        time, also of those that come later; what has not started is waited for, so that without `container` it is the
        main one. With `pod`, they come until that one has ended. Raises as `pods` does, and `RefusedError` for a
        container that is not there.
        """
        from headgate.client._logs import Reading
        from headgate.client._pods import JobPods, Wanted

        options = {
            "follow": "true" if follow else "",
            "tailLines": "" if tail is None else str(tail),
            "sinceTime": timestamp(since) if since else "",
            "timestamps": "true" if timestamps else "",
            "previous": "true" if previous else "",
        }
        reading = Reading(
            JobPods(self._connection, await self._get(name, namespace)),
            Wanted(pod, container, all_containers),
            follow=follow,
            params={option: value for option, value in options.items() if value},
        )
        async with aclosing(reading.lines()) as lines:
            async for line in lines:
                yield line

    async def watch(
        self, *, after: str | None = None, **selection: Unpack[JobSelection]
    ) -> AsyncIterator[JobEvent]:
        """Yield an ADDED for each Job that `list` would list, and each change from then on.

        What is not listed any more is told as DELETED, as a Job is that was deleted. With `after`, a resourceVersion
        (see `version`), only what has changed since is told, and what was there before is not held. It goes on over
        reconnects until it is closed. That a Job it depends on has succeeded is no change of a Job. Raises ValueError
        for a filter that is wrong, TypeError for one that does not exist, `ForbiddenError`, and `UnreachableError`.
        """
        check_selection(selection)
        path = await self._place(selection.get("namespace"), selection.get("all_namespaces", False))
        async with aclosing(self._events(path, query_of(selection), after)) as events:
            async for event in events:
                yield event

    async def version(self, *, namespace: str | None = None, all_namespaces: bool = False) -> str:
        """Return the resourceVersion of now, for a `watch` of what comes after it.

        Raises `ForbiddenError` and `UnreachableError`.
        """
        return await self._connection.version(await self._place(namespace, all_namespaces))

    async def _place(self, namespace: str | None, everywhere: bool) -> str:
        """Return the path of the Jobs that are meant."""
        return _path(None if everywhere else namespace or await self._namespace())

    async def _namespace(self) -> str:
        await self._connection.open()
        return self._connection.namespace

    async def _get(self, name: str, namespace: str | None) -> Json:
        where, _, short = name.rpartition("/")
        if not where:
            where = namespace or await self._namespace()
        return await self._connection.call("GET", _path(where, short))

    async def _read(self, raw: Json) -> JobInfo:
        from headgate.client._job_dependencies import Dependencies
        from headgate.client._job_reading import info_of

        # What was not written for good has no version.
        raw["metadata"].setdefault("resourceVersion", "0")
        return (await Dependencies(self._connection).settle([info_of(raw)]))[0]

    async def _list(
        self, filters: JobFilters, *, keep: bool = False
    ) -> AsyncGenerator[tuple[JobInfo, Json], None]:
        check_filters(filters)
        listing = Listing(
            query_of(filters, filters.get("since", 0.0)),
            filters.get("limit", MAX_ENTRIES),
            filters.get("sort", ()),
            filters.get("page_size"),
            filters.get("on_left_out"),
            keep=keep,
        )
        path = await self._place(filters.get("namespace"), filters.get("all_namespaces", False))
        async with aclosing(listing.of(self._connection, path)) as found:
            async for one in found:
                yield one

    async def _events(self, path: str, query: JobQuery, after: str | None) -> AsyncGenerator[JobEvent, None]:
        from headgate.client._events import changes
        from headgate.client._job_dependencies import Dependencies
        from headgate.client._job_reading import info_of

        dependencies = Dependencies(self._connection, watching=True)

        def read(raw: Json) -> JobInfo:
            job = info_of(raw)
            dependencies.saw(job)
            return job

        told: set[str] = set()
        seen = changes(self._connection, path, read, labels=query.labels, fields=query.fields, after=after)
        async with aclosing(seen) as events:
            async for type_, job in events:
                if type_ == "DELETED":
                    dependencies.gone(job)
                elif query.may_match(job):
                    [now] = await dependencies.settle([job])
                    if query.matches(now):
                        yield JobEvent("MODIFIED" if job.uid in told else "ADDED", now)
                        told.add(job.uid)
                        continue
                # With `after`, it may have been listed without having been told.
                if job.uid in told or (type_ == "DELETED" and query.may_match(job)):
                    yield JobEvent("DELETED", job)
                    told.discard(job.uid)

    async def _cancel(self, raw: Json, message: str, *, dry_run: bool) -> Literal["canceled", "deleted"]:
        from headgate.kube.client import STRATEGIC_MERGE_PATCH
        from headgate.kube.jobs import canceled_status, job_from

        job = job_from(raw)
        if job.result is not None:
            raise RefusedError(f'Job "{job.namespace}/{job.name}" is finished already: {job.result}')
        if not message:
            message = f"canceled by {(await self._connection.user()).get('username', '')}"
        path = _path(job.namespace, job.name)
        identity = {"uid": job.uid, "resourceVersion": raw["metadata"]["resourceVersion"]}
        params = {"dryRun": "All"} if dry_run else {}
        status = canceled_status(job, REASON_CANCELED, message, now=timestamp(time.time()))
        try:
            await self._connection.call(
                "PATCH",
                f"{path}/status",
                {"metadata": identity, "status": status},
                params=params,
                content_type=STRATEGIC_MERGE_PATCH,
            )
        except ForbiddenError:
            options = {"propagationPolicy": "Background", "preconditions": {"uid": job.uid}}
            await self._connection.call("DELETE", path, options, params=params)
            return "deleted"
        return "canceled"


def _path(namespace: str | None, name: str | None = None) -> str:
    path = JOBS if namespace is None else jobs_path(segment(namespace, "namespaces"))
    return path if name is None else f"{path}/{segment(name, 'jobs.batch')}"
