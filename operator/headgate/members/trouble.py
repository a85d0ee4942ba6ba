"""What is in the way of a copy, in words for the person who looks at its proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.api.names import REASON_COPY_REFUSED
from headgate.kube.client import ApiError
from headgate.members.errors import failure
from headgate.members.reconcile import Cancel, Create, Delete, Finish

if TYPE_CHECKING:
    from headgate.members.reconcile import Action
    from headgate.members.records import Key

_DOING: Final[dict[type, tuple[str, str]]] = {
    Create: (REASON_COPY_REFUSED, "create Jobs"),
    Cancel: ("CopyNotCanceled", "patch the status of Jobs"),
    Delete: ("CopyNotDeleted", "delete Jobs"),
    Finish: ("CopyUnknown", "get Jobs"),
}


class NotYetError(Exception):
    """Something on a proxy is in the way of its copy; the message is for a person, under a reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class HubError(Exception):
    """The hub did not do what it was asked, whatever the member does; `error` says why."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error) or type(error).__name__)
        self.error = error


class StaleViewError(Exception):
    """What was to be done is not right any more, which the watch has not told yet."""


def trouble(error: Exception, kind: type[Action], cluster: str, key: Key) -> tuple[str, str]:
    """Return reason and message of what is in the way of an action in a cluster for a Job."""
    if isinstance(error, NotYetError):
        return error.reason, str(error)
    reason, doing = _DOING.get(kind, (kind.__name__, ""))
    if isinstance(error, HubError | StaleViewError):
        return reason, str(error)
    return reason, f'cluster "{cluster}" {_words(error, doing, key)}; it is tried again'


def _words(error: Exception, doing: str, key: Key) -> str:
    if isinstance(error, ApiError) and error.status == 404:
        return f'has no namespace "{key[0]}": create it there'
    if isinstance(error, ApiError) and error.status == 403 and "cannot" not in error.message:
        # Not for want of rights: of quota, for example, or because of a policy there.
        return f"does not take the Job: {error.message}"
    return str(failure(error, doing))
