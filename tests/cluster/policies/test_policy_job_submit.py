"""A Job that enters a queue is suspended and carries who submitted it, also while no operator runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.policies.support import (
    ADMITTED_AT,
    CLUSTER,
    ENVIRONMENT,
    PLACEMENT,
    POOL,
    QUEUE,
    REQUEUED_FROM,
    SUBMITTED_BY,
    TERM,
    Api,
    job,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_queued_job_is_created_suspended(api: Api, make_queue: Callable[..., str]) -> None:
    name = make_queue()
    made = api.create(job(queue=name, suspend=False), user="alice").accepted().object
    assert made["spec"]["suspend"] is True
    assert made["metadata"]["annotations"][SUBMITTED_BY] == "alice"
    assert made["metadata"]["labels"][POOL] == "default"


def test_a_queue_that_does_not_exist_yet_still_holds_its_jobs(api: Api) -> None:
    made = api.create(job(queue="later", labels={POOL: "forged"}), user="alice").accepted().object
    assert made["spec"]["suspend"] is True
    assert POOL not in made["metadata"]["labels"]


def test_what_only_headgate_writes_cannot_be_forged(api: Api, make_queue: Callable[..., str]) -> None:
    forged = {
        SUBMITTED_BY: "bob",
        ADMITTED_AT: "2026-01-01T00:00:00Z",
        TERM: "0",
        CLUSTER: "other",
        ENVIRONMENT: "other",
        PLACEMENT: "{}",
        REQUEUED_FROM: "other",
        "mine": "kept",
    }
    body = job(queue=make_queue(), suspend=False, labels={POOL: "other"}, annotations=forged)
    made = api.create(body, user="alice").accepted().object
    assert made["spec"]["suspend"] is True
    assert made["metadata"]["annotations"] == {SUBMITTED_BY: "alice", "mine": "kept"}
    assert made["metadata"]["labels"][POOL] == "default"


def test_an_unlabelled_job_is_untouched(api: Api) -> None:
    annotations = {ADMITTED_AT: "x", SUBMITTED_BY: "x", "headgate.dev/priority": "high"}
    made = api.create(job(labels={POOL: "x"}, annotations=annotations), user="alice").accepted().object
    assert made["spec"]["suspend"] is False
    assert made["metadata"]["annotations"] == annotations
    assert made["metadata"]["labels"][POOL] == "x"
    api.patch("job", "job", {"spec": {"suspend": True}}, user="alice").accepted()
    api.patch("job", "job", {"spec": {"suspend": False}}, user="alice").accepted()


def test_a_suspended_job_may_enter_a_queue_later(api: Api, make_queue: Callable[..., str]) -> None:
    name = make_queue()
    api.create(job(suspend=True, annotations={ADMITTED_AT: "x", SUBMITTED_BY: "bob"}), user="bob").accepted()
    api.patch("job", "job", {"metadata": {"labels": {QUEUE: name}}}, user="alice").accepted()
    metadata = api.get("job", "job")["metadata"]
    assert metadata["annotations"] == {SUBMITTED_BY: "alice"}
    assert metadata["labels"][POOL] == "default"


def test_the_order_of_policies_does_not_matter(
    api: Api, make_queue: Callable[..., str], fence: dict[str, str]
) -> None:
    # The API server evaluates policies in random order, shuffled anew whenever one of them changes.
    name = make_queue()
    for shuffle in range(6):
        binding = f"{fence['prefix']}-job-pool-{name}"
        label = {"metadata": {"labels": {"shuffle": str(shuffle)}}}
        api.patch("mutatingadmissionpolicybinding", binding, label).accepted()
        for _ in range(8):
            made = (
                api.create(job(queue=name, labels={POOL: "forged"}), user="alice", dry_run=True)
                .accepted()
                .object
            )
            assert made["metadata"]["labels"][POOL] == "default"
