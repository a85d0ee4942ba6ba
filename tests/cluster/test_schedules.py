"""CronJobs whose Jobs are queued: each tick waits and goes, and what their settings mean for a Job that waits.

A tick that was missed is made up for at once, so most tests let one be missed instead of waiting for the minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import QUEUES, User, eventually
from tests.cluster.harness.invariants import ADMITTED_AT, outcome
from tests.cluster.harness.pages import Page, kubeconfig_in
from tests.cluster.harness.witness import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness.cluster import Site

pytestmark = pytest.mark.usefixtures("operator")

Json = dict[str, Any]

CONTROLLER = "system:serviceaccount:kube-system:cronjob-controller"
SUBMITTED_BY = "headgate.dev/submitted-by"
LONG_AGO = "2020-01-01T00:00:00Z"
QUEUE = "scheduled"
"""The queue of the example."""


@dataclass(frozen=True)
class Schedule:
    """A CronJob that ticks when the test says so."""

    given: User
    name: str = "report"

    @property
    def path(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.given.namespace}/cronjobs/{self.name}"

    def create(self, queue: str, **spec: Any) -> Schedule:
        job = self.given.job_body("unused", queue)
        template = {"metadata": {"labels": job["metadata"]["labels"]}, "spec": job["spec"]}
        body = {
            "metadata": {"name": self.name},
            "spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": template, **spec},
        }
        self.given.client.create(self.path.rpartition("/")[0], body)
        return self

    def tick(self, day: int) -> None:
        """Let the tick of a day in January be the last one that was missed; other days are other ticks."""
        self.change(schedule=f"0 0 {day} 1 *", suspend=False)
        self.given.client.patch(f"{self.path}/status", {"status": {"lastScheduleTime": LONG_AGO}})

    def change(self, **spec: Any) -> None:
        self.given.client.patch(self.path, {"spec": spec})

    def made(self) -> list[Json]:
        """Return the Jobs that the controller has made of it, and that are still there."""
        jobs = [job for job in self.given.all_jobs() if "ownerReferences" in job["metadata"]]
        return [job for job in jobs if job["metadata"]["annotations"][SUBMITTED_BY] == CONTROLLER]

    def only(self) -> Json:
        """Return its only Job; raises AssertionError where there is none, or more than one."""
        made = self.made()
        assert len(made) == 1, [job["metadata"]["name"] for job in made]
        return made[0]

    def until_active(self, *jobs: Json) -> None:
        """Wait until its controller has written down that it made these Jobs: what it forgets, it does not count."""
        uids = {job["metadata"]["uid"] for job in jobs}
        eventually(
            lambda: (
                {job["uid"] for job in self.given.client.get(self.path)["status"].get("active", ())} == uids
            )
        )

    def events(self, reason: str) -> list[str]:
        """Return the messages of events of a reason on it."""
        events = self.given.client.items(f"/api/v1/namespaces/{self.given.namespace}/events")
        mine = [event for event in events if event["involvedObject"]["name"] == self.name]
        return [event["message"] for event in mine if event["reason"] == reason]


def waits(job: Json) -> bool:
    return job["spec"]["suspend"] is True and ADMITTED_AT not in job["metadata"]["annotations"]


def succeeded(schedule: Schedule, count: int) -> bool:
    made = schedule.made()
    assert [outcome(job) for job in made] == ["succeeded"] * count, [job["metadata"]["name"] for job in made]
    return True


@pytest.fixture(scope="module")
def ticking(site: Site) -> Schedule:
    """The CronJob of the example, in a namespace of its own; `page` creates it."""
    return Schedule(site.given())


@pytest.fixture(scope="module")
def page(
    site: Site, ticking: Schedule, operator: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """The how-to, whose CronJob ticks each minute from here on."""
    given = ticking.given
    kubeconfig = tmp_path_factory.mktemp("page") / "kubeconfig"
    with watched(site.recorder()):
        page = Page(
            "how-to/run-jobs-on-a-schedule.md",
            kubeconfig_in(site.cluster.kubeconfig, given.namespace, kubeconfig),
        )
        page.run("Run Jobs on a schedule")
        yield page
        given.client.delete(ticking.path)
        eventually(lambda: not given.all_jobs())
        eventually(partial(site.kubectl, "delete", "jobqueue", QUEUE))


@pytest.fixture
def held(given: User) -> User:
    """A namespace with a queue that admits nothing yet."""
    given.queue("q", dispatch={"paused": True})
    eventually(lambda: given.condition("q", "Dispatching")["reason"] == "Paused")
    return given


def go(held: User) -> None:
    held.change_queue("q", dispatch={"paused": False})


def test_a_job_made_by_hand_waits_its_turn_too(page: Page, ticking: Schedule) -> None:
    page.run("Run it now")

    job = ticking.given.get_job("report-now")
    assert outcome(job) == "succeeded"
    assert job["metadata"]["annotations"][ADMITTED_AT]
    assert job["metadata"]["annotations"][SUBMITTED_BY] == "admin"
    # What the page says of it: the CronJob owns it, and is surprised.
    assert job["metadata"]["ownerReferences"][0]["name"] == "report"
    eventually(lambda: "report-now" in str(ticking.events("UnexpectedJob")))


def test_forbid_counts_a_job_that_waits(held: User) -> None:
    schedule = Schedule(held).create("q", concurrencyPolicy="Forbid")
    schedule.tick(1)
    first = eventually(schedule.only)
    assert waits(first)
    schedule.until_active(first)

    schedule.tick(2)

    eventually(lambda: schedule.events("JobAlreadyActive"))
    assert schedule.only()["metadata"]["uid"] == first["metadata"]["uid"]
    go(held)
    # The tick that was left out is made up for.
    eventually(partial(succeeded, schedule, 2))


def test_replace_deletes_a_job_that_waits(held: User) -> None:
    schedule = Schedule(held).create("q", concurrencyPolicy="Replace")
    schedule.tick(1)
    first = eventually(schedule.only)
    schedule.until_active(first)

    schedule.tick(2)

    eventually(lambda: schedule.only()["metadata"]["uid"] != first["metadata"]["uid"])
    assert waits(schedule.only())
    held.until("q", waiting=1, total=1)
    go(held)
    eventually(partial(succeeded, schedule, 1))


def test_allow_lets_them_line_up(held: User) -> None:
    held.change_queue("q", actionConcurrency=1)
    schedule = Schedule(held).create("q", concurrencyPolicy="Allow")
    for day in (1, 2, 3):
        schedule.tick(day)
        eventually(lambda day=day: len(schedule.made()) == day)  # type: ignore[misc]
        schedule.until_active(*schedule.made())
    assert all(waits(job) for job in schedule.made())

    go(held)

    eventually(partial(succeeded, schedule, 3))


def test_a_job_that_is_refused_comes_when_it_is_accepted(held: User) -> None:
    held.change_queue("q", depth=1)
    held.job("in-the-way", "q")
    held.refuses("q", "is full")
    schedule = Schedule(held).create("q")

    schedule.tick(1)

    eventually(lambda: "is full: 1 live Jobs, and spec.depth is 1" in str(schedule.events("FailedCreate")))
    assert not schedule.made()
    go(held)
    eventually(partial(succeeded, schedule, 1))


def test_a_schedule_that_is_suspended_leaves_what_waits(held: User) -> None:
    schedule = Schedule(held).create("q")
    schedule.tick(1)
    eventually(schedule.only)

    schedule.change(suspend=True)
    go(held)

    eventually(partial(succeeded, schedule, 1))


def test_a_schedule_takes_its_jobs_with_it(held: User) -> None:
    schedule = Schedule(held).create("q")
    schedule.tick(1)
    held.until("q", waiting=1)

    held.client.delete(schedule.path)

    held.until("q", waiting=0, total=0)
    assert not held.all_jobs()


def test_the_history_is_short_and_the_counters_are_not(given: User) -> None:
    given.queue("q")
    schedule = Schedule(given).create("q", successfulJobsHistoryLimit=1)

    for day in (1, 2, 3):
        schedule.tick(day)
        given.until("q", succeeded=day)

    eventually(partial(succeeded, schedule, 1))
    assert given.status("q")["jobs"]["succeeded"] == 3


def test_each_tick_waits_and_goes(page: Page, ticking: Schedule, site: Site) -> None:
    """The last test: a tick or more have come meanwhile."""
    eventually(lambda: "succeeded" in map(outcome, ticking.made()))

    page.run("Hold what waits")
    eventually(lambda: site.admin.get(f"{QUEUES}/{QUEUE}")["status"]["dispatch"]["paused"])

    def held() -> str:
        names = [job["metadata"]["name"] for job in ticking.made() if waits(job)]
        known = site.admin.get(f"{QUEUES}/{QUEUE}")["status"]["jobs"]["waiting"]
        return names[0] if names and known == len(names) else ""

    name = eventually(held)
    assert waits(ticking.given.get_job(name))
    page.run("Let it go on")

    eventually(lambda: outcome(ticking.given.get_job(name)) == "succeeded")
