"""From the JSON of a Job to what the engine knows of it."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.engine.job import Job, JobState
from headgate.kube.jobs import job_from

STARTED = "2026-01-01T00:00:07Z"


def read(
    *, annotations: dict[str, str] | None = None, status: dict[str, Any] | None = None, **spec: Any
) -> Job:
    metadata = {
        "uid": "u",
        "namespace": "lab",
        "name": "train",
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"headgate.dev/queue": "gold"},
        "annotations": annotations or {},
    }
    template = {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}
    return job_from({"metadata": metadata, "spec": {"template": template, **spec}, "status": status or {}})


def condition(type_: str, **more: str) -> dict[str, str]:
    return {"type": type_, "status": "True", **more}


def test_a_job_that_is_suspended_waits() -> None:
    job = read(suspend=True)
    assert (job.state, job.held, job.managed, job.requeued) == (JobState.WAITING, False, False, False)


def test_a_job_is_active_only_where_headgate_let_it_through() -> None:
    assert read().state is JobState.UNADMITTED
    assert read(annotations={"headgate.dev/admitted-at": STARTED}).state is JobState.ACTIVE


def test_a_proxy_is_known_by_its_manager() -> None:
    assert read(suspend=True, managedBy="headgate.dev/dispatcher").managed
    assert not read(suspend=True, managedBy="example.com/other").managed


def test_a_job_that_came_back_is_known_by_where_it_came_from() -> None:
    assert read(suspend=True, annotations={"headgate.dev/requeued-from": "east"}).requeued


@pytest.mark.parametrize(
    ("status", "held"),
    [
        ({}, False),
        ({"startTime": STARTED, "active": 1, "conditions": [condition("Suspended")]}, True),
        ({"startTime": STARTED}, True),
        ({"startTime": STARTED, "conditions": [condition("Suspended")]}, False),
    ],
)
def test_a_job_that_was_suspended_is_held_until_its_pods_are_gone(status: dict[str, Any], held: bool) -> None:
    assert read(suspend=True, status=status).held is held


@pytest.mark.parametrize(
    ("status", "stopping"),
    [
        ({"conditions": [condition("Suspended")]}, False),
        ({"startTime": STARTED, "conditions": [condition("Suspended")]}, True),
        ({"startTime": STARTED}, True),
    ],
)
def test_a_proxy_that_came_back_is_stopping_until_its_start_is_taken_back(
    status: dict[str, Any], stopping: bool
) -> None:
    job = read(suspend=True, managedBy="headgate.dev/dispatcher", status=status)
    assert (job.stopping, job.held) == (stopping, False)


def test_what_is_wrong_with_a_job_is_its_own_error() -> None:
    job = read(suspend=True, annotations={"headgate.dev/priority": "high"})
    assert job.error == (
        "metadata.annotations['headgate.dev/priority']: must be an integer from 0 to 9999, not 'high'"
    )


def test_a_finished_job_tells_how_and_when() -> None:
    failed = condition("Failed", reason="DeadlineExceeded", lastTransitionTime=STARTED)
    job = read(status={"startTime": STARTED, "conditions": [failed]})
    assert (job.state, job.result) == (JobState.FINISHED, "timedOut")
    assert job.finished_at == job.created + 7
