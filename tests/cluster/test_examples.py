"""What a user copies works as it stands, and does what it says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.harness.client import DURATION, ENDLESS, JOBS, PATIENCE, QUEUES, User, eventually
from tests.cluster.harness.invariants import ADMITTED_AT, ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from tests.cluster.harness.cluster import Kubectl

# The recorder sees all of it, and checks among other things that no environment's capacity is exceeded.
pytestmark = pytest.mark.usefixtures("operator", "recorder")

Json = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "examples"
FILES = sorted(FOLDER.glob("*.yaml"))
HELD = "headgate.dev/hold"


@pytest.fixture
def apply(kubectl: Kubectl, given: User) -> Callable[..., None]:
    """Apply an example to the test's own namespace, and wait until its queues are ready.

    Jobs that are `endless` end when the test says so, instead of after some seconds: how long these are is no part of
    what the example shows, but what it does meanwhile is, and a slow machine may see it too late. A queue may be
    `paused`, so that all of its Jobs are there before the first one goes.
    """

    def run(*names: str, endless: Container[str] = (), paused: str = "") -> None:
        bodies = [body for name in names for body in bodies_of(name)]
        own = any("namespace" in body["metadata"] for body in bodies)
        where = () if own else ("-n", given.namespace)
        for name in names:
            manifest = (FOLDER / name).read_text()
            if endless or paused:
                changed = [lengthened(body, endless) for body in bodies_of(name)]
                manifest = yaml.safe_dump_all([held_back(body, paused) for body in changed])
            kubectl("apply", "--server-side", *where, "-f", "-", input=manifest)
        queues = [f"jobqueue/{body['metadata']['name']}" for body in bodies if body["kind"] == "JobQueue"]
        if queues:
            kubectl("wait", "--for=condition=Ready", f"--timeout={PATIENCE:.0f}s", *queues)

    return run


def held_back(body: Json, queue: str) -> Json:
    """Return an object as it is, but for the queue of this name, which is paused."""
    if (body["kind"], body["metadata"]["name"]) == ("JobQueue", queue):
        body["spec"]["dispatch"] = {"paused": True}
    return body


def lengthened(body: Json, endless: Container[str]) -> Json:
    """Return an object as it is, but for a Job: its deadline gives a slow machine time, and it may be endless."""
    if body["kind"] != "Job":
        return body
    if "activeDeadlineSeconds" in body["spec"]:
        body["spec"]["activeDeadlineSeconds"] *= 100
    if body["metadata"]["name"] in endless:
        metadata = body["spec"]["template"].setdefault("metadata", {})
        metadata.setdefault("annotations", {})[DURATION] = f"{ENDLESS}s"
    return body


def bodies_of(name: str) -> list[Json]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def named(bodies: Iterable[Json], kind: str) -> list[str]:
    return [body["metadata"]["name"] for body in bodies if body["kind"] == kind]


def finish(given: User, *names: str, within: float = PATIENCE) -> None:
    """Wait until Jobs have succeeded, and end those that are endless."""

    def check() -> bool:
        given.end_running()
        jobs = {job["metadata"]["name"]: job.get("status") or {} for job in given.all_jobs()}
        left = [name for name in names if jobs[name].get("succeeded") != 1]
        assert not left, left
        return True

    eventually(check, within=within)


def in_order(given: User) -> list[str]:
    """Return the names of the admitted Jobs in the order of the decisions."""
    jobs = {job["metadata"]["name"]: job["metadata"].get("annotations", {}) for job in given.all_jobs()}
    admitted = {
        name: annotations[ADMITTED_AT] for name, annotations in jobs.items() if ADMITTED_AT in annotations
    }
    return sorted(admitted, key=lambda name: admitted[name])


def places(given: User) -> dict[str, str | None]:
    """Return the environment of each Job."""
    return {
        job["metadata"]["name"]: job["metadata"].get("annotations", {}).get(ENVIRONMENT)
        for job in given.all_jobs()
    }


def status(given: User, queue: str) -> Json:
    return dict(given.client.get(f"{QUEUES}/{queue}").get("status") or {})


def waiting(given: User, queue: str, count: int) -> bool:
    """Whether so many Jobs wait, and the Job controller knows of them all.

    It writes to each once, and an admission that this comes in between of has to be decided again, behind others.
    """
    unnoticed = [
        job["metadata"]["name"]
        for job in given.all_jobs()
        if job["spec"].get("suspend") and not job["status"].get("conditions")
    ]
    return bool(status(given, queue)["jobs"]["waiting"] == count and not unnoticed)


def active(given: User, queue: str, count: int) -> bool:
    return bool(status(given, queue)["jobs"]["active"] == count)


def head(given: User, queue: str) -> tuple[str, str]:
    """Wait until a queue's status names the Job at its head that does not fit; return its name and the reason."""
    found = eventually(lambda: status(given, queue)["head"])
    return found["name"], found["reason"]


def resume(kubectl: Kubectl, queue: str) -> None:
    kubectl("patch", "jobqueue", queue, "--type=merge", "-p", '{"spec":{"dispatch":{"paused":false}}}')


@pytest.mark.parametrize("name", ["basic", "job-options", "nightly", "paused", "priorities"])
def test_an_example_runs(apply: Callable[..., None], kubectl: Kubectl, given: User, name: str) -> None:
    bodies = bodies_of(f"{name}.yaml")
    jobs = [body for body in bodies if body["kind"] == "Job"]

    apply(f"{name}.yaml")

    paused = [body["metadata"]["name"] for body in bodies if body["spec"].get("dispatch", {}).get("paused")]
    held = [job["metadata"]["name"] for job in jobs if HELD in str(job["metadata"])]
    free = [
        job["metadata"]["name"]
        for job in jobs
        if job["metadata"]["name"] not in held
        and job["metadata"]["labels"]["headgate.dev/queue"] not in paused
    ]
    finish(given, *free)
    for job in held:
        assert given.get_job(job)["spec"]["suspend"] is True
        kubectl("annotate", "job", job, f"{HELD}-", "-n", given.namespace)
    for queue in paused:
        eventually(partial(waiting, given, queue, 1))
        resume(kubectl, queue)
    finish(given, *named(jobs, "Job"))


def test_aws_batch(apply: Callable[..., None], given: User) -> None:
    """The room of m4-spot goes to high-priority first, which has c4-on-demand besides."""
    low = named(bodies_of("aws-batch/jobs-low.yaml"), "Job")
    high = named(bodies_of("aws-batch/jobs-high.yaml"), "Job")
    apply("aws-batch/environments.yaml", "aws-batch/queues.yaml")
    apply("aws-batch/jobs-low.yaml", endless=low)
    eventually(lambda: active(given, "low-priority", 2) and waiting(given, "low-priority", 2))
    assert head(given, "low-priority")[1] == "InsufficientCapacity"

    apply("aws-batch/jobs-high.yaml", endless=high)
    eventually(lambda: active(given, "high-priority", 1) and waiting(given, "high-priority", 3))
    assert head(given, "high-priority")[1] == "InsufficientCapacity"
    finish(given, *low, *high)

    order, where = in_order(given), places(given)
    assert [name in high for name in order] == [False] * 2 + [True] * 4 + [False] * 2
    first, *others = [where[name] for name in order if name in high]
    assert first == "c4-on-demand"
    assert "m4-spot" in others
    assert {where[name] for name in low} == {"m4-spot"}


def test_aws_batch_in_any_order(apply: Callable[..., None], kubectl: Kubectl, given: User) -> None:
    """A folder is applied by its files' names: Jobs before their queues."""
    files = [f"aws-batch/{file.name}" for file in sorted((FOLDER / "aws-batch").glob("*.yaml"))]
    apply(*files, endless=[job for file in files for job in named(bodies_of(file), "Job")])

    eventually(lambda: len(in_order(given)) == 3)
    assert {places(given)[name] for name in in_order(given)} == {"c4-on-demand", "m4-spot"}
    kubectl("delete", "jobs", "--all", "-n", given.namespace)


def test_fair_share(apply: Callable[..., None], kubectl: Kubectl, given: User) -> None:
    jobs = named(bodies_of("fair-share.yaml"), "Job")
    apply("fair-share.yaml", endless=jobs)
    eventually(lambda: waiting(given, "fair-share", 8))

    resume(kubectl, "fair-share")

    shares = {"research": 2, "team-a": 1, "team-b": 1}
    eventually(
        lambda: {s["identifier"]: s["active"] for s in status(given, "fair-share")["shares"]} == shares
    )
    finish(given, *jobs)
    assert sorted(name[:-2] for name in in_order(given)[:4]) == ["research", "research", "team-a", "team-b"]


def test_backfill(apply: Callable[..., None], kubectl: Kubectl, given: User) -> None:
    apply("backfill.yaml", endless=["running"], paused="backfill")
    eventually(lambda: waiting(given, "backfill", 4))
    resume(kubectl, "backfill")

    assert head(given, "backfill") == ("large", "InsufficientCapacity")
    eventually(lambda: "short" in in_order(given))
    finish(given, "running", "large", "endless", "short")
    assert in_order(given) == ["running", "short", "large", "endless"]


def test_dependencies(apply: Callable[..., None], given: User) -> None:
    apply("dependencies.yaml")

    finish(given, "prepare", "train-a", "train-b", "report")
    first, *middle, last = in_order(given)
    assert (first, set(middle), last) == ("prepare", {"train-a", "train-b"}, "report")
    jobs = {job["metadata"]["name"]: job for job in given.all_jobs()}
    for name, before in (
        ("train-a", "prepare"),
        ("train-b", "prepare"),
        ("report", "train-a"),
        ("report", "train-b"),
    ):
        assert (
            jobs[name]["metadata"]["annotations"][ADMITTED_AT][:19]
            >= jobs[before]["status"]["completionTime"][:19]
        )


def test_retry(apply: Callable[..., None], kubectl: Kubectl, given: User) -> None:
    apply("retry.yaml")
    eventually(lambda: given.get_job("first-try")["status"].get("failed") == 1)
    assert given.get_job("second-try")["spec"]["suspend"] is True

    kubectl("annotate", "job", "second-try", f"{HELD}-", "-n", given.namespace)

    finish(given, "second-try")
    assert places(given) == {"first-try": "rack-a", "second-try": "rack-b"}


def test_scaling(apply: Callable[..., None], kubectl: Kubectl, given: User) -> None:
    there = User(given.client, "scaling-example")
    path = "/apis/apps/v1/namespaces/scaling-example/deployments/node-group"

    def replicas(count: int) -> bool:
        found = given.client.get(path)
        return bool(found["spec"]["replicas"] == count == (found["status"].get("replicas") or 0))

    jobs = named(bodies_of("scaling.yaml"), "Job")
    apply("scaling.yaml", endless=jobs)
    eventually(lambda: replicas(3))
    finish(there, *jobs)
    eventually(lambda: replicas(0))

    kubectl("delete", "jobs", "--all", "-n", there.namespace)
    eventually(lambda: not given.client.items(JOBS.replace("/jobs", f"/namespaces/{there.namespace}/jobs")))


def test_time_limits(apply: Callable[..., None], kubectl: Kubectl, given: User) -> None:
    apply("time-limits.yaml")

    assert head(given, "time-limits") == ("too-large", "ExceedsEnvironmentMaximum")
    eventually(lambda: waiting(given, "time-limits", 2))
    assert in_order(given) == []
    kubectl("delete", "job", "too-large", "-n", given.namespace)  # ten minutes are too long for a test
    finish(given, "after-it")


def test_every_example_is_tested_and_in_the_table() -> None:
    # The one that needs a clock has a file of its own.
    source = "".join(
        Path(__file__).with_name(name).read_text() for name in ("test_examples.py", "test_schedules.py")
    )
    tested = [file.name for file in FILES if f'"{file.name}"' in source or f'"{file.stem}"' in source]
    text = (FOLDER / "README.md").read_text()

    assert tested == [file.name for file in FILES]
    assert [file.name for file in FILES if f"({file.name})" not in text] == []
    assert "(aws-batch/)" in text
