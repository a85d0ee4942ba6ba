"""The connection to the API server: opened when it is first needed, and every error of it put into ours.

What is slow to import (aiohttp and the official client, a third of a second) is imported when it is opened.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from headgate.client._errors import ConfigurationError, RefusedError, error_of, unreachable
from headgate.kube.paging import PAGE, pages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from headgate.kube.client import Api

Json = dict[str, Any]

TRIES: Final = 5
"""How often a request is made that the API server has no time for now, before that is an error."""
BUSY: Final = frozenset({429, 503})


class Outage(NamedTuple):
    """That the API server is not heard any more: what was told of it is as it was then."""

    since: float
    """When it was last heard, in seconds since the epoch."""
    reason: str
    """What came of the last attempt to reach it; it is tried again and again."""


@dataclass
class Connection:
    """What leads to an API server, and once it has been used, the connection itself."""

    kubeconfig: str | None = None
    context: str | None = None
    given_namespace: str | None = None
    _api: Api | None = None
    _namespace: str = ""
    _closed: bool = False
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    outages: dict[int, Outage] = field(default_factory=dict)
    """Of watches that are interrupted, by what identifies each."""

    async def open(self) -> Api:
        """Return the connection, opened if need be; raises `ConfigurationError`, and RuntimeError once closed."""
        async with self._opening:
            if self._closed:
                raise RuntimeError("the client was closed")
            if self._api is None:
                self._api = await self._connect()
            return self._api

    async def close(self) -> None:
        """Close it for good."""
        async with self._opening:
            self._closed = True
            api, self._api = self._api, None
            if api is not None:
                await api.close()

    @property
    def namespace(self) -> str:
        """Where Jobs are looked for and made unless told otherwise; known once the connection is open."""
        return self.given_namespace or self._namespace or "default"

    @property
    def server(self) -> str:
        """The URL of the API server; empty until the connection is open."""
        return "" if self._api is None else self._api.base

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """Make a request and return the JSON of the answer; raises `HeadgateError`.

        Where the API server says that it has no time, it is asked again a little later, as kubectl does.
        """
        with self.translated():
            return await self._ask(method, path, body, params, content_type)

    async def _ask(
        self, method: str, path: str, body: Any, params: Mapping[str, str] | None, content_type: str
    ) -> Json:
        """Do what `call` does; raises as `Api.call` does, and `HeadgateError` where there is no connection."""
        api = await self.open()
        from headgate.kube.client import ApiError
        from headgate.kube.retry import backoff, pause_after

        pauses = backoff()
        for attempt in range(1, TRIES + 1):
            try:
                return await api.call(method, path, body, params=params, content_type=content_type)
            except ApiError as error:
                if attempt == TRIES or error.status not in BUSY or error.retry_after is None:
                    raise
                pause = pause_after(error, next(pauses))
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def user(self) -> Json:
        """Return who the API server takes the user for; raises `HeadgateError`."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
        return dict(answer["status"]["userInfo"])

    def pages(self, path: str, *, limit: int | None = None, **params: str) -> AsyncGenerator[Json, None]:
        """Yield a list page by page, `limit` objects in each (0: all in one); raises `HeadgateError`.

        Who takes long over a page gets the rest as it is by then: the API server forgets what was after a few minutes.
        """
        size = PAGE if limit is None else limit
        if size < 0:
            raise ValueError(f"page_size: must be 0 or more, not {size}")
        return pages(self._page, path, limit=size, **params)

    async def _page(self, method: str, path: str, *, params: Mapping[str, str]) -> Json:
        from headgate.kube.client import ApiError

        with self.translated():
            try:
                return await self._ask(method, path, None, params, "")
            except ApiError as error:
                if not error.rest:
                    raise
                return await self._ask(method, path, None, {**params, "continue": error.rest}, "")

    async def objects(
        self, path: str, *, limit: int | None = None, **params: str
    ) -> AsyncGenerator[Json, None]:
        """Yield the objects of a list, with their apiVersion and kind; raises `HeadgateError`."""
        async with aclosing(self.pages(path, limit=limit, **params)) as pages:
            async for page in pages:
                head = {"apiVersion": page["apiVersion"], "kind": page["kind"].removesuffix("List")}
                for raw in page["items"]:
                    yield {**head, **raw}

    async def version(self, path: str) -> str:
        """Return the resourceVersion of a list as it is now; raises `HeadgateError`."""
        version: str = (await self.call("GET", path, params={"limit": "1"}))["metadata"]["resourceVersion"]
        return version

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the errors of the thin client into those of this package."""
        from headgate.kube.client import UNREACHABLE, ApiError, NotJsonError

        try:
            yield
        except NotJsonError as error:
            raise RefusedError(str(error)) from None
        except ApiError as error:
            raise error_of(error.status, error.reason, error.message) from None
        except UNREACHABLE as error:
            raise unreachable(self.server, error) from error

    async def _connect(self) -> Api:
        from kubernetes.aio.config import ConfigException

        from headgate.kube.client import Api
        from headgate.kube.kubeconfig import load

        try:
            configuration, self._namespace = await load(self.kubeconfig, self.context)
        except ConfigException as error:
            raise ConfigurationError(str(error)) from error
        return Api(configuration)


def tidy(raw: Json) -> Json:
    """Return an object without the part of its metadata that is nothing for people."""
    raw["metadata"].pop("managedFields", None)
    return raw


def field_value(value: str) -> str:
    """Return a value for a field selector, in which some characters mean something."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
