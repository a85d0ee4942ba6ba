"""Only the operator lets a queued Job through, and only while it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cluster.policies.support import QUEUE, TERM, Answer, Api, Json, eventually, job, local, remote

if TYPE_CHECKING:
    from collections.abc import Callable


def test_alice_cannot_unsuspend_her_job(
    api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None]
) -> None:
    set_term(1)
    name = make_queue()
    api.create(job("mine", queue=name), user="alice").accepted()

    def told() -> None:
        answer = api.patch("job", "mine", {"spec": {"suspend": False}}, user="alice")
        answer.refused('Job "mine"', "spec.suspend", "belongs to Headgate", f'queue "{name}"')

    eventually(told)


def test_a_right_term_does_not_help_who_may_not_admit(
    api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None]
) -> None:
    set_term(4)
    api.create(job(queue=make_queue()), user="alice").accepted()
    eventually(lambda: api.admit("job", term="4", dry_run=True).accepted())
    api.admit("job", term="4", user="alice").refused("belongs to Headgate")


def test_a_cluster_admin_is_told_in_a_friendly_way(
    api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None]
) -> None:
    set_term(1)
    name = make_queue()
    api.create(job("mine", queue=name), user="alice").accepted()
    answer = api.patch("job", "mine", {"spec": {"suspend": False}}, user="admin")
    answer.refused('Job "mine"', "belongs to Headgate", f'queue "{name}"', "raise the limits")


def test_taking_the_label_off_is_no_way_around(api: Api, make_queue: Callable[..., str]) -> None:
    api.create(job(queue=make_queue()), user="alice").accepted()
    change = {"metadata": {"labels": {QUEUE: None}}, "spec": {"suspend": False}}
    api.patch("job", "job", change, user="alice").refused('Job "job"')
    assert api.suspended("job")


def test_a_stale_term_is_refused(
    api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None]
) -> None:
    set_term(7)
    api.create(job(queue=make_queue()), user="alice").accepted()
    eventually(lambda: api.admit("job", term="7", dry_run=True).accepted())
    set_term(8)
    eventually(
        lambda: api.admit("job", term="7", dry_run=True).refused(
            "term 7 is not the current term 8: another replica leads"
        )
    )
    api.admit("job", term="8").accepted()


def test_a_lease_that_nobody_took_over_is_term_0(
    api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None]
) -> None:
    set_term(None)
    api.create(job(queue=make_queue()), user="alice").accepted()
    eventually(lambda: api.admit("job", term="0").accepted())


def test_an_admission_says_when(
    api: Api, make_queue: Callable[..., str], set_term: Callable[[int | None], None]
) -> None:
    set_term(2)
    api.create(job(queue=make_queue()), user="alice").accepted()
    eventually(lambda: api.admit("job", term="2", dry_run=True).accepted())
    change = {"metadata": {"annotations": {TERM: "2"}}, "spec": {"suspend": False}}
    api.patch("job", "job", change).refused("belongs to Headgate")


def test_a_queued_job_that_runs_unadmitted_can_be_suspended_again(
    api: Api, fence: dict[str, str], make_queue: Callable[..., str]
) -> None:
    # Such a Job was created before the policies were: take one binding away and put it back.
    name = make_queue()
    binding = f"{fence['prefix']}-job-submit"
    kept = api.get("mutatingadmissionpolicybinding", binding)
    api.delete("mutatingadmissionpolicybinding", binding).accepted()
    try:
        body = job(queue=name, suspend=False)

        def runs() -> None:
            assert api.create(body, dry_run=True).accepted().object["spec"]["suspend"] is False

        eventually(runs)
        api.create(body).accepted()
    finally:
        fresh = {**kept, "metadata": {k: kept["metadata"][k] for k in ("name", "labels")}}
        api.create(fresh).accepted()

    def effective() -> None:
        assert api.create(job("probe", queue=name), dry_run=True).accepted().object["spec"]["suspend"] is True

    eventually(effective)
    api.patch("job", "job", {"spec": {"suspend": True}}).accepted()
    assert api.suspended("job")


@pytest.mark.parametrize("cluster", [local, remote], ids=["local", "remote"])
def test_to_suspend_a_job_at_a_version_tells_whether_it_waits_there(
    api: Api,
    make_pool: Callable[..., str],
    make_queue: Callable[..., str],
    set_term: Callable[[int | None], None],
    cluster: Callable[[str], Json],
) -> None:
    """So the operator finds out, where it knows no better, and changes nothing by it."""
    set_term(3)
    pool = make_pool(cluster(f"c-{api.namespace}"))
    api.create(job(queue=make_queue(pool=pool)), user="alice").accepted()

    def suspend(before: Json) -> Answer:
        metadata = {key: before["metadata"][key] for key in ("resourceVersion", "uid")}
        return api.patch("job", "job", {"metadata": metadata, "spec": {"suspend": True}})

    def changes_nothing() -> None:
        before = api.get("job", "job")
        assert suspend(before).accepted().object == before

    eventually(changes_nothing)
    before = api.get("job", "job")
    eventually(lambda: api.admit("job", term="3").accepted())
    answer = suspend(before)
    assert not answer.ok
    assert "the object has been modified" in answer.message
    assert not api.suspended("job")
