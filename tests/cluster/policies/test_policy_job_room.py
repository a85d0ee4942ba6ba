"""What an admitted Job takes of its compute environment does not become more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.policies.support import Answer, Api, eventually, job

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeQueue = Callable[..., str]


@pytest.fixture
def term(set_term: Callable[[int | None], None]) -> str:
    set_term(3)
    return "3"


def change(api: Api, user: str = "alice", **spec: Any) -> Answer:
    return api.patch("job", "job", {"spec": spec}, user=user)


def placed(api: Api, queue: str, term: str, environment: str | None = "spot", **spec: Any) -> None:
    """Make a Job of alice's that is admitted to an environment."""
    body = job(queue=queue)
    body["spec"].update(spec)
    api.create(body, user="alice").accepted()
    eventually(lambda: api.admit("job", term=term, environment=environment).accepted())


@pytest.mark.parametrize("user", ["alice", "admin"])
def test_not_more_pods_at_a_time(api: Api, make_queue: MakeQueue, term: str, user: str) -> None:
    placed(api, make_queue(), term, parallelism=3, completions=10)
    change(api, user, parallelism=4).refused(
        'Job "job": spec.parallelism: leave it 3 or lower it: compute environment "spot" keeps room for 3 Pods of it '
        "at a time, and not for 4; what more there is to do can be another Job"
    )
    change(api, user, parallelism=2).accepted()
    # Others may have taken what it gave back.
    change(api, user, parallelism=3).refused("spec.parallelism: leave it 2 or lower it")
    change(api, user, parallelism=0).accepted()
    change(api, user, parallelism=1).refused("spec.parallelism: leave it 0 or lower it")
    change(api, user, backoffLimit=2, ttlSecondsAfterFinished=60).accepted()


def test_more_than_there_are_completions_left_is_nothing_more(
    api: Api, make_queue: MakeQueue, term: str
) -> None:
    placed(api, make_queue(), term, parallelism=2, completions=2)
    change(api, parallelism=7).accepted()


def test_an_elastic_job_only_shrinks(api: Api, make_queue: MakeQueue, term: str) -> None:
    placed(api, make_queue(), term, parallelism=3, completions=3, completionMode="Indexed")
    change(api, parallelism=5, completions=5).refused("spec.parallelism: leave it 3 or lower it", "not for 5")
    change(api, parallelism=5).accepted()
    change(api, completions=5).refused("spec.completions: leave it 3 or lower it", "not for 5")
    change(api, parallelism=2, completions=2).accepted()


@pytest.mark.parametrize("user", ["alice", "admin"])
def test_not_longer_than_others_count_on(api: Api, make_queue: MakeQueue, term: str, user: str) -> None:
    placed(api, make_queue(), term, activeDeadlineSeconds=600)
    for longer in (601, None):
        change(api, user, activeDeadlineSeconds=longer).refused(
            'Job "job": spec.activeDeadlineSeconds: leave it 600 or lower it: compute environment "spot" took the Job '
            "as one that ends by then"
        )
    change(api, user, activeDeadlineSeconds=500).accepted()
    change(api, user, activeDeadlineSeconds=600).refused("leave it 500 or lower it")


def test_a_deadline_may_come_later(api: Api, make_queue: MakeQueue, term: str) -> None:
    placed(api, make_queue(), term)
    change(api, activeDeadlineSeconds=600).accepted()


def test_a_waiting_job_takes_nothing_yet(api: Api, make_queue: MakeQueue, term: str) -> None:
    body = job(queue=make_queue())
    body["spec"].update(parallelism=1, activeDeadlineSeconds=60)
    api.create(body, user="alice").accepted()
    change(api, parallelism=9, activeDeadlineSeconds=None).accepted()


def test_a_job_without_an_environment_is_in_nobodys_way(api: Api, make_queue: MakeQueue, term: str) -> None:
    placed(api, make_queue(), term, environment=None, activeDeadlineSeconds=60)
    change(api, parallelism=9, activeDeadlineSeconds=600).accepted()


def test_a_job_that_has_finished_takes_nothing_any_more(api: Api, make_queue: MakeQueue, term: str) -> None:
    placed(api, make_queue(), term)
    api.finish("job")
    change(api, parallelism=9).accepted()
