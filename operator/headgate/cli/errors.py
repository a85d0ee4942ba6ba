"""How a verb ends that did not succeed: what goes to stderr, and the exit code.

As in kubectl: what the API server said begins with ``Error from server (Reason):``, what it never heard of with
``error:``. The code is 1; 2 means that the command was called wrongly, and 130 that it was interrupted.
"""

from __future__ import annotations

from headgate.cli.output.visible import visible
from headgate.client import HeadgateError, NotFoundError, NotInstalledError

FAILED = 1


class Problem(Exception):  # noqa: N818 - it is no error of the program's
    """Something that a person can put right, found before the API server was asked."""


def describe(error: HeadgateError | Problem) -> str:
    """Return what to tell of an error."""
    said = visible(str(error))
    if isinstance(error, HeadgateError) and error.status is not None:
        return f"Error from server ({error.reason or error.status}): {said}"
    return f"error: {said}"


def is_not_found(error: HeadgateError | Problem) -> bool:
    """Whether an object is not there, and not its whole kind."""
    return isinstance(error, NotFoundError) and not isinstance(error, NotInstalledError)
