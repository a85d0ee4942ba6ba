"""The scale subresource of what an environment's `spec.scaling.targetRef` names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headgate.engine.environments import ScaleReading
from headgate.kube.client import MERGE_PATCH, ApiError
from headgate.kube.discovery import NOT_FOUND, Discovery, is_segment

if TYPE_CHECKING:
    from headgate.api.computeenvironment import ScaleTargetRef
    from headgate.kube.client import Api, Json

FORBIDDEN = 403
_FIELD = "spec.scaling.targetRef"


class TargetError(Exception):
    """A target cannot be scaled until a person changes something; says what."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.missing = missing


class FoundScale(NamedTuple):
    """A scale as it was read."""

    reading: ScaleReading
    path: str
    resource_version: str


class Targets:
    """Reads and sets scales; what is asked for is anybody's kind."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._discovery = Discovery(api)

    async def read(self, ref: ScaleTargetRef) -> FoundScale:
        """Read a target's scale; raises `TargetError`, `ApiError` or one of `UNREACHABLE`."""
        path = await self._path(ref)
        try:
            scale = await self._api.call("GET", path)
        except ApiError as error:
            if error.status == NOT_FOUND:
                self._discovery.forget(ref.api_version, ref.kind)
                message = f"{described(ref)} does not exist: create it, and the environment goes on by itself"
                raise TargetError(message, missing=True) from error
            raise _explained(error, ref, "get") from error
        return FoundScale(_reading(scale), path, scale["metadata"]["resourceVersion"])

    async def write(self, ref: ScaleTargetRef, found: FoundScale, replicas: int) -> ScaleReading:
        """Set a target's replicas if nobody has changed it since it was read, and return its scale then.

        Raises as `read` does; `ApiError` 409 when somebody has.
        """
        body = {"metadata": {"resourceVersion": found.resource_version}, "spec": {"replicas": replicas}}
        try:
            return _reading(await self._api.call("PATCH", found.path, body, content_type=MERGE_PATCH))
        except ApiError as error:
            raise _explained(error, ref, "patch") from error

    async def _path(self, ref: ScaleTargetRef) -> str:
        served = await self._discovery.find(ref.api_version, ref.kind)
        if served is None:
            raise TargetError(
                f"{_FIELD}: the API server has no kind {ref.kind} in {ref.api_version}: correct apiVersion and kind, "
                "or install what brings it",
                missing=True,
            )
        if not served.scalable:
            raise TargetError(f"{_FIELD}: a {ref.kind} of {ref.api_version} has no scale subresource")
        if served.namespaced and not ref.namespace:
            raise TargetError(f"{_FIELD}.namespace is missing: a {ref.kind} is in a namespace")
        if ref.namespace and not served.namespaced:
            raise TargetError(f"{_FIELD}.namespace: a {ref.kind} is in no namespace: remove it")
        for field, name in (("name", ref.name), ("namespace", ref.namespace)):
            if name is not None and not is_segment(name):
                raise TargetError(f"{_FIELD}.{field}: {name!r} is no name of an object")
        return served.scale_path(ref.name, ref.namespace)


class Identity(NamedTuple):
    """What tells an object from all others; the version that it is asked for in does not."""

    group: str
    kind: str
    namespace: str | None
    name: str


def identity(ref: ScaleTargetRef) -> Identity:
    """Return which object is meant."""
    return Identity(ref.api_version.rpartition("/")[0], ref.kind, ref.namespace, ref.name)


def described(ref: ScaleTargetRef) -> str:
    """Return the words for a target."""
    return f'{ref.kind} "{ref.namespace}/{ref.name}"' if ref.namespace else f'{ref.kind} "{ref.name}"'


def _explained(error: ApiError, ref: ScaleTargetRef, verb: str) -> Exception:
    """Return an error that says what a person can do, where it is one for a person."""
    if error.status == FORBIDDEN:
        return TargetError(
            f"the operator may not {verb} the scale of {described(ref)}: grant its ServiceAccount get and patch of it "
            f"({error.message})"
        )
    if error.is_final and error.status != 409:
        return TargetError(
            f"the scale of {described(ref)} cannot be {'read' if verb == 'get' else 'set'}: {error.message}"
        )
    return error


def _reading(scale: Json) -> ScaleReading:
    spec, status = scale.get("spec") or {}, scale.get("status") or {}
    return ScaleReading(spec.get("replicas") or 0, status.get("replicas") or 0)
