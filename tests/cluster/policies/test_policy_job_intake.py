"""A queue takes new Jobs only while it is Active and not full, also while no operator runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.policies.support import QUEUE, Answer, Api, eventually, job, set_depth, set_shares

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("state", ["Drained", "Sealed", "Terminated"])
def test_a_queue_that_is_not_active_takes_no_jobs(
    api: Api, make_queue: Callable[..., str], state: str
) -> None:
    name, other = make_queue(), make_queue()
    api.create(job("early", queue=name), user="alice").accepted()
    api.create(job("late", queue=other), user="alice").accepted()
    api.patch("jobqueue", name, {"spec": {"state": state}}).accepted()
    told = (f'queue "{name}" is {state}: it accepts no new Jobs', "name another queue")
    eventually(lambda: api.create(job("probe", queue=name), user="alice", dry_run=True).refused(*told))
    api.patch("job", "late", {"metadata": {"labels": {QUEUE: name}}}, user="alice").refused(*told)
    # What waits already can still be touched.
    api.patch("job", "early", {"metadata": {"annotations": {"mine": "yes"}}}, user="alice").accepted()
    api.delete("job", "early", user="alice").accepted()


def test_a_drained_queue_accepts_again(api: Api, make_queue: Callable[..., str]) -> None:
    name = make_queue()
    api.patch("jobqueue", name, {"spec": {"state": "Drained"}}).accepted()
    eventually(lambda: api.create(job(queue=name), dry_run=True).refused("set its spec.state to Active"))
    api.patch("jobqueue", name, {"spec": {"state": "Active"}}).accepted()
    eventually(lambda: api.create(job(queue=name), dry_run=True).accepted())


def test_a_full_queue_refuses_with_both_numbers(api: Api, make_queue: Callable[..., str]) -> None:
    name, other = make_queue(depth=3), make_queue()
    api.create(job("late", queue=other), user="alice").accepted()
    set_depth(api, name, 3)
    told = (f'queue "{name}" is full: 3 live Jobs, and spec.depth is 3',)
    eventually(lambda: api.create(job(queue=name), user="alice", dry_run=True).refused(*told))
    api.patch("job", "late", {"metadata": {"labels": {QUEUE: name}}}, user="alice").refused(*told)
    set_depth(api, name, 2)
    eventually(lambda: api.create(job(queue=name), user="alice").accepted())


def test_depth_0_is_no_limit(api: Api, make_queue: Callable[..., str]) -> None:
    name = make_queue()
    api.patch("jobqueue", name, {"spec": {"depth": 0}}).accepted()
    set_depth(api, name, 1_000_000)
    eventually(lambda: api.create(job(queue=name), user="alice").accepted())


def test_another_queue_is_not_concerned(api: Api, make_queue: Callable[..., str]) -> None:
    name, other = make_queue(), make_queue()
    api.patch("jobqueue", name, {"spec": {"state": "Sealed"}}).accepted()
    eventually(lambda: api.create(job(queue=name), dry_run=True).refused("is Sealed"))
    api.create(job(queue=other), user="alice").accepted()


SHARE = "headgate.dev/share"
PROJECT = "headgate.dev/project"


def shares(count: int, *more: str) -> list[dict[str, Any]]:
    """So many shares with something live, and more."""
    names = [*(f"share-{number}" for number in range(count - len(more))), *more]
    return [
        {"identifier": name, "waiting": number % 2, "active": (number + 1) % 2}
        for number, name in enumerate(names)
    ]


def test_at_most_500_shares_have_live_jobs(api: Api, make_queue: Callable[..., str], namespace: str) -> None:
    name, other = make_queue(schedulingPolicy="fair"), make_queue()
    api.create(job("late", queue=other, labels={SHARE: "one-more"}), user="alice").accepted()
    set_shares(api, name, shares(500, "known", "project"))
    told = (
        f'queue "{name}" has live Jobs of 500 share identifiers, which is the most',
        '"one-more" is not one of them',
        f'metadata.labels["{SHARE}"]',
    )
    new = job(queue=name, labels={SHARE: "one-more"})
    eventually(lambda: api.create(new, user="alice", dry_run=True).refused(*told))
    api.patch("job", "late", {"metadata": {"labels": {QUEUE: name}}}, user="alice").refused(*told)

    def create(labels: dict[str, str]) -> Answer:
        return api.create(job(queue=name, labels=labels), user="alice", dry_run=True)

    create({SHARE: "known"}).accepted()
    create({SHARE: "known", PROJECT: "one-more"}).accepted()
    create({PROJECT: "project"}).accepted()
    create({SHARE: "", PROJECT: "project"}).accepted()
    create({PROJECT: "other"}).refused('"other" is not one of them')
    create({}).refused(f'"{namespace}" is not one of them')

    # One that has nothing live any more leaves its place.
    gone = shares(500, "known", "project")
    gone[0] |= {"waiting": 0, "active": 0}
    set_shares(api, name, gone)
    eventually(lambda: api.create(new, user="alice", dry_run=True).accepted())
    set_shares(api, name, shares(500, "project", namespace))
    eventually(lambda: api.create(new, user="alice", dry_run=True).refused(*told))
    create({}).accepted()


def test_a_job_does_not_change_to_one_share_more(api: Api, make_queue: Callable[..., str]) -> None:
    def change(*, dry_run: bool = False, **labels: str | None) -> Answer:
        named = {f"headgate.dev/{key}": value for key, value in labels.items()}
        return api.patch("job", "job", {"metadata": {"labels": named}}, user="alice", dry_run=dry_run)

    name = make_queue(schedulingPolicy="fair")
    api.create(job(queue=name, labels={SHARE: "known"}), user="alice").accepted()
    set_shares(api, name, shares(500, "known", "project"))
    told = f'queue "{name}" has live Jobs of 500 share identifiers'
    eventually(lambda: change(share="one-more", dry_run=True).refused(told, '"one-more" is not one of them'))
    change(share=None, project="other").refused('"other" is not one of them')
    change(share=None, project="project").accepted()
    # What waits there already does not enter anew, however full the queue is and whatever its state.
    set_depth(api, name, 2**31)
    api.patch("jobqueue", name, {"spec": {"state": "Drained"}}).accepted()
    eventually(lambda: api.create(job("late", queue=name), dry_run=True).refused("is Drained"))
    change(share="known").accepted()
    set_depth(api, name, 0)


def test_without_a_scheduling_policy_shares_are_not_counted(api: Api, make_queue: Callable[..., str]) -> None:
    name = make_queue()
    set_shares(api, name, shares(500))
    api.patch("jobqueue", name, {"spec": {"state": "Drained"}}).accepted()
    eventually(lambda: api.create(job(queue=name), dry_run=True).refused("is Drained"))
    api.patch("jobqueue", name, {"spec": {"state": "Active"}}).accepted()
    eventually(lambda: api.create(job(queue=name), user="alice", dry_run=True).accepted())
