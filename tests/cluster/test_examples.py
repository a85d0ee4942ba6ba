"""What a user copies works as it stands."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.cluster.harness.client import QUEUES, User, eventually

if TYPE_CHECKING:
    from tests.cluster.harness.cluster import Kubectl
    from tests.cluster.harness.operator import OperatorProcess

FOLDER = Path(__file__).parents[2] / "examples"
FILES = sorted(FOLDER.glob("*.yaml"))


def apply(kubectl: Kubectl, given: User, name: str) -> None:
    file = str(FOLDER / name)
    kubectl("apply", "--server-side", "-n", given.namespace, "-f", file)


def finished(given: User, *names: str) -> bool:
    jobs = {job["metadata"]["name"]: job.get("status") or {} for job in given.all_jobs()}
    return all(jobs[name].get("succeeded") == 1 for name in names)


def waits(given: User, queue: str) -> bool:
    return bool(given.client.get(f"{QUEUES}/{queue}")["status"]["jobs"]["waiting"] == 1)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_runs(operator: OperatorProcess, kubectl: Kubectl, given: User, file: Path) -> None:
    bodies = list(yaml.safe_load_all(file.read_text()))
    queues = [body["metadata"]["name"] for body in bodies if body["kind"] == "JobQueue"]
    jobs = [body for body in bodies if body["kind"] == "Job"]
    assert queues
    assert jobs

    apply(kubectl, given, file.name)

    names = [f"jobqueue/{name}" for name in queues]
    kubectl("wait", "--for=condition=Ready", "--timeout=30s", *names)
    paused = [body["metadata"]["name"] for body in bodies if body["spec"].get("dispatch", {}).get("paused")]
    held = [job["metadata"]["name"] for job in jobs if "headgate.dev/hold" in str(job["metadata"])]
    free = [
        job["metadata"]["name"]
        for job in jobs
        if job["metadata"]["name"] not in held
        and job["metadata"]["labels"]["headgate.dev/queue"] not in paused
    ]
    eventually(lambda: finished(given, *free) or not free, within=60)
    for name in held:
        assert given.get_job(name)["spec"]["suspend"] is True
        kubectl("annotate", "job", name, "headgate.dev/hold-", "-n", given.namespace)
    for name in paused:
        eventually(partial(waits, given, name))
        kubectl("patch", "jobqueue", name, "--type=merge", "-p", '{"spec":{"dispatch":{"paused":false}}}')
    eventually(lambda: finished(given, *(job["metadata"]["name"] for job in jobs)), within=60)


def test_the_table_of_examples_is_complete() -> None:
    text = (FOLDER / "README.md").read_text()

    assert [file.name for file in FILES if f"({file.name})" not in text] == []
