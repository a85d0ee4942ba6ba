"""Headgate's own resources over the thin client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from headgate.api.clusterpool import KIND as CLUSTERPOOL
from headgate.api.computeenvironment import KIND as COMPUTEENVIRONMENT
from headgate.api.jobqueue import KIND as JOBQUEUE
from headgate.api.names import GROUP, VERSION
from headgate.api.schedulingpolicy import KIND as SCHEDULINGPOLICY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headgate.api.meta import Resource
    from headgate.api.schema import Kind
    from headgate.kube.client import Api, Json

R = TypeVar("R", bound="Resource")

_KINDS: dict[type[Any], Kind] = {
    kind.model: kind for kind in (JOBQUEUE, CLUSTERPOOL, COMPUTEENVIRONMENT, SCHEDULINGPOLICY)
}


def path_of(model: type[Resource], name: str = "") -> str:
    """Return the path of a kind's list, or of one object."""
    path = f"/apis/{GROUP}/{VERSION}/{_KINDS[model].plural}"
    return f"{path}/{name}" if name else path


async def read(api: Api, model: type[R], name: str) -> R:
    """Read one object as it is now; raises `ApiError`, `UNREACHABLE` or pydantic's ValidationError."""
    return model.parse(await api.call("GET", path_of(model, name)))


async def list_all(api: Api, model: type[Resource]) -> AsyncIterator[Json]:
    """Yield the JSON of every object of a kind; raises as `read` does."""
    async for page in api.pages(path_of(model)):
        for raw in page["items"]:
            yield raw


async def replace_status(api: Api, resource: R, status: Json) -> R:
    """Replace an object's status whole, if the object is still at the version given; return it as it is then.

    Raises `ApiError` 409 when it has changed since.
    """
    model = type(resource)
    metadata = {
        "name": resource.metadata.name,
        "uid": resource.metadata.uid,
        "resourceVersion": resource.metadata.resource_version,
    }
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": model.__name__,
        "metadata": metadata,
        "status": status,
    }
    return model.parse(await api.call("PUT", f"{path_of(model, resource.metadata.name)}/status", body))
