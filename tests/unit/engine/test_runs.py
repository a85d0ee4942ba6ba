"""Runs: Jobs that count once."""

from typing import Any

import pytest
from tests.builders import World, a_job, a_queue, copy_of

from headgate.engine.job import Job, JobState
from headgate.engine.kinship import MOST_LEVELS

ONE_RUN = a_queue(run_concurrency=1)


def of(run: str, *names: str) -> list[Job]:
    return [a_job(name, run_label=run, created=i) for i, name in enumerate(names)]


def test_jobs_of_an_active_run_are_not_counted() -> None:
    world = World().given(ONE_RUN, *of("r", "r0", "r1"), *of("s", "s0"))
    assert world.admits() == "r0 r1"
    world.lands("r0", "r1").finished("r0")
    assert world.admits() == ""
    assert world.finished("r1").admits() == "s0"


def test_a_run_goes_on_while_one_of_its_jobs_waits() -> None:
    world = World().given(ONE_RUN, *of("r", "r0"), a_job("held", run_label="r", held=True), *of("s", "s0"))
    assert world.admits() == "r0"
    world.lands("r0").finished("r0")
    assert world.admits() == ""
    assert world.engine.queues["gold"].active_runs == 1
    assert world.deleted("held").admits() == "s0"


def test_a_run_ends_with_its_last_job_and_the_next_one_of_that_name_starts_anew() -> None:
    world = World().given(ONE_RUN, *of("r", "r0"))
    world.admits()
    world.lands("r0").finished("r0").given(a_job("s0"), a_job("zagain", run_label="r"))
    assert world.admits() == "s0"


def test_the_same_label_in_two_namespaces_is_two_runs() -> None:
    world = World().given(a_queue(run_concurrency=1))
    world.given(a_job("x", run_label="r"), a_job("y", run_label="r", namespace="elsewhere", created=1))
    assert world.admits() == "x"


def test_children_of_an_admitted_owner_count_with_it() -> None:
    world = World().given(ONE_RUN, a_job("owner"), a_job("other", created=1))
    assert world.admits() == "owner"
    world.lands("owner").given(
        a_job("c1", owner_uid="owner", created=2), a_job("c2", owner_uid="owner", created=3)
    )
    assert world.admits() == "c1 c2"
    assert world.engine.queues["gold"].active_runs == 1


def test_children_of_an_owner_that_waits_count_alone_until_it_is_admitted() -> None:
    world = World().given(
        a_queue(run_concurrency=1), a_job("child", owner_uid="owner"), a_job("owner", held=True)
    )
    assert world.admits() == "child"
    world.lands("child").changed("owner", held=False)
    assert world.admits() == ""
    assert world.when(a_queue(run_concurrency=2, generation=2)).admits() == "owner"
    assert world.lands("owner").engine.queues["gold"].active_runs == 1


def test_children_do_not_overtake_the_admission_of_their_owner() -> None:
    """Both would be under way at once, and the owner's may land last, or be refused."""
    children = [a_job(name, owner_uid="owner", created=1) for name in ("c1", "c2")]
    world = World().given(ONE_RUN, a_job("owner"), *children)
    assert world.admits() == "owner"
    assert world.refuses("owner").admits() == "c1"

    world = World().given(ONE_RUN, a_job("owner"), *children)
    assert world.admits() == "owner"
    assert world.lands("owner").admits() == "c1 c2"


def test_a_changed_run_label_counts_at_once() -> None:
    world = World().given(ONE_RUN, *of("r", "r0"), *of("s", "s0"))
    assert world.admits() == "r0"
    assert world.lands("r0").changed("s0", run_label="r").admits() == "s0"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_child_finds_the_run_of_an_owner_that_finished_in_whatever_order_they_are_listed(
    order: tuple[int, int],
) -> None:
    listed = (
        a_job("owner", state=JobState.FINISHED, admitted_at="x", finished_at=5),
        a_job("child", owner_uid="owner", created=1),
    )
    world = World().given(a_queue(run_concurrency=1), *(listed[i] for i in order))
    assert world.engine.jobs["child"].run_key == "owner"


def test_a_restart_between_two_jobs_of_a_run_keeps_it_active() -> None:
    world = World().given(ONE_RUN, *of("r", "r0"), a_job("r1", run_label="r", held=True), *of("s", "s0"))
    world.admits()
    world.lands("r0").finished("r0")
    assert world.restarted(ONE_RUN).admits() == ""


def test_a_restart_keeps_a_run_active_whose_waiting_jobs_were_touched_meanwhile() -> None:
    world = World().given(ONE_RUN, *of("r", "r0"), a_job("r1", run_label="r", held=True), *of("s", "s0"))
    world.admits()
    world.lands("r0").finished("r0", at=10).changed("r1", priority=5)
    assert world.restarted(ONE_RUN).admits() == ""


def test_a_run_that_ended_before_the_restart_stays_ended() -> None:
    world = World().given(ONE_RUN, *of("r", "r0"))
    world.admits()
    world.lands("r0").finished("r0", at=5).given(
        a_job("s0", created=6), a_job("again", run_label="r", created=7)
    )
    assert world.restarted(ONE_RUN).admits() == "s0"


def test_a_run_that_waits_moves_lines_as_one_when_there_is_room() -> None:
    world = World().given(a_queue(run_concurrency=1), *of("r", "r0"), *of("s", "s0", "s1", "s2"))
    assert world.admits() == "r0"
    assert world.lands("r0").finished("r0").admits() == "s0 s1 s2"


# ---- owners of owners


def chain(length: int) -> list[Job]:
    """Active Jobs, of which each owns the next."""
    return [
        a_job(f"c{i:05}", state=JobState.ACTIVE, created=i, owner_uid=f"c{i - 1:05}" if i else None)
        for i in range(length)
    ]


def test_who_is_owned_by_the_owned_counts_with_the_topmost() -> None:
    jobs = chain(MOST_LEVELS + 1)
    world = World().given(a_queue(), *jobs)
    assert {job.run_key for job in world.engine.jobs.values()} == {"c00000"}
    assert world.engine.queues["gold"].active_runs == 1


def test_a_run_goes_down_so_many_levels_and_no_further() -> None:
    world = World().given(a_queue(), *chain(MOST_LEVELS + 3))
    alone = [job.uid for job in world.engine.jobs.values() if job.run_key == job.uid]
    assert alone == ["c00000", "c00011", "c00012"]
    assert world.deleted("c00000").engine.jobs["c00011"].run_key == "c00001"


@pytest.mark.parametrize("in_a_list", [False, True], ids=["one by one", "in a list"])
@pytest.mark.parametrize("step", [1, -1], ids=["owners first", "owners last"])
def test_a_long_chain_of_owners_is_told_in_any_order(in_a_list: bool, step: int) -> None:
    jobs = chain(10_000)[::step]
    world = World().given(a_queue(depth=0)).told(jobs, in_a_list=in_a_list)
    assert world.engine.queues["gold"].active_runs == 10_000 - MOST_LEVELS
    assert world.engine.jobs["c00010"].run_key == "c00000"
    assert world.deleted("c00000").engine.jobs["c00010"].run_key == "c00001"


def test_a_long_chain_may_be_admitted_from_its_end_and_fall_apart() -> None:
    jobs = [copy_of(job, state=JobState.WAITING, admitted_at=None, held=True) for job in chain(2_000)]
    world = World().given(a_queue(depth=0), *jobs)
    for job in reversed(jobs):
        world.changed(job.name, held=False)
        assert world.admits() == job.name
        world.lands(job.name)
    assert world.engine.queues["gold"].active_runs == 2_000 - MOST_LEVELS
    for job in jobs:
        world.finished(job.name).deleted(job.name)
    assert world.engine.queues["gold"].runs == {}


def test_a_finished_job_that_changes_stays_in_its_run_also_when_its_owner_is_gone() -> None:
    owned: dict[str, Any] = {"owner_uid": "c00001", "created": 2}
    world = World().given(ONE_RUN, *chain(2), a_job("waits", held=True, **owned), a_job("other", created=9))
    world.finished("c00000").finished("c00001").deleted("c00000").changed("c00001", priority=5)
    assert world.admits() == ""
    assert world.changed("waits", held=False).admits() == "waits"


@pytest.mark.parametrize("size", [1, 2, 3, 5_000])
def test_jobs_that_own_each_other_in_a_circle_are_runs_of_their_own(size: int) -> None:
    jobs = chain(size)
    world = World().given(a_queue(depth=0), *jobs).changed(jobs[0].name, owner_uid=jobs[-1].uid)
    assert all(job.run_key == job.uid for job in world.engine.jobs.values())
    assert world.changed(jobs[0].name, owner_uid=None).engine.jobs[jobs[-1].uid].run_key == (
        jobs[0].uid if size <= MOST_LEVELS + 1 else jobs[-1].uid
    )
