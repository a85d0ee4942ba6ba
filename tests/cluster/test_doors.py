"""`make up` and `make down`, and what else a newcomer types first."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.harness.client import PATIENCE, eventually
from tests.cluster.harness.local import ROOT, local, processes_with, run

pytestmark = pytest.mark.skipif("HEADGATE_CLUSTER" in os.environ, reason="these start what is our own")


def test_up_and_down(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    try:
        first = local("up", folder, "--members=1")
        assert first.returncode == 0, first.stderr
        # Nothing but the line to evaluate is on stdout.
        kubeconfig = shlex.split(first.stdout)[1].removeprefix("KUBECONFIG=")
        assert first.stdout == f"export KUBECONFIG={kubeconfig}\n"
        kubectl = (Path(sys.executable).parent / "kubectl", "--kubeconfig", kubeconfig)
        queue = run(*kubectl, "get", "jobqueue", "default", "-o", "jsonpath={.status.state}")
        assert queue.stdout == "Active", queue.stderr
        example = run(*kubectl, "apply", "-f", ROOT / "examples" / "basic.yaml")
        assert example.returncode == 0, example.stderr
        # Another one is sent to the member.
        hello = (ROOT / "examples" / "basic.yaml").read_text().split("---")[-1]
        elsewhere = hello.replace("name: hello", "name: elsewhere").replace("queue: basic", "queue: members")
        # The API server takes up the policies of a new queue a moment after it is ready.
        create = (*kubectl, "create", "-o", "yaml", "-f", "-")
        eventually(lambda: is_proxied(run(*create, "--dry-run=server", given=elsewhere).stdout))
        sent = run(*create, given=elsewhere)
        assert sent.returncode == 0, sent.stderr
        jobs = ("job/hello", "job/elsewhere")
        wait = run(*kubectl, "wait", "--for=condition=Complete", f"--timeout={PATIENCE:.0f}s", *jobs)
        assert wait.returncode == 0, wait.stderr
        member = (*kubectl[:2], folder / "clusters" / "member-1" / "admin.kubeconfig")
        assert run(*member, "get", "job", "elsewhere", "-o", "name").stdout == "job.batch/elsewhere\n"

        before = processes_with(folder)
        again = local("up", folder)
        assert again.returncode == 0, again.stderr
        assert again.stdout == first.stdout
        assert processes_with(folder) == before

        # As a Deployment would: an operator that ends is started again.
        (operator,) = processes_with(f"-m headgate --kubeconfig={folder}")
        os.kill(operator, signal.SIGKILL)
        eventually(lambda: set(processes_with(f"-m headgate --kubeconfig={folder}")) - {operator})
    finally:
        stopped = local("down", folder)
    assert stopped.returncode == 0, stopped.stderr
    assert not folder.exists()
    eventually(lambda: not processes_with(folder))
    assert local("down", folder).returncode == 0


def is_proxied(job: str) -> bool:
    return "headgate.dev/dispatcher" in job and "headgate.dev/pool:" in job


def test_ctrl_c_ends_the_demo_and_all_of_it(tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT / "hack" / "controlplane"), str(ROOT)])
    # What runs in the background of a shell that has no terminal ignores Ctrl-C, and so does all that it starts.
    as_in_a_terminal = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('hack.demo', run_name='__main__')"
    )
    demo = subprocess.Popen(
        [sys.executable, "-c", as_in_a_terminal],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            if line.startswith("1/"):
                break
        assert processes_with(tmp_path)
        time.sleep(1)
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        assert demo.wait(PATIENCE) == 130
        assert "Traceback" not in rest
        assert "nothing is left running" in rest
    finally:
        demo.kill()
        demo.wait()
        if demo.stdout is not None:
            demo.stdout.close()
    eventually(lambda: not processes_with(tmp_path))
    eventually(lambda: not [path for path in tmp_path.glob("headgate-*") if "ports" not in path.name])


def test_make_alone_lists_the_verbs() -> None:
    shown = run("make")

    assert shown.returncode == 0, shown.stderr
    listed = {line.split()[1] for line in shown.stdout.splitlines() if line.startswith("  make ")}
    assert listed == {
        "help",
        "demo",
        "test",
        "up",
        "down",
        "bench",
        "image",
        "crds",
        "facade",
        "captures",
        "lint",
    }
    assert all(len(line.split()) > 2 and len(line) <= 100 for line in shown.stdout.splitlines())


def test_ci_runs_what_the_readme_says() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
