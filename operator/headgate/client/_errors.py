"""What can go wrong, in classes that a program can tell apart and in words that a person can act on.

The message is the API server's own where there is one, without what it puts in front of every refusal.
"""

from __future__ import annotations

import builtins
import re
from typing import Final

GROUP_SUFFIX: Final = ".headgate.dev"

_NO_RIGHT: Final = re.compile(
    r'User "(?P<user>.*)" cannot (?P<verb>\S+) resource "(?P<resource>\S+)" in API group "(?P<group>\S*)"'
    r'(?: in the namespace "(?P<namespace>\S+)"| at the cluster scope)'
)
_DENIED: Final = re.compile(r"^.*? denied request: ", re.DOTALL)
_INVALID: Final = re.compile(r'^\S+ "[^"]*" is invalid: (?P<rest>.+)$', re.DOTALL)
_NOT_SERVED: Final = "the server could not find the requested resource"


class HeadgateError(Exception):
    """Something went wrong; everything that this package raises on purpose is one of these."""

    def __init__(self, message: str, *, reason: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        """The API server's word for it, such as NotFound; empty where it did not answer."""
        self.status = status
        """The HTTP status of its answer, None where it did not answer."""


class ConfigurationError(HeadgateError):
    """There is no kubeconfig, it cannot be read, or it lacks what was asked for."""


class UnreachableError(HeadgateError):
    """The API server did not answer: a change that was asked for may have been made, or not."""


class ServerError(HeadgateError):
    """The API server answered that it cannot answer now."""


class NotAuthenticatedError(HeadgateError):
    """The API server does not accept the credentials of the kubeconfig."""


class ForbiddenError(HeadgateError):
    """The user has no right to do this."""

    def __init__(
        self, message: str, *, reason: str = "Forbidden", status: int | None = 403, right: str
    ) -> None:
        super().__init__(message, reason=reason, status=status)
        self.right = right
        """The right that is missing, such as ``update jobqueues.headgate.dev``."""


class NotFoundError(HeadgateError):
    """There is no such object."""


class NotInstalledError(NotFoundError):
    """The API server does not know the kind: Headgate is not installed, or is of another version."""


class ConflictError(HeadgateError):
    """The object has changed since it was read: read it again."""


class AlreadyExistsError(ConflictError):
    """There is an object of this name already."""


class RefusedError(HeadgateError):
    """What was asked for is not allowed: the message says which rule, and what would be right."""


class AlreadyPausedError(RefusedError):
    """The queue is paused already."""


class NotPausedError(RefusedError):
    """The queue is not paused."""


class TimeoutError(HeadgateError, builtins.TimeoutError):  # noqa: A001 - as in asyncio, and it is one
    """What was waited for did not come in time."""


def error_of(status: int, reason: str, message: str) -> HeadgateError:
    """Return the error for an answer of the API server."""
    if status == 401:
        words = "the API server does not accept these credentials: log in again, or choose another context"
        return NotAuthenticatedError(words, reason=reason, status=status)
    if status == 404:
        if _NOT_SERVED in message or reason != "NotFound":
            words = "the API server does not know this kind: is Headgate installed in this cluster?"
            return NotInstalledError(words, reason="NotFound", status=status)
        return NotFoundError(message, reason="NotFound", status=status)
    if status == 409:
        kind = AlreadyExistsError if reason == "AlreadyExists" else ConflictError
        return kind(message, reason=reason, status=status)
    if status == 403 and (missing := _NO_RIGHT.search(message)):
        return _forbidden(missing, message)
    if status in (400, 403, 405, 413, 415, 422):
        return RefusedError(without_noise(message), reason=reason, status=status)
    return ServerError(message or f"HTTP status {status}", reason=reason, status=status)


def unreachable(server: str, error: BaseException) -> UnreachableError:
    """Return the error for an answer that did not come."""
    return UnreachableError(
        f"the API server at {server} does not answer: {str(error) or type(error).__name__}"
    )


def without_noise(message: str) -> str:
    """Return a refusal without the names of policy, binding and object that the API server puts in front."""
    told = _DENIED.sub("", message)
    if told == message and (invalid := _INVALID.match(message)):
        return invalid["rest"]
    return told


def _forbidden(missing: re.Match[str], message: str) -> ForbiddenError:
    resource = missing["resource"] + (f".{missing['group']}" if missing["group"] else "")
    right = f"{missing['verb']} {resource}"
    where = f'in namespace "{missing["namespace"]}"' if missing["namespace"] else "in the whole cluster"
    hint = ""
    if resource.endswith(GROUP_SUFFIX):
        role = "headgate-viewer" if missing["verb"] in ("get", "list", "watch") else "headgate-editor"
        hint = f"; ClusterRole {role} has it"
    return ForbiddenError(f'user "{missing["user"]}" may not {right} {where}{hint}', right=right)
