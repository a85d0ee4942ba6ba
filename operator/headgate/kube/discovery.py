"""Which resource a kind is, as the API server says: what kubectl asks before it can get anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from headgate.kube.client import ApiError

if TYPE_CHECKING:
    from headgate.kube.client import Api

NOT_FOUND = 404


def is_segment(name: str) -> bool:
    """Whether a name can be a part of a path: of others, an API server would read something else out of it."""
    return name not in ("", ".", "..") and "/" not in name and "%" not in name


class Served(NamedTuple):
    """A kind as it is served."""

    base: str
    """The path of its API group and version."""
    plural: str
    namespaced: bool
    scalable: bool
    """Whether its objects have a scale subresource."""

    def scale_path(self, name: str, namespace: str | None) -> str:
        """Return the path of an object's scale."""
        room = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{self.base}{room}/{self.plural}/{quote(name, safe='')}/scale"


class Discovery:
    """Knows the kinds that it has been asked for and that are served."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, str], Served] = {}

    async def find(self, api_version: str, kind: str) -> Served | None:
        """Return how a kind is served, None if it is not; raises as `Api.call` does."""
        known = self._known.get((api_version, kind))
        if known is not None:
            return known
        group, _, version = api_version.rpartition("/")
        if not is_segment(version) or (group and not is_segment(group)):
            return None
        version = quote(version, safe="")
        base = f"/apis/{quote(group, safe='')}/{version}" if group else f"/api/{version}"
        try:
            resources = (await self._api.call("GET", base))["resources"]
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        names = {resource["name"] for resource in resources}
        for resource in resources:
            name = resource["name"]
            if resource["kind"] == kind and "/" not in name:
                served = Served(base, name, resource["namespaced"], f"{name}/scale" in names)
                if served.scalable:
                    self._known[api_version, kind] = served
                return served
        return None

    def forget(self, api_version: str, kind: str) -> None:
        """Ask again the next time: it may be served no more, or in another way."""
        self._known.pop((api_version, kind), None)
