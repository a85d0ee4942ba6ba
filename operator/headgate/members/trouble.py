"""What is in the way of a copy, in words for the person who looks at its proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headgate.api.names import REASON_COPY_REFUSED
from headgate.kube.client import ApiError
from headgate.members.errors import failure
from headgate.members.reconcile import Cancel, Create, Delete, Finish, Mirror

if TYPE_CHECKING:
    from headgate.members.reconcile import Action
    from headgate.members.records import Key

MOST_WORDS: Final = 400
"""How many characters of what a server says are shown."""
SOON: Final = 5
"""So many tries are made in half a minute: what passes in that time is nothing to tell of."""
_NEVER: Final = 1 << 30

_DOING: Final[dict[type, tuple[str, str]]] = {
    Create: (REASON_COPY_REFUSED, "create Jobs"),
    Cancel: ("CopyNotCanceled", "patch the status of Jobs"),
    Delete: ("CopyNotDeleted", "delete Jobs"),
    Mirror: ("CopyNotMirrored", "get Jobs"),
    Finish: ("CopyUnknown", "get Jobs"),
}


class NotYetError(Exception):
    """Something on a proxy is in the way of its copy; the message is for a person, under a reason.

    `after` says how many tries are made before the person is told.
    """

    def __init__(self, reason: str, message: str, *, after: int = 0) -> None:
        super().__init__(message)
        self.reason = reason
        self.after = after


class HubError(Exception):
    """The hub did not do what it was asked, whatever the member does; `error` says why."""

    def __init__(self, error: Exception) -> None:
        super().__init__(shortened(str(error) or type(error).__name__))
        self.error = error

    @property
    def is_refusal(self) -> bool:
        """Whether it finds what it was asked invalid: it would find so each time."""
        return isinstance(self.error, ApiError) and self.error.status == 422


class StaleViewError(Exception):
    """What was to be done is not right any more, which the watch has not told yet."""


def tries_before_telling(error: Exception) -> int:
    """Return how many tries may fail like this before a person is told."""
    match error:
        case NotYetError():
            return error.after
        case StaleViewError():
            return _NEVER
        case HubError() if not error.is_refusal:
            # It is not the Job's trouble, and the hub is where events are written.
            return _NEVER
    # What passes within a second is nothing to tell of.
    return 1


def trouble(error: Exception, kind: type[Action], cluster: str, key: Key) -> tuple[str, str]:
    """Return reason and message of what is in the way of an action in a cluster for a Job."""
    if isinstance(error, NotYetError):
        return error.reason, str(error)
    reason, doing = _DOING.get(kind, (kind.__name__, ""))
    if isinstance(error, HubError) and error.is_refusal:
        return (
            "CopyNotMirrored",
            f"the status that its copy gives it is refused here: {error}; it is tried again",
        )
    if isinstance(error, HubError | StaleViewError):
        return reason, str(error)
    return reason, f'cluster "{cluster}" {_words(error, doing, key)}; it is tried again'


def unreadable(error: Exception, cluster: str) -> tuple[str, str]:
    """Return reason and message of a copy with a status that makes no sense."""
    kind = type(error).__name__
    return "CopyNotMirrored", (
        f'the status of its copy in cluster "{cluster}" makes no sense ({kind}; the operator\'s log has more): what '
        "becomes of it there is not shown here"
    )


def shortened(words: str) -> str:
    """Return what a server says in no more words than a person wants."""
    return words if len(words) <= MOST_WORDS else f"{words[: MOST_WORDS - 1]}…"


def _words(error: Exception, doing: str, key: Key) -> str:
    if isinstance(error, ApiError) and error.status == 404:
        return f'has no namespace "{key[0]}": create it there'
    if isinstance(error, ApiError) and error.status == 403 and "cannot" not in error.message:
        # Not for want of rights: of quota, for example, or because of a policy there.
        return f"does not take the Job: {shortened(error.message)}"
    return str(failure(error, doing))
