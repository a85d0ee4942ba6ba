"""What happens behind a Job that does not fit now: Block, and Backfill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, User, eventually, next_second
from tests.cluster.harness.invariants import decided

if TYPE_CHECKING:
    from tests.cluster.harness.recorder import Recorder

pytestmark = pytest.mark.usefixtures("operator", "recorder")


def cores(count: str, deadline: int | None = None, *, seconds: float = ENDLESS) -> dict[str, Any]:
    """Return the options of a Job that requests so many cores, and ends after so many seconds at the latest."""
    options: dict[str, Any] = {"requests": {"cpu": count}, "seconds": seconds}
    return options if deadline is None else {**options, "activeDeadlineSeconds": deadline}


def order(recorder: Recorder, *queues: str) -> list[str]:
    return [body["metadata"]["name"] for body in decided(recorder.record(), *queues)]


def head_is(given: User, queue: str, name: str) -> dict[str, Any]:
    """Wait until a queue's status names a Job at the head that does not fit."""

    def check() -> dict[str, Any]:
        head = given.status(queue)["head"]
        assert head["name"] == name, head
        return dict(head)

    return eventually(check)


def blocked(given: User, head_of_line: str, *, deadline: int | None = None) -> None:
    """A machine of 4 cores of which 3 are used, and at the head of the queue a Job that asks for 4."""
    given.environment("machine", capacity={"cpu": "4"})
    given.queue("line", computeEnvironments=given.using("machine"), headOfLine=head_of_line)
    given.job("runs", "line", **cores("3", deadline))
    given.until_active("line", 1)
    given.job("large", "line", **cores("4", seconds=0.1))
    head = head_is(given, "line", "large")
    assert head["reason"] == "InsufficientCapacity"
    assert "has 1 cpu free, the Job asks for 4" in head["message"]
    next_second()


def test_block_lets_nobody_pass(given: User, recorder: Recorder) -> None:
    blocked(given, "Block", deadline=3000)
    given.job("small", "line", **cores("1", 600, seconds=0.1))
    given.queue("behind", computeEnvironments=given.using("machine"), priority="min")
    given.job("other", "behind", **cores("1", 600, seconds=0.1))
    given.until_waiting("line", 2)
    head = head_is(given, "behind", "other")
    assert f"kept for Job {given.namespace}/large of queue {given.full('line')}" in head["message"]

    given.client.delete(f"{given.jobs_path}/runs")

    given.succeeded("line", 2)
    given.succeeded("behind", 1)
    assert order(recorder, given.full("line")) == ["runs", "large", "small"]
    assert order(recorder, given.full("line"), given.full("behind"))[:2] == ["runs", "large"]


def test_backfill_lets_pass_who_is_gone_in_time(given: User, recorder: Recorder) -> None:
    """Who may still be there when the head could start has to wait, although there is room now."""
    blocked(given, "Backfill", deadline=3000)
    given.job("too-long", "line", **cores("1", 4000, seconds=0.1))
    next_second()
    given.job("endless", "line", **cores("1", seconds=0.1))
    next_second()
    given.job("short", "line", **cores("1", 600, seconds=0.1))

    given.succeeded("line", 1)
    assert order(recorder, given.full("line")) == ["runs", "short"]
    head_is(given, "line", "large")

    given.client.delete(f"{given.jobs_path}/runs")
    given.succeeded("line", 4)
    assert order(recorder, given.full("line"))[:3] == ["runs", "short", "large"]


def test_backfill_gives_away_what_is_left_beside_the_head(given: User, recorder: Recorder) -> None:
    given.environment("machine", capacity={"cpu": "4", "memory": "8Gi"})
    given.queue("line", computeEnvironments=given.using("machine"), headOfLine="Backfill")
    given.job("runs", "line", **cores("2", 3000))
    given.until_active("line", 1)
    given.job("large", "line", **cores("3", seconds=0.1))
    head_is(given, "line", "large")
    next_second()

    given.job("beside", "line", **cores("1"))
    given.until_active("line", 2)
    given.job("in-the-way", "line", **cores("1", seconds=0.1))
    given.until_waiting("line", 2)

    given.client.delete(f"{given.jobs_path}/runs")
    given.succeeded("line", 2)
    assert order(recorder, given.full("line")) == ["runs", "beside", "large", "in-the-way"]


def test_backfill_is_for_those_behind_in_other_queues_too(given: User, recorder: Recorder) -> None:
    blocked(given, "Backfill", deadline=3000)
    for queue in ("behind", "last"):
        given.queue(queue, computeEnvironments=given.using("machine"), priority="min")
    given.job("endless", "behind", **cores("1", seconds=0.1))
    head_is(given, "behind", "endless")

    given.job("short", "last", **cores("1", 600, seconds=0.1))
    head = head_is(given, "last", "short")
    assert f"kept for Job {given.namespace}/endless" in head["message"], head

    given.client.delete(f"{given.jobs_path}/endless")
    given.succeeded("last", 1)
    assert order(recorder, given.full("line"), given.full("last")) == ["runs", "short"]
    head_is(given, "line", "large")


def test_who_is_ahead_takes_the_room_first(given: User, recorder: Recorder) -> None:
    """A queue of higher priority that comes later still goes before the one that waits."""
    blocked(given, "Block")
    given.queue("ahead", computeEnvironments=given.using("machine"), priority="max")

    given.job("urgent", "ahead", **cores("1", seconds=0.1))

    given.succeeded("ahead", 1)
    assert order(recorder, given.full("line")) == ["runs"]


def test_the_mode_may_change_while_it_blocks(given: User) -> None:
    blocked(given, "Block", deadline=3000)
    given.job("short", "line", **cores("1", 600, seconds=0.1))
    given.until_waiting("line", 2)

    given.change_queue("line", headOfLine="Backfill")

    given.succeeded("line", 1)
