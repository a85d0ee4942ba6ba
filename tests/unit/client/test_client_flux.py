"""What Flux's words are understood as, before anything is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from headgate.client import ATTRIBUTES, Client, JobList

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[Client]:
    """One that is never connected."""
    client = Client.connect("/none")
    yield client
    client.close()


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("pending", ["pending"]),
        ("pending, Failed", ["pending", "failed"]),
        (["pending,running", "timeout"], ["pending", "running", "timeout"]),
        (JobList.RESULTS["failed"], ["failed"]),
        (JobList.STATES["running"], ["cleanup", "run"]),
        (iter(["sched"]), ["sched"]),
        ((), []),
    ],
)
def test_filters(client: Client, given: Any, understood: list[str]) -> None:
    jobs = JobList(client, filters=given)

    assert (jobs.filters if not isinstance(given, frozenset) else sorted(jobs.filters)) == understood


def test_one_text_is_not_its_letters(client: Client) -> None:
    jobs = JobList(client, attrs="all", ids="team-a/train")

    assert (jobs.attrs, jobs.ids) == (ATTRIBUTES, ["team-a/train"])
    assert JobList(client, "name,state").attrs == ("name", "state")
    with pytest.raises(ValueError, match="not 'lost'"):
        jobs.add_filter("failed,lost")
    assert jobs.filters == []
