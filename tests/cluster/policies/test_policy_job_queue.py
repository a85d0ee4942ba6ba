"""The queue of a Job is fixed once it is admitted; a waiting Job moves only within its pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cluster.policies.support import POOL, QUEUE, SUBMITTED_BY, Api, eventually, job

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.cluster


def move(queue: str | None) -> dict[str, object]:
    """The change that puts a Job into another queue, or into none."""
    return {"metadata": {"labels": {QUEUE: queue}}}


def test_a_waiting_job_moves_within_its_pool(api: Api, make_queue: Callable[..., str]) -> None:
    here, there = make_queue(), make_queue()
    api.create(job(queue=here), user="alice").accepted()
    api.patch("job", "job", move(there), user="bob").accepted()
    metadata = api.get("job", "job")["metadata"]
    assert metadata["labels"][QUEUE] == there
    assert metadata["labels"][POOL] == "default"
    assert metadata["annotations"][SUBMITTED_BY] == "alice"


def test_a_waiting_job_does_not_leave_its_pool(api: Api, make_queue: Callable[..., str]) -> None:
    here, there = make_queue(), make_queue(pool="elsewhere")
    api.create(job(queue=here), user="alice").accepted()
    answer = api.patch("job", "job", move(there), user="alice")
    answer.refused(f'queue "{there}" is in pool "elsewhere"', f'queue "{here}" in pool "default"')
    forged = {"metadata": {"labels": {QUEUE: there, POOL: "default"}}}
    api.patch("job", "job", forged, user="alice").refused('is in pool "elsewhere"')


def test_a_waiting_job_does_not_move_to_a_queue_that_is_not_there(
    api: Api, make_queue: Callable[..., str]
) -> None:
    api.create(job(queue=make_queue()), user="alice").accepted()
    api.patch("job", "job", move("nowhere"), user="alice").refused('there is no queue "nowhere"')


def test_a_job_of_no_pool_yet_moves_to_a_queue(api: Api, make_queue: Callable[..., str]) -> None:
    api.create(job(queue="not-there-yet"), user="alice").accepted()
    api.patch("job", "job", move(make_queue()), user="alice").accepted()
    assert api.get("job", "job")["metadata"]["labels"][POOL] == "default"


def test_the_label_of_a_waiting_job_is_not_removed(api: Api, make_queue: Callable[..., str]) -> None:
    name = make_queue()
    api.create(job(queue=name), user="alice").accepted()
    answer = api.patch("job", "job", move(None), user="alice")
    answer.refused(f'cannot be removed while the Job waits in queue "{name}"', "delete the Job")


@pytest.mark.parametrize("user", ["alice", "admin"])
def test_the_queue_of_an_admitted_job_is_fixed(
    api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None], user: str
) -> None:
    set_term(1)
    name, other = make_queue(), make_queue()
    api.create(job(queue=name), user="alice").accepted()
    eventually(lambda: api.admit("job", term="1").accepted())
    for change in (move(other), move(None)):
        api.patch("job", "job", change, user=user).refused("is fixed once the Job is admitted", name)


@pytest.mark.parametrize("user", ["alice", "admin"])
def test_a_job_that_was_canceled_while_it_waited_stays_where_it_is_counted(
    api: Api, make_queue: Callable[..., str], user: str
) -> None:
    name, other = make_queue(), make_queue()
    api.create(job(queue=name), user="alice").accepted()
    api.finish("job")
    for change in (move(other), move(None)):
        api.patch("job", "job", change, user=user).refused(
            "is fixed once the Job has finished", f'it stays "{name}"', "where the Job is counted"
        )
    api.patch("job", "job", {"metadata": {"labels": {"mine": "x"}}}, user=user).accepted()


def test_a_job_that_has_finished_enters_no_queue(api: Api, make_queue: Callable[..., str]) -> None:
    api.create(job(suspend=True), user="alice").accepted()
    api.finish("job")
    answer = api.patch("job", "job", move(make_queue()), user="alice")
    answer.refused("cannot be put on a Job that has finished", "create a new Job with it")


def test_a_job_that_runs_cannot_be_queued(api: Api, make_queue: Callable[..., str]) -> None:
    api.create(job(), user="alice").accepted()
    answer = api.patch("job", "job", move(make_queue()), user="alice")
    answer.refused("may be put on a Job only while spec.suspend is true")


def test_a_job_is_not_queued_and_unsuspended_at_once(api: Api, make_queue: Callable[..., str]) -> None:
    api.create(job(suspend=True), user="alice").accepted()
    change = {"metadata": {"labels": {QUEUE: make_queue()}}, "spec": {"suspend": False}}
    api.patch("job", "job", change, user="alice").refused('Job "job"')


def test_a_waiting_job_is_deleted_by_its_owner(api: Api, make_queue: Callable[..., str]) -> None:
    body = job(queue=make_queue())
    body["metadata"]["finalizers"] = ["example.com/wait"]
    api.create(body, user="alice").accepted()
    api.delete("job", "job", user="alice").accepted()
    api.patch("job", "job", {"metadata": {"finalizers": None}}, user="alice").accepted()
