"""O(log n) per event and per decision: counted in calls, not in seconds."""

import sys
from types import FrameType
from typing import Any

import pytest
from tests.builders import World, a_job, a_queue

SMALL, LARGE, DECISIONS = 1_000, 16_000, 200


def calls_per_decision(waiting: int, fairness: str) -> float:
    """Calls (of functions, of Python or C) for one admission with all its events, with so many Jobs waiting."""
    world = World().given(a_queue(action_concurrency=10, depth=0, fairness=fairness))
    for i in range(waiting):
        label = f"run-{i // 4}" if i % 2 else None
        world.given(a_job(f"j{i:05}", project=f"p{i % 50}", created=i, run_label=label))
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        done = 0
        while done < DECISIONS:
            names = world.admits().split()
            for name in names:
                world.lands(name).finished(name)
            done += len(names)
    finally:
        sys.setprofile(None)
    return calls / done


@pytest.mark.parametrize("fairness", ["RoundRobin", "ShuffleInterleave"])
def test_a_decision_costs_no_more_when_more_waits(fairness: str) -> None:
    assert calls_per_decision(LARGE, fairness) < 1.5 * calls_per_decision(SMALL, fairness)
