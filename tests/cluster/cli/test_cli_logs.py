"""`headgate job logs`, by calling it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pexpect
import pytest
from tests.cluster.harness.client import ENDLESS, eventually
from tests.cluster.harness.kubelet import a_node_with_logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cli.conftest import Headgate
    from tests.cluster.harness.client import User
    from tests.cluster.harness.cluster import Site

pytestmark = pytest.mark.usefixtures("operator")

TEXT = "zweite Zeile: ü\nthe end\n"
"""What every container writes, behind a line with what the log was asked for."""


@pytest.fixture(scope="module")
def node(site: Site) -> Iterator[str]:
    with a_node_with_logs(site) as name:
        yield name


def test_one_pod_of_one_container(headgate: Headgate, given: User, node: str) -> None:
    given.queue("q")
    given.job("one", "q", seconds=ENDLESS, pod={"nodeName": node})
    eventually(lambda: [pod["status"]["phase"] for pod in given.pods("one")] == ["Running"])
    [pod] = given.pods("one")
    logs = ("job", "logs", "-n", given.namespace, "job.batch/one")

    plain = headgate(*logs)
    assert (plain.code, plain.out, plain.err) == (0, f"main \n{TEXT}", "")
    assert headgate.ok(*logs, "--tail", "7").startswith("main tailLines=7\n")
    assert headgate.ok(*logs, "--tail", "-1", "-f").startswith("main follow=true\n")
    asked = headgate.ok(*logs, "--timestamps", "-p", "--since", "2026-03-01T12:00:00Z").splitlines()[0]
    assert asked == "main previous=true,sinceTime=2026-03-01T12:00:00Z,timestamps=true"
    assert "sinceTime=20" in headgate.ok(*logs, "--since", "5m")
    prefixed = headgate.ok(*logs, "--prefix").splitlines()
    assert prefixed[-1] == f"[pod/{pod['metadata']['name']}/main] the end"
    wrong = headgate(*logs, "-c", "nobody")
    assert (wrong.code, wrong.out, "container nobody is not valid" in wrong.err) == (1, "", True)
    for options in (
        ("--all-pods", "--pod", "x"),
        ("--all-containers", "-c", "x"),
        ("--since", "soon"),
        ("--tail", "-2"),
    ):
        assert headgate(*logs, *options).code == 2
    given.end("one")


def test_several_pods_and_containers(headgate: Headgate, given: User, node: str) -> None:
    given.queue("q")
    containers = [{"name": name, "image": "none"} for name in ("work", "side")]
    given.job("many", "q", seconds=ENDLESS, parallelism=2, pod={"nodeName": node, "containers": containers})
    eventually(lambda: [pod["status"]["phase"] for pod in given.pods("many")] == ["Running"] * 2)
    names = {pod["metadata"]["name"] for pod in given.pods("many")}
    logs = ("job", "logs", "-n", given.namespace, "many")

    chosen = headgate(*logs)
    assert (chosen.code, chosen.out) == (0, f"work \n{TEXT}")
    found, defaulted = chosen.err.splitlines()
    told = re.fullmatch("Found 2 Pods, using pod/(.*); for all of them: --all-pods", found)
    assert told is not None
    assert told[1] in names
    assert defaulted == 'Defaulted container "work" out of: work, side'
    everything = headgate(*logs, "--all-pods", "--all-containers")
    assert (everything.err, len(everything.out.splitlines())) == ("", 12)
    begins = {line.partition("] ")[0] for line in everything.out.splitlines()}
    assert begins == {f"[pod/{name}/{container}" for name in names for container in ("work", "side")}
    [one, _] = sorted(names)
    named = headgate(*logs, "--pod", one, "-c", "side")
    assert (named.out, named.err) == (f"side \n{TEXT}", "")
    assert headgate(*logs, "--pod", "nobody").code == 1
    given.end("many")


def test_a_job_that_waits(headgate: Headgate, given: User, node: str) -> None:
    given.queue("q", dispatch={"paused": True})
    given.job("late", "q", seconds=ENDLESS, pod={"nodeName": node})
    logs = ("job", "logs", "-n", given.namespace, "late")

    waiting = headgate(*logs)
    assert (waiting.code, waiting.out) == (1, "")
    assert waiting.err == (
        f"error: job.batch/late waits in queue {given.full('q')} and has no Pods yet; "
        f"what holds it: headgate job why late -n {given.namespace}; to wait for it: --follow\n"
    )
    with headgate.terminal(*logs, "-f") as terminal:
        terminal.expect_exact("job.batch/late waits in queue")
        given.change_queue("q", dispatch={"paused": False})
        terminal.expect_exact("main follow=true")
        terminal.expect_exact("the end")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 0
    given.end("late")


def test_who_may_not(headgate: Headgate, given: User) -> None:
    denied = headgate("job", "logs", "default/secret", user="bob")
    missing = headgate("job", "logs", "-n", given.namespace, "nobody", user="bob")

    assert (denied.code, 'may not get jobs.batch in namespace "default"' in denied.err) == (1, True)
    assert (missing.code, missing.err) == (
        1,
        'Error from server (NotFound): jobs.batch "nobody" not found\n',
    )
