"""A list-and-watch of the copies in one member."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from headgate.api.names import HUB_LABEL
from headgate.kube.client import ApiError
from headgate.kube.list_watch import ListWatch
from headgate.kube.paths import JOBS
from headgate.members.errors import failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.kube.client import Api, Json
    from headgate.members.proxies import Proxies

logger = logging.getLogger(__name__)

COPIES: Final = 100
"""How many are listed at once: each page has to arrive within the time of one request, also from far away."""


class CopyInformer(ListWatch[dict[str, Any]]):
    """Follows the Jobs of one member that belong to this hub."""

    def __init__(self, cluster: str, api: Callable[[], Api], proxies: Proxies, *, hub_id: str) -> None:
        super().__init__(
            api, JOBS, labels=f"{HUB_LABEL}={hub_id}", subject=f"copies in cluster {cluster}", page=COPIES
        )
        self._cluster = cluster
        self._proxies = proxies
        self._first = True

    def read(self, raw: Json) -> Json:
        """Return it as it is."""
        return raw

    def listed(self, objects: list[Json], version: str) -> None:
        """Tell of all copies."""
        # Nothing is under way over a connection that is new: what it shows first is as it is.
        self._proxies.copies_listed(self._cluster, objects, anew=self._first)
        self._first = False

    def seen(self, known: Json) -> None:
        """Tell of a copy."""
        self._proxies.copy_seen(self._cluster, known)

    def gone(self, raw: Json) -> None:
        """Tell that a copy was deleted."""
        self._proxies.copy_gone(self._cluster, raw)

    def failed(self, error: Exception) -> None:
        """Try again, but end where the member has decided: then somebody has to change something there."""
        if isinstance(error, ApiError) and error.is_final:
            raise failure(error, "watch Jobs") from None
        logger.info(
            "the watch of copies in cluster %s broke: %s", self._cluster, failure(error, "watch Jobs")
        )
