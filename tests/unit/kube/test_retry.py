"""Pauses that grow, and not for ever."""

from __future__ import annotations

from headgate.kube.retry import growing


def test_a_pause_doubles_up_to_the_longest_however_often_it_fails() -> None:
    assert [growing(failures, 1.0, 30.0) for failures in (1, 2, 3, 4, 5, 6, 7)] == [1, 2, 4, 8, 16, 30, 30]
    assert growing(5000, 1.0, 30.0) == 30.0
