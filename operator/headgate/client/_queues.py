"""Queues: all that can be done with them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Unpack, get_args

from headgate.api.names import GROUP, VERSION
from headgate.client._collection import AsyncCollection
from headgate.client._errors import (
    AlreadyPausedError,
    ConflictError,
    NotFoundError,
    NotPausedError,
)
from headgate.client._patience import patience
from headgate.client._queue_fields import spec_of
from headgate.client._queue_filters import (
    SORT,
    check_filters,
    check_selection,
    matcher,
    selectors,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence

    from headgate.api.jobqueue import DesiredState, JobQueue
    from headgate.client._connection import Json
    from headgate.client._events import EventType
    from headgate.client._queue_fields import QueueChanges, QueueFields
    from headgate.client._queue_filters import QueueFilters, QueueSelection
    from headgate.engine.top import QueueLine

TRIES: Final = 10
"""How often a queue is read anew because somebody else changed it in between."""


class QueueEvent(NamedTuple):
    """What has happened to a queue, and the queue as it is since, or was last."""

    type: EventType
    queue: JobQueue


class AsyncQueues(AsyncCollection["JobQueue"]):
    """The JobQueues of the cluster."""

    _plural = "jobqueues"
    _kind = "JobQueue"
    _sort = SORT

    def _model(self) -> type[JobQueue]:
        from headgate.api.jobqueue import JobQueue

        return JobQueue

    async def list(self, **filters: Unpack[QueueFilters]) -> AsyncIterator[JobQueue]:
        """Yield the queues that meet all filters, see `QueueFilters`; without `sort`, by name.

        They come page by page: without `sort`, no more are asked for than are taken. Sealed queues are left out unless
        `all` is true or `state` names one of their states. Raises ValueError for a filter that is wrong, and TypeError
        for one that does not exist.
        """
        async with aclosing(self._list(filters)) as found:
            async for raw in found:
                yield self._parse(raw)

    async def list_manifests(self, **filters: Unpack[QueueFilters]) -> AsyncIterator[dict[str, Any]]:
        """Yield the same as `list`, each as the API server has it, all but `metadata.managedFields`."""
        async with aclosing(self._list(filters)) as found:
            async for raw in found:
                yield raw

    async def create(
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
        limits = {"run_concurrency": run_concurrency, "action_concurrency": action_concurrency}
        spec = {key: value for key, value in spec_of({**fields, **limits}).items() if value is not None}
        return await self.create_manifest({"metadata": {"name": name}, "spec": spec}, dry_run=dry_run)

    async def create_manifest(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> JobQueue:
        """Create a queue from what a file says; raises as `create` does, also for a field that does not exist."""
        return self._parse(
            await self._connection.call("POST", self._path(), _whole(manifest), params=_writing(dry_run))
        )

    async def update(self, name: str, *, dry_run: bool = False, **changes: Unpack[QueueChanges]) -> JobQueue:
        """Change some fields of a queue's spec, leave the others as they are, and return the queue.

        Where somebody else changes it at the same time, it is read again. Raises `NotFoundError`, `ForbiddenError`,
        `RefusedError` where a field is wrong or fixed, and ValueError without any field.
        """
        if not changes:
            raise ValueError("nothing to change: name at least one field")
        spec = spec_of(changes)

        def change(raw: Json) -> None:
            _merge(raw["spec"], spec)

        return await self._change(name, change, dry_run=dry_run)

    async def replace(self, queue: JobQueue | Mapping[str, Any], *, dry_run: bool = False) -> JobQueue:
        """Replace a queue whole by what is given: fields that are left out get their defaults.

        Take it from `get` or `get_manifest` and change it: it says itself which version that was. Raises
        `ConflictError` where the queue has changed since (its status may have), `NotFoundError`, `ForbiddenError`, and
        `RefusedError`, also for a field that does not exist.
        """
        manifest = _whole(queue) if isinstance(queue, Mapping) else await self._manifest(queue)
        metadata = manifest["metadata"] = dict(manifest.get("metadata") or {})
        if not isinstance(metadata.get("name"), str):
            raise ValueError("metadata.name: is required")
        path = self._path(metadata["name"])
        for _ in range(TRIES):
            try:
                return self._parse(
                    await self._connection.call("PUT", path, manifest, params=_writing(dry_run))
                )
            except ConflictError as error:
                conflict = error
                now = (await self._connection.call("GET", path))["metadata"]
                if not _same(metadata, now):
                    break
                metadata["resourceVersion"] = now["resourceVersion"]
        raise conflict

    async def pause(self, name: str, *, note: str = "", dry_run: bool = False) -> JobQueue:
        """Let the queue accept Jobs but admit none, and say why; the API server records who did it.

        Raises `AlreadyPausedError`, `NotFoundError`, `RefusedError`, and `ForbiddenError`.
        """

        def change(raw: Json) -> None:
            if (raw["spec"].get("dispatch") or {}).get("paused"):
                raise AlreadyPausedError(f'queue "{name}" is already paused{_pause(raw)}')
            raw["spec"]["dispatch"] = {"paused": True, "note": note}

        return await self._change(name, change, dry_run=dry_run)

    async def resume(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Let a paused queue admit Jobs again. Raises `NotPausedError`, and otherwise as `pause` does."""

        def change(raw: Json) -> None:
            if not (raw["spec"].get("dispatch") or {}).get("paused"):
                raise NotPausedError(f'queue "{name}" is not paused')
            raw["spec"]["dispatch"] = {"paused": False, "note": ""}

        return await self._change(name, change, dry_run=dry_run)

    async def drain(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Have the queue refuse new Jobs and finish those it has; `wait` for Drained. Raises as `update` does."""
        return await self._become(name, "Drained", dry_run=dry_run)

    async def activate(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Make a queue that drains or is drained active again. Raises as `update` does."""
        return await self._become(name, "Active", dry_run=dry_run)

    async def archive(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Seal the queue: it refuses new Jobs for good, finishes those it has, and is left out of lists.

        Raises as `update` does.
        """
        return await self._become(name, "Sealed", dry_run=dry_run)

    async def terminate(self, name: str, *, dry_run: bool = False) -> JobQueue:
        """Cancel all Jobs of the queue, waiting and running, and refuse new ones for good. Raises as `update` does."""
        return await self._become(name, "Terminated", dry_run=dry_run)

    async def delete(self, name: str, *, dry_run: bool = False) -> None:
        """Delete the queue; its finished Jobs stay.

        Raises `RefusedError` while it has live Jobs, with their number, `NotFoundError`, and `ForbiddenError`.
        """
        await self._connection.call("DELETE", self._path(name), params=_writing(dry_run, strict=False))

    async def tag(
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
        added, removed = dict(tags or {}), [remove] if isinstance(remove, str) else list(remove)
        if both := sorted(added.keys() & set(removed)):
            raise ValueError(f"tag {both[0]!r}: is to be set and to be removed")

        def change(raw: Json) -> None:
            own = raw["spec"].get("tags") or {}
            if missing := [key for key in removed if key not in own]:
                raise NotFoundError(f'queue "{name}" has no tag "{missing[0]}"')
            kept = {key: value for key, value in own.items() if key not in removed}
            raw["spec"]["tags"] = {**kept, **added}

        return await self._change(name, change, dry_run=dry_run)

    async def tags(self, name: str) -> dict[str, str]:
        """Return the tags of a queue. Raises `NotFoundError`."""
        return dict((await self.get_manifest(name))["spec"].get("tags") or {})

    async def add_tags(self, name: str, tags: Mapping[str, str], *, dry_run: bool = False) -> dict[str, str]:
        """Set tags of a queue, leave the others as they are, and return them all. Raises as `update` does."""
        return dict((await self.tag(name, tags, dry_run=dry_run)).spec.tags)

    async def remove_tags(self, name: str, keys: Iterable[str], *, dry_run: bool = False) -> dict[str, str]:
        """Take tags off a queue and return the others.

        Raises `NotFoundError` also where the queue has no such tag; then none is removed.
        """
        return dict((await self.tag(name, remove=keys, dry_run=dry_run)).spec.tags)

    async def line(self, name: str, *, limit: int = 5) -> QueueLine:
        """Return the top of a queue's line: the first `limit` Jobs that wait, what holds each, and when it goes.

        It is computed as `jobs.why` is, from a list of everything, and needs the right to list Jobs in the whole
        cluster. Raises `NotFoundError`, `ForbiddenError`, and ValueError for a limit below 1.
        """
        return (await self.lines([name], limit=limit))[name]

    async def lines(self, names: Iterable[str], *, limit: int = 5) -> dict[str, QueueLine]:
        """Return the same for several queues, by name: everything is listed once. Raises as `line` does."""
        if limit < 1:
            raise ValueError(f"limit: must be 1 or more, not {limit}")
        from headgate.client._why import lines

        queues = list(dict.fromkeys(names))
        for name in queues:
            await self.get_manifest(name)
        return await lines(self._connection, queues, limit)

    async def watch(
        self, name: str | None = None, *, after: str | None = None, **selection: Unpack[QueueSelection]
    ) -> AsyncIterator[QueueEvent]:
        """Yield an ADDED for each queue that `list` would list, sealed ones too, and each change from then on.

        What is not listed any more is told as DELETED. With `after`, a resourceVersion (see `version`), only what has
        changed since is told. It goes on over reconnects until it is closed. Raises ValueError for a filter that is
        wrong, TypeError for one that does not exist, `ForbiddenError`, and `UnreachableError`.
        """
        check_selection(selection)
        selection.setdefault("all", True)
        changes = self._changes(
            name, after, selectors(selection), matcher(selection), selection.get("label_selector")
        )
        async with aclosing(changes) as events:
            async for event in events:
                yield QueueEvent(*event)

    async def wait(self, name: str, state: str | Sequence[str], *, timeout: float | None = None) -> JobQueue:
        """Wait until the queue's `status.state` is this, or one of these, and return the queue.

        `timeout` is in seconds. Raises `TimeoutError`, `NotFoundError` where there is no such queue or it is deleted
        meanwhile, and ValueError for a state that does not exist.
        """
        from headgate.api.jobqueue_status import State
        from headgate.client._events import versions

        wanted = [state] if isinstance(state, str) else list(state)
        if wrong := sorted(set(wanted) - set(get_args(State))):
            raise ValueError(f"state: must be one of {', '.join(get_args(State))}, not {wrong[0]!r}")
        last = await self.get(name)

        def state_now() -> str:
            it_is = last.status.state or "not yet seen by the operator"
            return f'queue "{name}" is {it_is} instead of {" or ".join(wanted)}'

        seen = versions(self._connection, self._path(), name, self._parse)
        async with patience(timeout, state_now), aclosing(seen) as queues:
            async for last in queues:
                if last.status.state in wanted and _is_current(last):
                    return last
        raise NotFoundError(f'queue "{name}" was deleted')

    async def _manifest(self, queue: JobQueue) -> Json:
        """Return a queue as JSON, with what its model does not have of the metadata."""
        raw = await self._connection.call("GET", self._path(queue.name))
        known = queue.metadata.to_dict()
        for field in ("uid", "generation", "resourceVersion", "labels", "annotations"):
            raw["metadata"][field] = known.get(field)
        raw["spec"] = queue.spec.to_dict()
        return raw

    def _list(self, filters: QueueFilters) -> AsyncGenerator[Json, None]:
        check_filters(filters)
        return self._listed(
            filters.get("name"),
            selectors(filters),
            matcher(filters),
            labels=filters.get("label_selector"),
            sort=filters.get("sort") or (),
            limit=filters.get("limit"),
            page_size=filters.get("page_size"),
        )

    async def _become(self, name: str, state: DesiredState, *, dry_run: bool) -> JobQueue:
        return await self.update(name, state=state, dry_run=dry_run)

    async def _change(self, name: str, change: Callable[[Json], None], *, dry_run: bool) -> JobQueue:
        """Read a queue, change it and write it whole, again and again while somebody else does."""
        for attempt in range(1, TRIES + 1):
            raw = await self._connection.call("GET", self._path(name))
            change(raw)
            try:
                return await self.replace(raw, dry_run=dry_run)
            except ConflictError:
                if attempt == TRIES:
                    raise
        raise AssertionError("unreachable")


def _whole(manifest: Mapping[str, Any]) -> Json:
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "JobQueue", **manifest}


def _writing(dry_run: bool, *, strict: bool = True) -> dict[str, str]:
    """Return the parameters of a write: fields that do not exist are refused rather than dropped."""
    return {**({"fieldValidation": "Strict"} if strict else {}), **({"dryRun": "All"} if dry_run else {})}


def _same(read: Json, now: Json) -> bool:
    """Whether a queue is still as it was read, but for its status."""
    fields = ("uid", "generation", "labels", "annotations", "finalizers", "ownerReferences")
    return all((read.get(field) or None) == (now.get(field) or None) for field in fields)


def _merge(spec: Json, changes: Json) -> None:
    for field, value in changes.items():
        if value is None:
            spec.pop(field, None)
        else:
            spec[field] = value


def _pause(raw: Json) -> str:
    """Say who paused a queue, when and why, as far as that is known."""
    dispatch = (raw.get("status") or {}).get("dispatch") or {}
    by = dispatch.get("pausedBy")
    since = dispatch.get("pausedAt")
    note = (raw["spec"].get("dispatch") or {}).get("note")
    words = (f" by {by}" if by else "") + (f" since {since}" if since else "")
    return words + (f": {note}" if note else "")


def _is_current(queue: JobQueue) -> bool:
    """Whether the status was computed from the spec as it is."""
    return (queue.status.observed_generation or 0) >= queue.metadata.generation
