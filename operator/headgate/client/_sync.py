"""The synchronous client. Written by `make facade` from the asynchronous one: change that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack

from headgate.api.names import GROUP
from headgate.client._sync_base import ClientBase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from headgate.api.clusterpool import ClusterPool
    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.api.jobqueue import JobQueue
    from headgate.api.meta import Resource
    from headgate.api.schedulingpolicy import SchedulingPolicy
    from headgate.client._client import AsyncClient, UserInfo
    from headgate.client._collection import AsyncCollection, AsyncListed
    from headgate.client._connection import Outage
    from headgate.client._environments import AsyncEnvironments, EnvironmentEvent
    from headgate.client._job_info import JobInfo
    from headgate.client._job_query import JobFilters, JobSelection
    from headgate.client._jobs import AsyncJobs, JobEvent, LogLine
    from headgate.client._leader import Leader
    from headgate.client._pods import JobPod
    from headgate.client._policies import AsyncPolicies, PolicyEvent
    from headgate.client._pools import AsyncPools, PoolEvent
    from headgate.client._portal import Portal
    from headgate.client._queue_fields import QueueChanges, QueueFields
    from headgate.client._queue_filters import QueueFilters, QueueSelection
    from headgate.client._queues import AsyncQueues, QueueEvent
    from headgate.client._submission import JobOptions
    from headgate.engine.explain import Explanation
    from headgate.engine.top import QueueLine

R = TypeVar("R", bound="Resource")


class Collection(Generic[R]):
    """The objects of one kind."""

    def __init__(self, portal: Portal, wrapped: AsyncCollection[R]) -> None:
        self._portal = portal
        self._async = wrapped

    def get(self, name: str) -> R:
        """Return an object; raises `NotFoundError` where there is none of this name.

        Also raises `ForbiddenError` and `UnreachableError`, as everything here does.
        """
        return self._portal.call(self._async.get(name))

    def get_manifest(self, name: str) -> dict[str, Any]:
        """Return an object as the API server has it, all but `metadata.managedFields`; raises as `get` does."""
        return self._portal.call(self._async.get_manifest(name))

    def names(self) -> list[str]:
        """Return the names of all objects of the kind, quickly: for completion. Raises as `get` does."""
        return self._portal.call(self._async.names())

    def version(self) -> str:
        """Return the resourceVersion of now, for a `watch` of what comes after it. Raises as `get` does."""
        return self._portal.call(self._async.version())


class Listed(Collection[R]):
    """A kind of which there are few, and whose lists need no more than names."""

    _async: AsyncListed[R]

    def list(
        self,
        *,
        name: str | None = None,
        label_selector: str | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[R]:
        """Yield those of this name (or pattern, such as ``team-*``), `limit` at most; None or 0 for all.

        `label_selector` is as ``kubectl -l`` takes it. Without `sort` they come by name, page by page. `sort` is a
        field, or several, with ``:asc`` or ``:desc`` behind it; which there are stands in the ValueError for one that
        is wrong. `page_size` is how many the API server is asked for at a time, 500 unless given. Raises
        `ForbiddenError` and `UnreachableError`.
        """
        return self._portal.iterate(
            self._async.list(
                name=name, label_selector=label_selector, sort=sort, limit=limit, page_size=page_size
            )
        )

    def list_manifests(
        self,
        *,
        name: str | None = None,
        label_selector: str | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the same as `list`, each as the API server has it, all but `metadata.managedFields`."""
        return self._portal.iterate(
            self._async.list_manifests(
                name=name, label_selector=label_selector, sort=sort, limit=limit, page_size=page_size
            )
        )


class Queues(Collection["JobQueue"]):
    """The JobQueues of the cluster."""

    _async: AsyncQueues

    def list(self, **filters: Unpack[QueueFilters]) -> Iterator[JobQueue]:
        """Yield the queues that meet all filters, see `QueueFilters`; without `sort`, by name.

        They come page by page: without `sort`, no more are asked for than are taken. Sealed queues are left out unless
        `all` is true or `state` names one of their states. Raises ValueError for a filter that is wrong, and TypeError
        for one that does not exist.
        """
        return self._portal.iterate(self._async.list(**filters))

    def list_manifests(self, **filters: Unpack[QueueFilters]) -> Iterator[dict[str, Any]]:
        """Yield the same as `list`, each as the API server has it, all but `metadata.managedFields`."""
        return self._portal.iterate(self._async.list_manifests(**filters))

    def create(
        self,
        name: str,
        *,
        run_concurrency: int,
        action_concurrency: int,
        dry_run: bool = False,
        **fields: Unpack[QueueFields],
    ) -> JobQueue:
        """Create a queue and return it; the fields are those of its spec, see `QueueFields`.

        With `dry_run` the API server checks everything and keeps nothing. Raises `AlreadyExistsError`, `RefusedError`
        where a field is wrong, and `ForbiddenError`.
        """
        return self._portal.call(
            self._async.create(
                name,
                run_concurrency=run_concurrency,
                action_concurrency=action_concurrency,
                dry_run=dry_run,
                **fields,
            )
        )

    def create_manifest(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> JobQueue:
        """Create a queue from what a file says; raises as `create` does, also for a field that does not exist."""
        return self._portal.call(self._async.create_manifest(manifest, dry_run=dry_run))

    def update(self, name: str, *, dry_run: bool = False, **changes: Unpack[QueueChanges]) -> JobQueue:
        """Change some fields of a queue's spec, leave the others as they are, and return the queue.

        Where somebody else changes it at the same time, it is read again. Raises `NotFoundError`, `ForbiddenError`,
        `RefusedError` where a field is wrong or fixed, and ValueError without any field.
        """
        return self._portal.call(self._async.update(name, dry_run=dry_run, **changes))

    def replace(self, queue: JobQueue | Mapping[str, Any], *, dry_run: bool = False) -> JobQueue:
        """Replace a queue whole by what is given: fields that are left out get their defaults.

        Take it from `get` or `get_manifest` and change it: it says itself which version that was. Raises
        `ConflictError` where the queue has changed since (its status may have), `NotFoundError`, `ForbiddenError`, and
        `RefusedError`, also for a field that does not exist.
        """
        return self._portal.call(self._async.replace(queue, dry_run=dry_run))

    def pause(self, name: str, *, note: str = "", dry_run: bool = False) -> JobQueue:
        """Let the queue accept Jobs but admit none, and say why; the API server records who did it.

        Raises `AlreadyPausedError`, `NotFoundError`, `RefusedError`, and `ForbiddenError`.
        """
        return self._portal.call(self._async.pause(name, note=note, dry_run=dry_run))

    def resume(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Let a paused queue admit Jobs again. Raises `NotPausedError`, and otherwise as `pause` does."""
        return self._portal.call(self._async.resume(name, dry_run=dry_run))

    def drain(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Have the queue refuse new Jobs and finish those it has; `wait` for Drained. Raises as `update` does."""
        return self._portal.call(self._async.drain(name, dry_run=dry_run))

    def activate(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Make a queue that drains or is drained active again. Raises as `update` does."""
        return self._portal.call(self._async.activate(name, dry_run=dry_run))

    def archive(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Seal the queue: it refuses new Jobs for good, finishes those it has, and is left out of lists.

        Raises as `update` does.
        """
        return self._portal.call(self._async.archive(name, dry_run=dry_run))

    def terminate(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Cancel all Jobs of the queue, waiting and running, and refuse new ones for good. Raises as `update` does."""
        return self._portal.call(self._async.terminate(name, dry_run=dry_run))

    def delete(self, name: str, *, dry_run: bool = False) -> None:
        """Delete the queue; its finished Jobs stay.

        Raises `RefusedError` while it has live Jobs, with their number, `NotFoundError`, and `ForbiddenError`.
        """
        self._portal.call(self._async.delete(name, dry_run=dry_run))

    def tag(
        self,
        name: str,
        tags: Mapping[str, str] | None = None,
        *,
        remove: Iterable[str] = (),
        dry_run: bool = False,
    ) -> JobQueue:
        """Set tags of a queue and remove others by one write, leave the rest as they are, and return the queue.

        Raises as `update` does, `NotFoundError` also where the queue has no such tag, and ValueError for a tag that is
        to be both. Then nothing is changed.
        """
        return self._portal.call(self._async.tag(name, tags, remove=remove, dry_run=dry_run))

    def tags(self, name: str) -> dict[str, str]:
        """Return the tags of a queue. Raises `NotFoundError`."""
        return self._portal.call(self._async.tags(name))

    def add_tags(self, name: str, tags: Mapping[str, str], *, dry_run: bool = False) -> dict[str, str]:
        """Set tags of a queue, leave the others as they are, and return them all. Raises as `update` does."""
        return self._portal.call(self._async.add_tags(name, tags, dry_run=dry_run))

    def remove_tags(self, name: str, keys: Iterable[str], *, dry_run: bool = False) -> dict[str, str]:
        """Take tags off a queue and return the others.

        Raises `NotFoundError` also where the queue has no such tag; then none is removed.
        """
        return self._portal.call(self._async.remove_tags(name, keys, dry_run=dry_run))

    def line(self, name: str, *, limit: int = 5) -> QueueLine:
        """Return the top of a queue's line: the first `limit` Jobs that wait, what holds each, and when it goes.

        It is computed as `jobs.why` is, from a list of everything, and needs the right to list Jobs in the whole
        cluster. Raises `NotFoundError`, `ForbiddenError`, and ValueError for a limit below 1.
        """
        return self._portal.call(self._async.line(name, limit=limit))

    def lines(self, names: Iterable[str], *, limit: int = 5) -> dict[str, QueueLine]:
        """Return the same for several queues, by name: everything is listed once. Raises as `line` does."""
        return self._portal.call(self._async.lines(names, limit=limit))

    def watch(
        self, name: str | None = None, *, after: str | None = None, **selection: Unpack[QueueSelection]
    ) -> Iterator[QueueEvent]:
        """Yield an ADDED for each queue that `list` would list, sealed ones too, and each change from then on.

        What is not listed any more is told as DELETED. With `after`, a resourceVersion (see `version`), only what has
        changed since is told. It goes on over reconnects until it is closed. Raises ValueError for a filter that is
        wrong, TypeError for one that does not exist, `ForbiddenError`, and `UnreachableError`.
        """
        return self._portal.iterate(self._async.watch(name, after=after, **selection))

    def wait(self, name: str, state: str | Sequence[str], *, timeout: float | None = None) -> JobQueue:
        """Wait until the queue's `status.state` is this, or one of these, and return the queue.

        `timeout` is in seconds. Raises `TimeoutError`, `NotFoundError` where there is no such queue or it is deleted
        meanwhile, and ValueError for a state that does not exist.
        """
        return self._portal.call(self._async.wait(name, state, timeout=timeout))


class Pools(Listed["ClusterPool"]):
    """The ClusterPools of the cluster."""

    _async: AsyncPools

    def watch(
        self, name: str | None = None, *, label_selector: str | None = None, after: str | None = None
    ) -> Iterator[PoolEvent]:
        """Yield an ADDED for each that `list` would list, and each change from then on.

        With `after`, a resourceVersion (see `version`), only what has changed since is told. It goes on over reconnects
        until it is closed. Raises `ForbiddenError` and `UnreachableError`.
        """
        return self._portal.iterate(self._async.watch(name, label_selector=label_selector, after=after))


class Environments(Collection["ComputeEnvironment"]):
    """The ComputeEnvironments of the cluster."""

    _async: AsyncEnvironments

    def list(
        self,
        *,
        name: str | None = None,
        pool: str | None = None,
        label_selector: str | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[ComputeEnvironment]:
        """Yield those of this name (or pattern, such as ``spot-*``) and pool, as the pools' `list` does."""
        return self._portal.iterate(
            self._async.list(
                name=name,
                pool=pool,
                label_selector=label_selector,
                sort=sort,
                limit=limit,
                page_size=page_size,
            )
        )

    def list_manifests(
        self,
        *,
        name: str | None = None,
        pool: str | None = None,
        label_selector: str | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the same as `list`, each as the API server has it, all but `metadata.managedFields`."""
        return self._portal.iterate(
            self._async.list_manifests(
                name=name,
                pool=pool,
                label_selector=label_selector,
                sort=sort,
                limit=limit,
                page_size=page_size,
            )
        )

    def watch(
        self,
        name: str | None = None,
        *,
        pool: str | None = None,
        label_selector: str | None = None,
        after: str | None = None,
    ) -> Iterator[EnvironmentEvent]:
        """Yield an ADDED for each that `list` would list, and each change from then on.

        With `after`, a resourceVersion (see `version`), only what has changed since is told. It goes on over reconnects
        until it is closed. Raises `ForbiddenError` and `UnreachableError`.
        """
        return self._portal.iterate(
            self._async.watch(name, pool=pool, label_selector=label_selector, after=after)
        )


class Policies(Listed["SchedulingPolicy"]):
    """The SchedulingPolicies of the cluster."""

    _async: AsyncPolicies

    def watch(
        self, name: str | None = None, *, label_selector: str | None = None, after: str | None = None
    ) -> Iterator[PolicyEvent]:
        """Yield an ADDED for each that `list` would list, and each change from then on.

        With `after`, a resourceVersion (see `version`), only what has changed since is told. It goes on over reconnects
        until it is closed. Raises `ForbiddenError` and `UnreachableError`.
        """
        return self._portal.iterate(self._async.watch(name, label_selector=label_selector, after=after))


class Jobs:
    """The Jobs of queues.

    Names are of the client's namespace, unless `namespace` says another, or the name itself: ``team-a/train``.
    """

    def __init__(self, portal: Portal, wrapped: AsyncJobs) -> None:
        self._portal = portal
        self._async = wrapped

    def submit(
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
        return self._portal.call(
            self._async.submit(image, command, queue=queue, namespace=namespace, dry_run=dry_run, **options)
        )

    def submit_manifest(
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
        return self._portal.call(
            self._async.submit_manifest(manifest, queue=queue, namespace=namespace, dry_run=dry_run)
        )

    def create_manifest(
        self,
        manifest: Mapping[str, Any],
        *,
        queue: str | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Do the same as `submit_manifest`, and return the Job as the API server has it then, with its defaults."""
        return self._portal.call(
            self._async.create_manifest(manifest, queue=queue, namespace=namespace, dry_run=dry_run)
        )

    def get(self, name: str, *, namespace: str | None = None) -> JobInfo:
        """Return a Job; raises `NotFoundError`, `ForbiddenError`, and `UnreachableError`."""
        return self._portal.call(self._async.get(name, namespace=namespace))

    def get_manifest(self, name: str, *, namespace: str | None = None) -> dict[str, Any]:
        """Return a Job as the API server has it, all but `metadata.managedFields`; raises as `get` does."""
        return self._portal.call(self._async.get_manifest(name, namespace=namespace))

    def list(self, **filters: Unpack[JobFilters]) -> Iterator[JobInfo]:
        """Yield the newest Jobs of queues that meet all filters, newest first; see `JobFilters`.

        With `limit` 0, all, as the API server has them. However many Jobs there are, no more than a page and `limit`
        are held, or all where all are to be sorted. Raises ValueError for a filter that is wrong, TypeError for one
        that does not exist, `ForbiddenError`, and `UnreachableError`.
        """
        return self._portal.iterate(self._async.list(**filters))

    def list_manifests(self, **filters: Unpack[JobFilters]) -> Iterator[dict[str, Any]]:
        """Yield the same as `list`, each as the API server has it, all but `metadata.managedFields`."""
        return self._portal.iterate(self._async.list_manifests(**filters))

    def names(self, *, namespace: str | None = None) -> Sequence[str]:
        """Return the names of the Jobs of queues: for completion. Raises `ForbiddenError` and `UnreachableError`."""
        return self._portal.call(self._async.names(namespace=namespace))

    def cancel(
        self, name: str, *, message: str = "", namespace: str | None = None, dry_run: bool = False
    ) -> Literal["canceled", "deleted"]:
        """Cancel a Job that waits or runs, and return what became of it: "canceled" or "deleted".

        Who may write the status of Jobs (``patch jobs/status``; ClusterRole edit has no such right) cancels it: it
        stays, with the reason Canceled and the message, and Jobs that depend on it are told. For everybody else it is
        deleted, and its Pods with it. Raises `NotFoundError`, `RefusedError` for a Job that is finished, and
        `ForbiddenError` for who may do neither.
        """
        return self._portal.call(
            self._async.cancel(name, message=message, namespace=namespace, dry_run=dry_run)
        )

    def wait(self, name: str, *, timeout: float | None = None, namespace: str | None = None) -> JobInfo:
        """Wait until a Job is finished, however it ended, and return it: see its `result`.

        `timeout` is in seconds. Raises `TimeoutError`, and `NotFoundError` where there is no such Job or it is deleted.
        """
        return self._portal.call(self._async.wait(name, timeout=timeout, namespace=namespace))

    def why(self, name: str, *, namespace: str | None = None) -> Explanation:
        """Say why a Job waits: what holds it, who goes before it, and an estimate of when it goes.

        It is computed from a list of everything, by the same engine that the operator decides by. Without the right to
        list Jobs in the whole cluster, it says what the Job and the status of its queue tell, and in `unseen` which
        right is missing. For a Job that is admitted there is nothing to say. Raises `NotFoundError`, `RefusedError` for
        a Job that is finished or in no queue, and `ForbiddenError` for who may not see the Job.
        """
        return self._portal.call(self._async.why(name, namespace=namespace))

    def pods(
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
        return self._portal.call(
            self._async.pods(
                name, wait=wait, container=container, all_containers=all_containers, namespace=namespace
            )
        )

    def logs(
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
    ) -> Iterator[LogLine]:
        """Yield what the Pods of a Job wrote, line by line: one Pod after the other, the oldest first, or only `pod`.

        Without `container` it is the main one of each Pod, or as long as that has not started the last of those before
        it; with `all_containers`, all of them. `tail` is how many lines at the end of each log, `since` leaves out what
        was written before (seconds since the epoch), and `previous` is the container as it was before it was started
        again. With `follow` lines come as they are written, until the Job is finished: of all its Pods at the same
        time, also of those that come later; what has not started is waited for, so that without `container` it is the
        main one. With `pod`, they come until that one has ended. Raises as `pods` does, and `RefusedError` for a
        container that is not there.
        """
        return self._portal.iterate(
            self._async.logs(
                name,
                pod=pod,
                container=container,
                all_containers=all_containers,
                follow=follow,
                tail=tail,
                since=since,
                timestamps=timestamps,
                previous=previous,
                namespace=namespace,
            )
        )

    def watch(self, *, after: str | None = None, **selection: Unpack[JobSelection]) -> Iterator[JobEvent]:
        """Yield an ADDED for each Job that `list` would list, and each change from then on.

        What is not listed any more is told as DELETED, as a Job is that was deleted. With `after`, a resourceVersion
        (see `version`), only what has changed since is told, and what was there before is not held. It goes on over
        reconnects until it is closed. That a Job it depends on has succeeded is no change of a Job. Raises ValueError
        for a filter that is wrong, TypeError for one that does not exist, `ForbiddenError`, and `UnreachableError`.
        """
        return self._portal.iterate(self._async.watch(after=after, **selection))

    def version(self, *, namespace: str | None = None, all_namespaces: bool = False) -> str:
        """Return the resourceVersion of now, for a `watch` of what comes after it.

        Raises `ForbiddenError` and `UnreachableError`.
        """
        return self._portal.call(self._async.version(namespace=namespace, all_namespaces=all_namespaces))


class Client(ClientBase):
    """Headgate, with the rights of the user of a kubeconfig.

    Everything is done by the API server itself: there is nothing of Headgate's in between. For example::

        with Client.connect() as client:
            for queue in client.queues.list(pool="default"):
                print(queue.name, queue.status.state)
    """

    def __init__(self, wrapped: AsyncClient) -> None:
        super().__init__(wrapped)
        self.queues = Queues(self._portal, wrapped.queues)
        """The JobQueues."""
        self.pools = Pools(self._portal, wrapped.pools)
        """The ClusterPools."""
        self.jobs = Jobs(self._portal, wrapped.jobs)
        """The Jobs of queues."""
        self.environments = Environments(self._portal, wrapped.environments)
        """The ComputeEnvironments."""
        self.policies = Policies(self._portal, wrapped.policies)
        """The SchedulingPolicies."""

    @property
    def namespace(self) -> str:
        """Where Jobs are made and looked for unless a call says otherwise; known once the client is connected."""
        self._open()
        return self._async.namespace

    @property
    def server(self) -> str:
        """The URL of the API server; known once the client is connected."""
        self._open()
        return self._async.server

    @property
    def outage(self) -> Outage | None:
        """Since when the API server is not heard by a watch, and why; None while all of them are well.

        A watch itself says nothing of it: it goes on as soon as the API server is there again.
        """
        self._open()
        return self._async.outage

    def whoami(self) -> UserInfo:
        """Return who the API server takes the user for; raises `UnreachableError` and `NotAuthenticatedError`."""
        return self._portal.call(self._async.whoami())

    def leader(self) -> Leader | None:
        """Return which operator leads, or led last; None where no policy of Headgate's says by which Lease.

        Raises `ForbiddenError` for who may not look, and `UnreachableError`.
        """
        return self._portal.call(self._async.leader())

    def can(
        self,
        verb: str,
        resource: str,
        *,
        group: str = GROUP,
        name: str = "",
        namespace: str = "",
        subresource: str = "",
    ) -> bool:
        """Return whether the user has a right: ``can("update", "jobqueues")``; raises as `whoami` does."""
        return self._portal.call(
            self._async.can(
                verb, resource, group=group, name=name, namespace=namespace, subresource=subresource
            )
        )

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Ask the API server for anything else, and return its JSON; raises `HeadgateError`."""
        return self._portal.call(
            self._async.request(method, path, body, params=params, content_type=content_type)
        )
