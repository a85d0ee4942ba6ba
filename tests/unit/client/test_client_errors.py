"""From the API server's answers to errors that say what to do."""

from __future__ import annotations

import pytest

from headgate.client import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    HeadgateError,
    NotAuthenticatedError,
    NotFoundError,
    NotInstalledError,
    RefusedError,
    ServerError,
)
from headgate.client._errors import error_of

MISSING = 'jobqueues.headgate.dev "a" not found'
EXISTS = 'jobqueues.headgate.dev "a" already exists'
DENIED = (
    "jobqueues.headgate.dev \"busy\" is forbidden: ValidatingAdmissionPolicy 'headgate-queue-delete' with binding "
    "'headgate-queue-delete' denied request: JobQueue \"busy\" cannot be deleted: it has 1 live Jobs"
)
INVALID = (
    'JobQueue.headgate.dev "wrong" is invalid: spec.runConcurrency: Invalid value: -1: spec.runConcurrency in body '
    "should be greater than or equal to 0"
)
NO_RIGHT = (
    'jobqueues.headgate.dev "a" is forbidden: User "bob" cannot patch resource "jobqueues" in API group '
)


@pytest.mark.parametrize(
    ("status", "reason", "message", "kind", "told"),
    [
        (404, "NotFound", MISSING, NotFoundError, MISSING),
        (
            404,
            "NotFound",
            "the server could not find the requested resource",
            NotInstalledError,
            "Headgate installed",
        ),
        (404, "Not Found", "404 page not found", NotInstalledError, "is Headgate installed"),
        (409, "AlreadyExists", EXISTS, AlreadyExistsError, EXISTS),
        (409, "Conflict", "Operation cannot be fulfilled", ConflictError, "cannot be fulfilled"),
        (422, "Invalid", DENIED, RefusedError, 'JobQueue "busy" cannot be deleted: it has 1 live Jobs'),
        (403, "Forbidden", DENIED, RefusedError, 'JobQueue "busy" cannot be deleted: it has 1 live Jobs'),
        (422, "Invalid", INVALID, RefusedError, "spec.runConcurrency: Invalid value: -1"),
        (403, "Forbidden", 'pods "p" is forbidden: exceeded quota: q', RefusedError, "exceeded quota: q"),
        (400, "BadRequest", 'unknown field "spec.x"', RefusedError, 'unknown field "spec.x"'),
        (401, "Unauthorized", "Unauthorized", NotAuthenticatedError, "log in again"),
        (500, "InternalError", "etcd is down", ServerError, "etcd is down"),
        (503, "", "", ServerError, "HTTP status 503"),
    ],
)
def test_the_kind_and_the_words(
    status: int, reason: str, message: str, kind: type[HeadgateError], told: str
) -> None:
    error = error_of(status, reason, message)

    assert type(error) is kind
    assert told in str(error)
    assert error.status == status
    assert "ValidatingAdmissionPolicy" not in str(error)
    assert "is invalid" not in str(error)


@pytest.mark.parametrize(
    ("message", "right", "told"),
    [
        (
            NO_RIGHT + '"headgate.dev" at the cluster scope',
            "patch jobqueues.headgate.dev",
            'user "bob" may not patch jobqueues.headgate.dev in the whole cluster; ClusterRole headgate-editor has it',
        ),
        (
            'jobs.batch is forbidden: User "bob" cannot list resource "jobs" in API group "batch" in the namespace "a"',
            "list jobs.batch",
            'user "bob" may not list jobs.batch in namespace "a"',
        ),
        (
            'pods "a" is forbidden: User "b" cannot get resource "pods/log" in API group "" in the namespace "c"',
            "get pods/log",
            'user "b" may not get pods/log in namespace "c"',
        ),
    ],
)
def test_a_right_that_is_missing(message: str, right: str, told: str) -> None:
    error = error_of(403, "Forbidden", message)

    assert isinstance(error, ForbiddenError)
    assert (error.right, str(error)) == (right, told)
