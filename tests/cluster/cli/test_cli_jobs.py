"""`headgate job`, by calling it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pexpect
import pytest
import yaml
from tests.cluster.harness.client import ENDLESS, PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cli.conftest import Headgate
    from tests.cluster.harness.client import User

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def queue(given: User) -> Iterator[str]:
    given.queue("q", actionConcurrency=1)
    eventually(lambda: given.status("q")["state"] == "Active")
    yield given.full("q")
    for body in given.client.items(given.jobs_path):
        given.client.delete(f"{given.jobs_path}/{body['metadata']['name']}")


def test_submit_and_wait(headgate: Headgate, queue: str, given: User) -> None:
    submit = ("job", "submit", "-n", given.namespace, "--queue", f"jq/{queue}", "--image", "busybox")

    rehearsed = headgate.ok(*submit, "--name", "first", "--dry-run", "server", "--", "true")
    assert rehearsed == f"job.batch/first created in queue {queue} (server dry run)\n"
    assert given.client.items(given.jobs_path) == []

    done = headgate.ok(
        *submit, "--name", "first", "--cpu", "500m", "--env", "A=b=c", "--wait", "--", "echo", "--x"
    )
    assert done.splitlines() == [f"job.batch/first created in queue {queue}", "job.batch/first completed"]
    body = given.client.get(f"{given.jobs_path}/first")
    [container] = body["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["echo", "--x"]
    assert container["env"] == [{"name": "A", "value": "b=c"}]
    assert body["metadata"]["annotations"]["headgate.dev/submitted-by"] == "alice"

    assert headgate("job", "submit", "--image", "x", "--", "true").code == 2
    assert headgate("job", "submit", "--queue", queue, "--", "true").code == 2
    refused = headgate(*submit, "--priority", "70000", "--", "true")
    assert (refused.code, "it must be an integer from 0 to 9999" in refused.err) == (1, True)


def test_what_a_job_may_be_given(headgate: Headgate, queue: str, given: User) -> None:
    submit = ("job", "submit", "-n", given.namespace, "-q", queue, "--image", "busybox", "--hold")
    first = headgate.ok(*submit, "-o", "name").strip()

    told = headgate.ok(
        *submit, "--depends-on", first, "--retry-of", first, "--request", "nvidia.com/gpu=1",
        "--label", "team=search", "--annotation", "why=because", "--deadline", "1h", "--ttl", "0",
        "--dry-run", "-o", "yaml",
    )  # fmt: skip

    body = yaml.safe_load(told)
    annotations = body["metadata"]["annotations"]
    name = first.removeprefix("job.batch/")
    assert annotations["headgate.dev/depends-on"] == annotations["headgate.dev/retry-of"] == name
    assert (annotations["why"], body["metadata"]["labels"]["team"]) == ("because", "search")
    assert (body["spec"]["suspend"], body["spec"]["activeDeadlineSeconds"]) == (True, 3600)
    assert body["spec"]["ttlSecondsAfterFinished"] == 0
    [container] = body["spec"]["template"]["spec"]["containers"]
    assert "command" not in container
    gpu = {"nvidia.com/gpu": "1"}
    assert container["resources"] == {"requests": gpu, "limits": gpu}
    assert [one["metadata"]["name"] for one in given.client.items(given.jobs_path)] == [name]


def test_a_queue_that_is_not_there_is_told_of(headgate: Headgate, given: User) -> None:
    done = headgate("job", "submit", "-n", given.namespace, "-q", "typo", "--image", "x", "--dry-run")

    assert (done.code, done.err) == (
        0,
        "warning: there is no queue typo: a Job in it waits until there is one\n",
    )


def test_a_file_is_yaml_as_kubectl_takes_it(
    headgate: Headgate, queue: str, given: User, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    submit = ("job", "submit", "-n", given.namespace, "-q", queue, "-f", str(file), "--dry-run")
    body = yaml.safe_dump(given.job_body("from-file", None))
    file.write_text(body.replace("labels: {}", "labels: {1: a}"), encoding="utf-8")

    assert headgate.ok(*submit).startswith("job.batch/from-file created")
    for wrong, said in (
        ("metadata: foo", "metadata: must be a mapping of names to values, not 'foo'"),
        ("metadata: {labels: foo}", "metadata.labels: must be a mapping"),
        ("spec: {x: !!binary aGVsbG8=}", "spec.x: must be something that JSON can say"),
        ("- a", "this is no manifest of a Job"),
    ):
        file.write_text(wrong)
        told = headgate(*submit)
        assert (told.code, told.out) == (1, "")
        assert told.err.startswith(f"error: {file}: {said}"), told.err


def test_submit_a_file(headgate: Headgate, queue: str, given: User, tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(given.job_body("from-file", None, fail=True)))
    submit = ("job", "submit", "-n", given.namespace, "--file", str(file))

    nowhere = headgate(*submit)
    assert (nowhere.code, "name a queue" in nowhere.err) == (1, True)
    failed = headgate(*submit, "--queue", queue, "-o", "name", "--wait", "--timeout", f"{PATIENCE:.0f}")
    assert (failed.code, failed.out) == (1, "job.batch/from-file\n")
    assert "BackoffLimitExceeded" in failed.err
    assert headgate(*submit, "--image", "x").code == 2
    file.write_text("nothing: [")
    assert headgate(*submit, "--queue", queue).code == 1
    assert f"error: {tmp_path}" in headgate("job", "submit", "-q", queue, "-f", f"{tmp_path}/none").err


def test_list_get_why_and_cancel(headgate: Headgate, queue: str, given: User) -> None:
    here = ("-n", given.namespace)
    nothing = headgate("job", "list", *here)
    assert (nothing.code, nothing.err) == (0, f"No resources found in {given.namespace} namespace\n")
    for name in ("first", "second", "third"):
        given.job(name, "q", seconds=ENDLESS)
        eventually(lambda: given.status("q")["actions"]["active"] == 1)

    def states(*options: str) -> dict[str, str]:
        lines = headgate.ok("job", "list", *here, "--no-headers", *options).splitlines()
        return {line.split()[0]: line.split()[1] for line in lines}

    waiting = {"third": "sched", "second": "sched"}
    eventually(lambda: states() == {**waiting, "first": "run"})
    assert states("--filter", "pending") == waiting
    assert states("-f", "run,completed", "--queue", queue, "--user", "admin") == {"first": "run"}
    assert states("--user", "alice") == states("--queue", "nobody") == {}
    assert set(states("--max-entries", "0")) == {"first", "second", "third"}
    assert len(states("--limit", "2")) == 2
    cut = headgate("job", "list", *here, "--limit", "2")
    assert cut.err == "These are the newest; 1 more are left out. For all of them: --max-entries 0\n"
    assert list(states("--sort", "name:desc")) == ["third", "second", "first"]
    assert list(states("--sort", "state", "--sort", "name", "--max-entries", "0")) == [
        "first",
        "second",
        "third",
    ]
    assert headgate("job", "list", *here, "--filter", "asleep").code == 2
    assert headgate("job", "list", *here, "--since", "soon").code == 2
    everywhere = headgate.ok("job", "list", "-A", "-q", queue, user="admin").splitlines()
    assert everywhere[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert headgate.ok("job", "list", *here, "-o", "name").splitlines()[0].startswith("job.batch/")

    page = headgate.ok("job", "get", f"{given.namespace}/first")
    assert f"Queue:{'':10}{queue}\n" in page
    assert "State:          run\n" in page
    assert headgate("job", "get", *here, "first", "-o", "json").json["kind"] == "Job"

    told = {
        name: headgate("job", "why", *here, name, "-o", "json", user="admin").json
        for name in ("second", "third")
    }
    # Created in the same second, either may be first.
    first, last = sorted(told, key=lambda name: told[name]["position"])
    assert [told[first]["position"], told[last]["position"]] == [1, 2]
    why = headgate.ok("job", "why", *here, last, user="admin")
    assert re.search("^Position: +2$", why, re.M)
    assert re.search(f"^  {given.namespace} +{first} ", why, re.M)
    assert "    To let it go on: " in why
    assert "does not wait: it was admitted " in headgate.ok("job", "why", *here, "first", user="admin")
    partly = headgate.ok("job", "why", *here, "second")
    assert "you may not list jobs.batch in the whole cluster\nHeld At Least By:\n  ActionLimit\n" in partly
    running = headgate("job", "why", *here, "first", "-o", "json", user="admin").json
    assert (running["name"], running["holds"], running["position"]) == ("first", [], None)
    # With the namespace before the verb, and the name as kubectl prints it.
    assert headgate.ok("-n", given.namespace, "job", "why", "jobs.batch/second", user="admin")

    page = headgate.ok("queue", "get", queue, user="admin")
    _, _, top = page.partition("Top Of The Line:\n")
    assert [line.split()[:2] for line in top.splitlines()[1:3]] == [
        [given.namespace, first],
        [given.namespace, last],
    ]
    assert "The First Is Held By:\n  ActionLimit, since 20" in top
    bare = headgate.ok("queue", "get", queue, "--no-line", user="admin")
    assert "Top Of The Line" not in bare
    both = headgate.ok("queue", "get", queue, "default", user="admin")
    assert both.count("Top Of The Line:") == 2
    unseen = headgate.ok("queue", "get", queue, user="bob")
    assert unseen.endswith("Top Of The Line:  unknown: you may not list jobs.batch in the whole cluster\n")
    canceled = headgate.ok("job", "cancel", *here, "first", "--message", "enough", user="admin")
    assert canceled == "job.batch/first canceled\n"
    eventually(lambda: states("--filter", "inactive") == {"first": "canceled"})
    assert "Canceled: enough" in headgate.ok("job", "get", *here, "first")
    assert headgate("job", "cancel", *here, "first", "nobody", user="admin").code == 1
    assert headgate.ok("job", "cancel", *here, "nobody", "--ignore-not-found") == ""
    # Who may edit, and no more, deletes.
    assert headgate.ok("job", "cancel", *here, "third", "-o", "name") == "job.batch/third\n"
    assert headgate.ok("job", "cancel", *here, "second") == "job.batch/second deleted\n"


def test_why_of_jobs_that_never_were_admitted(headgate: Headgate, given: User) -> None:
    given.queue("q", dispatch={"paused": True})
    here = ("-n", given.namespace)
    given.job("free", None)
    free = headgate("job", "why", *here, "free", user="admin")
    assert (free.code, "is in no queue: it has no label headgate.dev/queue" in free.err) == (1, True)

    # One that was canceled while it waited, and is kept from being gone.
    given.job("ends", "q")
    given.change_job("ends", {"metadata": {"finalizers": ["example.com/kept"]}})
    given.client.delete(f"{given.jobs_path}/ends")
    told = headgate.ok("job", "why", *here, "ends", user="admin")
    given.change_job("ends", {"metadata": {"finalizers": None}})
    assert "1970" not in told
    assert "  Ending\n    it is being cancelled or deleted\n" in told


def test_a_list_goes_on_with_what_changes(headgate: Headgate, queue: str, given: User) -> None:
    here = ("-n", given.namespace, "--queue", queue)
    assert headgate("job", "list", *here, "--watch", "-o", "json").code == 2
    given.job("first", "q", seconds=ENDLESS)
    eventually(lambda: given.status("q")["actions"]["active"] == 1)
    given.job("second", "q", seconds=ENDLESS)

    with headgate.terminal("job", "list", *here, "-w", "--filter", "run", user="bob") as terminal:
        terminal.expect(r"NAME +STATE +QUEUE +USER +RUNTIME +AGE\r\n")
        terminal.expect(rf"first +run +{queue} +admin ")
        given.end("first")
        terminal.expect(rf"second +run +{queue} +admin ")
        # That the first one ended is no run, and that the second one waited neither.
        assert "sched" not in terminal.before
        assert "completed" not in terminal.before
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 130
