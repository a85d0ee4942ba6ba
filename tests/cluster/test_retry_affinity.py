"""Retry affinity: where a Job goes that is tried again."""

from __future__ import annotations

import pytest

from tests.cluster.harness.client import ENDLESS, User, eventually
from tests.cluster.harness.invariants import ENVIRONMENT, outcome

pytestmark = pytest.mark.usefixtures("operator", "recorder")

CORE = {"cpu": "1"}


def ran_in(given: User, job: str) -> str:
    """Return the environment that a Job was admitted to, without the namespace in front."""
    name: str = eventually(lambda: given.get_job(job)["metadata"]["annotations"][ENVIRONMENT])
    return name.removeprefix(given.full(""))


def retry(given: User, name: str, of: str) -> None:
    given.job(name, "line", requests=CORE, annotations={"headgate.dev/retry-of": of}, seconds=0.1)


@pytest.fixture
def failed_in_second(given: User) -> User:
    """The first of two environments was full when Job "try" came; it failed in the second, and both are free."""
    for name in ("first", "second"):
        given.environment(name, capacity={"cpu": "1"})
    given.queue("line", computeEnvironments=given.using("first", "second"))
    given.job("blocker", "line", requests=CORE, seconds=ENDLESS)
    given.until_active("line", 1)
    given.job("try", "line", requests=CORE, fail=True, seconds=0.1)
    assert ran_in(given, "try") == "second"
    eventually(lambda: outcome(given.get_job("try")) == "failed")
    given.client.delete(f"{given.jobs_path}/blocker")
    eventually(lambda: given.status("line")["jobs"]["active"] == 0)
    return given


def test_a_retry_goes_where_it_is_warm(failed_in_second: User) -> None:
    given = failed_in_second

    retry(given, "again", of="try")
    given.succeeded("line", 1)
    given.job("other", "line", requests=CORE, seconds=0.1)

    assert (ran_in(given, "again"), ran_in(given, "other")) == ("second", "first")


def test_a_retry_goes_somewhere_else(failed_in_second: User) -> None:
    given = failed_in_second
    generation = given.change_queue("line", retryAffinity="PreferDifferent")["metadata"]["generation"]
    eventually(lambda: given.status("line")["observedGeneration"] == generation)

    retry(given, "again", of="try")
    given.succeeded("line", 1)
    assert ran_in(given, "again") == "first"
    retry(given, "once-more", of="again")
    given.succeeded("line", 2)
    assert ran_in(given, "once-more") == "second"


def test_it_is_a_preference(failed_in_second: User) -> None:
    """Where there is no room, or nobody knows of a predecessor, it goes as any other."""
    given = failed_in_second
    given.job(
        "blocker-2", "line", requests=CORE, annotations={"headgate.dev/retry-of": "try"}, seconds=ENDLESS
    )
    given.until_active("line", 1)

    retry(given, "again", of="try")
    retry(given, "unknown", of="never-was")

    given.succeeded("line", 2)
    assert ran_in(given, "again") == "first"
    assert ran_in(given, "unknown") == "first"
