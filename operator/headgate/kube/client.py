"""A thin client for the hot path: raw JSON over aiohttp.

Configuration, credentials and TLS are the official client's, so that everything a kubeconfig or a Pod can ask for
works, token reload included. What is left out are its typed models, which cost more than all the rest together.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson
import yarl
from kubernetes.aio import client as official

from headgate.kube.kubeconfig import load
from headgate.kube.paging import PAGE, pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp.abc import AbstractResolver

REQUEST_SECONDS = 30.0
"""How long one request may take; a watch is bounded by its own silence instead."""
CONNECTIONS = 64

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
"""An answer with nothing but the object's metadata: less to encode for the API server, less to send."""
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""The same of a list."""

Json = dict[str, Any]


class ApiError(Exception):
    """The API server answered with an error: its HTTP status, reason and message, and when to try again."""

    def __init__(
        self, status: int, reason: str, message: str, retry_after: float | None = None, rest: str = ""
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.rest = rest
        """Where a list of which the moment is too long ago (410) goes on, as it is now."""

    @property
    def is_final(self) -> bool:
        """Whether the server has decided on the request: asking again would give the same."""
        return self.status < 500 and self.status not in (401, 408, 429)

    @property
    def is_general(self) -> bool:
        """Whether any other request would have fared the same: this says nothing about what was asked."""
        return self.status in (401, 429, 502, 503) and not self.by_admission

    @property
    def is_missing(self) -> bool:
        """Whether there is no such object. Of a kind that is not served, nobody knows, and the status is 404 too."""
        return self.status == 404 and self.reason == "NotFound"

    @property
    def by_admission(self) -> bool:
        """Whether a webhook or a policy said no, or could not be asked: whatever the status, nothing was stored."""
        return 'webhook "' in self.message or "AdmissionPolicy '" in self.message


class NotJsonError(ValueError):
    """What was to be sent cannot be written as JSON."""


UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError)
"""What is raised when the answer, if there was one, did not arrive: the request may have been carried out."""


class Api:
    """One API server, with one pool of connections."""

    def __init__(
        self,
        configuration: official.Configuration,
        *,
        request_seconds: float = REQUEST_SECONDS,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Prepare a client; `resolver` looks up host names, or else the event loop does."""
        configuration.connection_pool_maxsize = CONNECTIONS
        self.configuration = configuration
        self.official = official.ApiClient(configuration)
        self.base = configuration.host
        self._request_seconds = request_seconds
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._watches: set[aiohttp.ClientResponse] = set()
        self._left: set[asyncio.Future[aiohttp.ClientResponse]] = set()
        self._closed = False

    @classmethod
    async def connect(cls, kubeconfig: str | None = None, context: str | None = None) -> Self:
        """Return a client for what `kubeconfig.load` finds; raises as that does."""
        return cls((await load(kubeconfig, context)).configuration)

    async def close(self) -> None:
        """Close all connections; what is under way, or asked for later, meets one of `UNREACHABLE`."""
        self._closed = True
        for response in list(self._watches):
            # By itself, to close a session lets who reads from it wait for ever.
            response.close()
        if self._session is not None:
            await self._session.close()
        for opening in self._left:
            opening.cancel()
        await asyncio.gather(*self._left, return_exceptions=True)
        await self.official.close()

    async def authorization(self) -> dict[str, str]:
        """Return the headers that authenticate a request now; expired tokens are read anew."""
        headers: dict[str, str] = {}
        for setting in (await self.configuration.auth_settings()).values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        return headers

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """Make a request and return its JSON answer; raises `ApiError`, `NotJsonError`, or one of `UNREACHABLE`."""
        headers = {} if body is None else {"Content-Type": content_type}
        return _decode(await self._request(method, path, body, params, headers))

    async def text(self, path: str) -> str:
        """Return what a page that is not JSON says, such as `/readyz`; raises as `call` does."""
        return (await self._request("GET", path, None, None, {"Accept": "*/*"})).decode(errors="replace")

    async def metadata(self, path: str) -> Json:
        """Return the metadata of an object; raises as `call` does."""
        metadata: Json = _decode(await self._request("GET", path, None, None, {"Accept": _METADATA}))[
            "metadata"
        ]
        return metadata

    async def patch(self, path: str, body: Json, *, content_type: str) -> None:
        """Patch an object without asking what became of it; raises as `call` does."""
        await self._request("PATCH", path, body, None, {"Content-Type": content_type, "Accept": _METADATA})

    async def _request(
        self, method: str, path: str, body: Any, params: Mapping[str, str] | None, headers: dict[str, str]
    ) -> bytes:
        headers |= await self.authorization()
        data = None if body is None else _encode(body)
        async with self._http().request(
            method,
            self._url(path),
            params=params,
            data=data,
            headers=headers,
            server_hostname=self.configuration.tls_server_name,
        ) as response:
            payload = await response.read()
            if response.status >= 400:
                raise _error(response, payload)
        return payload

    def pages(self, path: str, *, limit: int = PAGE, **params: str) -> AsyncIterator[Json]:
        """Yield a list page by page, all of one moment; raises `ApiError` 410 when that moment is too long ago."""
        return pages(self.call, path, limit=limit, **params)

    async def metadata_of_all(self, path: str) -> AsyncIterator[Json]:
        """Yield the metadata of every object of a list; raises as `pages` does."""

        async def call(method: str, path: str, *, params: Mapping[str, str]) -> Json:
            return _decode(await self._request(method, path, None, params, {"Accept": _METADATA_LIST}))

        async for page in pages(call, path):
            for item in page["items"]:
                yield item["metadata"]

    @asynccontextmanager
    async def watch(self, path: str, *, silence: float, **params: str) -> AsyncIterator[AsyncIterator[Json]]:
        """Open a watch and yield its events; `TimeoutError` when nothing at all came for `silence` seconds."""
        query = {**params, "watch": "1", "allowWatchBookmarks": "true"}
        async with self._stream(path, query, {}, silence=silence) as response:
            yield _events(response)

    @asynccontextmanager
    async def lines(self, path: str, **params: str) -> AsyncIterator[AsyncIterator[str]]:
        """Open a text that may go on for ever, such as a log, and yield its lines; raises as `call` does."""
        async with self._stream(path, params, {"Accept": "*/*"}, silence=None) as response:
            yield _lines(response)

    @asynccontextmanager
    async def _stream(
        self, path: str, params: Mapping[str, str], headers: dict[str, str], *, silence: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._request_seconds, sock_read=silence)
        opening = asyncio.ensure_future(
            self._http().get(
                self._url(path),
                params=params,
                headers={**headers, **await self.authorization()},
                timeout=timeout,
                server_hostname=self.configuration.tls_server_name,
            )
        )
        try:
            response = await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._left.add(opening)
            opening.add_done_callback(self._abandon)
            raise
        async with response:
            if response.status >= 400:
                raise _error(response, await response.read())
            self._watches.add(response)
            try:
                yield response
            finally:
                self._watches.discard(response)
                _abort(response)

    def _abandon(self, opening: asyncio.Future[aiohttp.ClientResponse]) -> None:
        """Leave what was asked for, and is not wanted any more when the answer comes."""
        self._left.discard(opening)
        if not opening.cancelled() and opening.exception() is None:
            _abort(opening.result())
            opening.result().close()

    def _url(self, path: str) -> yarl.URL:
        # Made of the names of objects, in which nothing needs quoting: not looking for it is half the cost.
        return yarl.URL(self.base + path, encoded=True)

    def _http(self) -> aiohttp.ClientSession:
        if self._closed:
            raise aiohttp.ClientConnectionError("the connection was closed on this side")
        if self._session is None:
            tls = self.official.rest_client.ssl_context
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=tls, resolver=self._resolver),
                timeout=aiohttp.ClientTimeout(total=self._request_seconds),
                proxy=self.configuration.proxy,
                trust_env=False,
            )
        return self._session


def _abort(response: aiohttp.ClientResponse) -> None:
    """Leave in the middle of it: to part in good form would take the other side, and outlast `close`."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    # Not by the reader's own lines: those are bounded in length, and an object may be larger.
    rest = b""
    async for chunk in response.content.iter_any():
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield _decode(line)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    rest = b""
    async for chunk in response.content.iter_any():
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


def _encode(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise NotJsonError(f"this cannot be written as JSON: {error}") from None


def _decode(payload: bytes) -> Json:
    if not payload:
        return {}
    try:
        answer: Json = orjson.loads(payload)
    except orjson.JSONDecodeError:
        # Something in between answered, not the API server.
        raise aiohttp.ClientPayloadError("the answer is not JSON") from None
    return answer


def _error(response: aiohttp.ClientResponse, payload: bytes) -> ApiError:
    rest = ""
    try:
        status = orjson.loads(payload)
        reason, message = status.get("reason") or "", status.get("message") or ""
        rest = (status.get("metadata") or {}).get("continue") or ""
    except (orjson.JSONDecodeError, AttributeError):
        # Something in between answered, not the API server.
        reason, message = response.reason or "", payload[:200].decode(errors="replace")
    after = response.headers.get("Retry-After", "")
    return ApiError(response.status, reason, message, float(after) if after.isdecimal() else None, rest)
