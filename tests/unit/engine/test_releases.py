"""What active Jobs give back, and when: against a sum over all of them."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.api.quantity import Amounts, amounts_of
from headgate.engine import releases
from headgate.engine.releases import End, Releases

RESOURCES = ("cpu", "memory")
TIMES = st.sampled_from([10.0, 10.0, 11.5, 12.0, 13.0, 20.0, 21.0, 30.0])
AMOUNTS = st.fixed_dictionaries({}, optional={name: st.integers(1, 5) for name in (*RESOURCES, "else")})


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "MOST", 4)


def released(jobs: dict[End, Amounts], name: str, until: float) -> int:
    return sum(dict(amounts).get(name, 0) for (end, _), amounts in jobs.items() if end <= until)


def check(found: Releases, jobs: dict[End, Amounts]) -> None:
    times = sorted({end for end, _ in jobs})
    for time in (0.0, *times, 12.5, inf):
        assert found.until(time) == {name: released(jobs, name, time) for name in RESOURCES}
    for name in RESOURCES:
        for amount in range(1, released(jobs, name, inf) + 2):
            first = next((time for time in times if released(jobs, name, time) >= amount), inf)
            assert found.first(name, amount) == first


@given(
    before=st.lists(st.tuples(TIMES, AMOUNTS), max_size=20),
    steps=st.lists(st.tuples(TIMES, AMOUNTS, st.none() | st.integers(0, 99)), max_size=40),
)
def test_it_is_what_a_sum_over_all_says(
    before: list[tuple[float, dict[str, int]]], steps: list[tuple[float, dict[str, int], int | None]]
) -> None:
    jobs = {(time, f"b{i}"): amounts_of(amounts) for i, (time, amounts) in enumerate(before)}
    found = Releases(RESOURCES, jobs)
    check(found, jobs)
    for i, (time, amounts, leaves) in enumerate(steps):
        if leaves is None:
            jobs[time, f"j{i}"] = amounts_of(amounts)
            found.add((time, f"j{i}"), amounts_of(amounts))
        elif jobs:
            end = sorted(jobs)[leaves % len(jobs)]
            del jobs[end]
            found.remove(end)
        check(found, jobs)
