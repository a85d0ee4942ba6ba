"""`headgate queue`, by calling it: what it prints, how it ends, and what the API server has afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest
import yaml
from tests.cluster.harness.client import ENDLESS, PATIENCE, QUEUES, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cli.conftest import Headgate
    from tests.cluster.harness.client import User

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def name(given: User) -> Iterator[str]:
    """A name for a queue of the test's own, gone with its Jobs afterwards."""
    yield given.full("q")
    for body in given.client.items(given.jobs_path):
        given.client.delete(f"{given.jobs_path}/{body['metadata']['name']}")


@pytest.fixture
def queue(name: str, given: User) -> str:
    given.queue("q", runConcurrency=5, actionConcurrency=2)
    eventually(lambda: given.status("q")["state"] == "Active")
    return name


def test_create_get_and_update(headgate: Headgate, name: str, given: User) -> None:
    create = (
        "queue",
        "create",
        name,
        "--run-concurrency",
        "1",
        "--action-concurrency",
        "20",
        "--priority",
        "max",
    )
    options = (
        "--tag",
        "team=search",
        "--time-limit",
        "InsufficientCapacity=700:Terminate",
        "--head-of-line",
        "Backfill",
    )

    rehearsed = headgate.ok(*create, *options, "--dry-run", "server")
    assert rehearsed == f"jobqueue.headgate.dev/{name} created (server dry run)\n"
    assert headgate("queue", "get", name).err.endswith(
        f'(NotFound): jobqueues.headgate.dev "{name}" not found\n'
    )

    assert headgate.ok(*create, *options) == f"jobqueue.headgate.dev/{name} created\n"
    spec = given.get_queue("q")["spec"]
    assert (spec["priority"], spec["tags"], spec["headOfLine"]) == ("max", {"team": "search"}, "Backfill")
    assert spec["timeLimitActions"][0]["action"] == "Terminate"
    again = headgate(*create)
    assert (again.code, again.out) == (1, "")
    assert again.err == f'Error from server (AlreadyExists): jobqueues.headgate.dev "{name}" already exists\n'

    eventually(lambda: given.status("q")["state"] == "Active")
    page = headgate.ok("queue", "get", name, user="bob")
    assert page.startswith(f"Name:{'':18}{name}\n")
    assert "by alice" in page

    def same() -> bool:
        # Two reads: the operator may write a status between them.
        return bool(
            yaml.safe_load(headgate.ok("queue", "get", name, "-o", "yaml")) == _tidy(given.get_queue("q"))
        )

    eventually(same)
    assert headgate.ok("queue", "get", f"jq/{name}", "-o", "name") == f"jobqueue.headgate.dev/{name}\n"
    both = headgate("queue", "get", name, "nobody", "-o", "json")
    assert (both.code, [item["metadata"]["name"] for item in both.json["items"]]) == (1, [name])

    headgate.ok("queue", "update", name, "--action-concurrency", "40", "--cluster", "local")
    spec = given.get_queue("q")["spec"]
    assert (spec["actionConcurrency"], spec["clusters"], spec["priority"]) == (40, ["local"], "max")
    refused = headgate("queue", "update", name, "--cluster", "nowhere")
    assert (refused.code, 'has no cluster "nowhere"; it has: local' in refused.err) == (1, True)
    assert headgate("queue", "update", name).code == 2


def test_lists(headgate: Headgate, given: User) -> None:
    for number, pool in enumerate(("default", "default", "other")):
        given.queue(f"q{number}", pool=pool, tags={"team": "search"} if number else {}, priority=number)
    eventually(lambda: all(given.status(f"q{number}").get("state") for number in range(3)))
    pattern = given.full("*")

    def names(*options: str) -> list[str]:
        out = headgate.ok("queue", "list", pattern, "-o", "name", *options, user="bob")
        return [line.removeprefix(f"jobqueue.headgate.dev/{given.full('')}") for line in out.splitlines()]

    assert names() == ["q0", "q1", "q2"]
    assert names("--sort", "priority:desc") == ["q2", "q1", "q0"]
    assert names("--sort", "pool:desc", "--sort", "name:desc", "--limit", "2") == ["q2", "q1"]
    assert names("--filter", "pool=default", "--filter", "tag.team=search") == ["q1"]
    assert names("--filter", "creator=nobody") == []
    uid = given.get_queue("q1")["metadata"]["uid"]
    assert names("--filter", f"id={uid}") == ["q1"]
    given.client.patch(f"{QUEUES}/{given.full('q2')}", {"metadata": {"labels": {"tier": "test"}}})
    assert names("-l", "tier=test") == names("--selector", "tier", "--chunk-size", "1") == ["q2"]
    assert names("--limit", "0", "--chunk-size", "0") == ["q0", "q1", "q2"]
    headgate.ok("queue", "archive", given.full("q1"), "--yes", "--wait", "--timeout", f"{PATIENCE:.0f}")
    assert names() == ["q0", "q2"]
    assert (
        names("--all") == names("--filter", "state=Sealed", "--filter", "state=Active") == ["q0", "q1", "q2"]
    )

    table = headgate.ok("queue", "list", pattern).splitlines()
    assert table[0].split() == ["NAME", "STATE", "POOL", "RUNS", "ACTIONS", "WAITING", "AGE"]
    assert table[2].split()[1] == "Active,PoolNotFound"
    assert len(headgate.ok("queue", "list", pattern, "--no-headers", "-o", "wide").splitlines()) == 2
    empty = headgate("queue", "list", given.full("none-*"))
    assert (empty.code, empty.out, empty.err) == (0, "", "No resources found\n")
    # As kubectl does: without a name, all of them.
    everything = headgate.ok("queue", "get", "-o", "name", user="bob").splitlines()
    assert f"jobqueue.headgate.dev/{given.full('q0')}" in everything
    assert headgate.ok("queue", "get", user="bob").splitlines()[0].split()[:2] == ["NAME", "STATE"]
    wrong = headgate("queue", "list", "--sort", "colour")
    assert (wrong.code, "FIELD one of id, name, created" in wrong.err) == (2, True)


def test_pause_and_resume(headgate: Headgate, queue: str, given: User) -> None:
    paused = headgate("queue", "pause", queue, "nobody", "--note", "upgrade")
    assert (paused.code, paused.out) == (1, f"jobqueue.headgate.dev/{queue} paused\n")
    assert 'jobqueues.headgate.dev "nobody" not found' in paused.err
    eventually(lambda: given.status("q")["dispatch"]["pausedBy"] == "alice")
    assert "paused by alice since" in headgate.ok("queue", "get", queue)
    again = headgate("queue", "pause", queue)
    assert again.code == 1
    assert again.err.startswith(f'error: queue "{queue}" is already paused by alice since ')

    assert headgate.ok("queue", "resume", queue) == f"jobqueue.headgate.dev/{queue} resumed\n"
    assert headgate("queue", "resume", queue).err == f'error: queue "{queue}" is not paused\n'


def test_the_life_of_a_queue(headgate: Headgate, queue: str, given: User) -> None:
    given.jobs(3, "q", seconds=ENDLESS)
    eventually(lambda: given.status("q")["depth"]["current"] == 3)

    assert headgate.ok("queue", "drain", queue) == f"jobqueue.headgate.dev/{queue} draining, 3 Jobs live\n"
    late = headgate("queue", "drain", queue, "--wait", "--timeout", "0.5")
    assert (late.code, "instead of Drained" in late.err) == (1, True)
    headgate.ok("queue", "activate", queue, "--wait")
    live = headgate("queue", "delete", queue, "--yes", "--dry-run", "server")
    assert (live.code, "3 live Jobs" in live.err) == (1, True)

    for unasked in (("terminate", queue), ("delete", queue), ("archive", queue)):
        answer = headgate("queue", *unasked)
        assert (answer.code, answer.err.endswith("there is nobody to ask: give --yes to do it\n")) == (
            1,
            True,
        )
    ended = headgate.ok("queue", "terminate", queue, "--yes", "--wait")
    assert ended.splitlines()[-1] == f"jobqueue.headgate.dev/{queue} terminated"
    assert "stays Terminated" in headgate("queue", "activate", queue).err
    assert headgate.ok("queue", "delete", queue, "--yes") == f'jobqueue.headgate.dev "{queue}" deleted\n'
    assert headgate("queue", "get", queue).code == 1


def test_tags(headgate: Headgate, queue: str) -> None:
    assert headgate.ok("queue", "tag", queue, "b=2", "a=1=x") == f"jobqueue.headgate.dev/{queue} tagged\n"
    assert headgate.ok("queue", "tag", queue, user="bob") == "a=1=x\nb=2\n"
    headgate.ok("queue", "tag", queue, "a-", "c=3")
    assert headgate.ok("queue", "tag", queue) == "b=2\nc=3\n"
    assert headgate("queue", "tag", queue, "z-").code == 1
    assert headgate("queue", "tag", queue, "z").code == 2
    rehearsed = headgate.ok("queue", "tag", queue, "d=4", "c-", "--dry-run", "-o", "yaml")
    assert yaml.safe_load(rehearsed)["spec"]["tags"] == {"b": "2", "d": "4"}
    # All of it or nothing.
    refused = headgate("queue", "tag", queue, "b-", f"long={'x' * 300}")
    assert (refused.code, "Too long" in refused.err) == (1, True), refused
    assert headgate.ok("queue", "tag", queue) == "b=2\nc=3\n"
    headgate.ok("queue", "update", queue, "--clear", "tags")
    assert headgate.ok("queue", "tag", queue) == ""


def test_what_is_written_is_one_document(headgate: Headgate, queue: str, given: User) -> None:
    given.queue("other", dispatch={"paused": False})
    other = given.full("other")

    both = yaml.safe_load(headgate.ok("queue", "pause", queue, other, "-o", "yaml"))
    assert both["kind"] == "List"
    assert {one["metadata"]["name"]: one["spec"]["dispatch"]["paused"] for one in both["items"]} == {
        queue: True,
        other: True,
    }
    drained = headgate("queue", "drain", queue, "--wait", "-o", "json")
    assert drained.json["status"]["state"] == "Drained"
    edited = headgate.ok("queue", "resume", other, "-o", "name")
    assert edited == f"jobqueue.headgate.dev/{other}\n"
    gone = headgate("queue", "get", "nobody", other, "--ignore-not-found", "-o", "json")
    assert (gone.code, gone.err) == (0, "")
    assert [one["metadata"]["name"] for one in gone.json["items"]] == [other]
    assert headgate.ok("queue", "delete", other, "-y", "-o", "name") == f"jobqueue.headgate.dev/{other}\n"
    assert headgate.ok("queue", "delete", other, "--yes", "--ignore-not-found") == ""


def test_a_queue_that_is_paused_does_not_drain(headgate: Headgate, queue: str, given: User) -> None:
    given.change_queue("q", dispatch={"paused": True})
    given.job("waits", "q")
    given.until("q", waiting=1)

    drained = headgate("queue", "drain", queue, "--wait", "--timeout", "100ms")

    assert drained.code == 1
    assert f"warning: queue {queue} is paused: 1 Jobs wait in it until somebody resumes it" in drained.err


def test_lists_are_emptied(headgate: Headgate, queue: str, given: User) -> None:
    limit = {"reason": "InsufficientCapacity", "maxTimeSeconds": 700, "action": "Cancel"}
    environments = [{"order": 1, "name": "none"}]
    given.change_queue("q", timeLimitActions=[limit], computeEnvironments=environments)

    headgate.ok("queue", "update", queue, "--clear", "time-limits", "--clear", "compute-environments")

    spec = given.get_queue("q")["spec"]
    assert (spec.get("timeLimitActions") or [], spec.get("computeEnvironments") or []) == ([], [])


def test_rights(headgate: Headgate, queue: str) -> None:
    for arguments in (("pause", queue), ("update", queue, "--depth", "1"), ("delete", queue, "--yes")):
        answer = headgate("queue", *arguments, user="bob")
        assert answer.code == 1
        assert 'Error from server (Forbidden): user "bob" may not ' in answer.err
        assert "ClusterRole headgate-editor has it" in answer.err
    assert "ClusterRole headgate-viewer has it" in headgate("queue", "list", user="carol").err


def test_it_asks_before_it_ends_a_queue(headgate: Headgate, queue: str, given: User) -> None:
    with headgate.terminal("queue", "terminate", queue) as terminal:
        terminal.expect_exact(f"{queue} (0 live Jobs)? [y/N]:")
        terminal.sendline("n")
        terminal.expect_exact("Aborted")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 1
    assert given.get_queue("q")["spec"]["state"] == "Active"

    with headgate.terminal("queue", "delete", queue) as terminal:
        terminal.expect_exact("? [y/N]:")
        terminal.sendline("y")
        terminal.expect_exact("deleted")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 0


def test_edit(
    headgate: Headgate, queue: str, given: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    editor = tmp_path / "editor"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("KUBE_EDITOR", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))

    def edits(*scripts: str) -> None:
        """Each is a line of shell, $1 the file: the first for the first time it is opened, and so on."""
        seen.write_text("")
        cases = "\n".join(f"{number}) {script};;" for number, script in enumerate(scripts, 1))
        editor.write_text(f"#!/bin/sh\necho x >> {seen}\ncase $(wc -l < {seen}) in\n{cases}\nesac\n")
        editor.chmod(0o755)

    def kept() -> list[Path]:
        return list(tmp_path.glob("headgate-edit-*"))

    edits("sed -i 's/depth: .*/depth: 77/' $1")
    assert headgate.ok("queue", "edit", queue) == f"jobqueue.headgate.dev/{queue} edited\n"
    assert given.get_queue("q")["spec"]["depth"] == 77

    edits("true")
    unchanged = headgate("queue", "edit", queue)
    assert (unchanged.code, unchanged.err) == (0, "Edit cancelled, no changes made.\n")
    assert kept() == []

    # What is refused opens again with the reason, and can be put right.
    edits(
        "sed -i 's/depth: .*/depth: -1/' $1", f"cp $1 {tmp_path}/refused; sed -i 's/depth: -1/depth: 1/' $1"
    )
    headgate.ok("queue", "edit", queue)
    assert (
        "# Error from server (Invalid): spec.depth: Invalid value: -1" in (tmp_path / "refused").read_text()
    )
    assert given.get_queue("q")["spec"]["depth"] == 1

    # What somebody else changes meanwhile is shown; the edit is not lost.
    overtake = f"kubectl --kubeconfig {headgate.kubeconfig('admin')} patch jq {queue} --type=merge"
    edits(
        f"sed -i 's/depth: .*/depth: 5/' $1; {overtake} -p '{{\"spec\":{{\"actionConcurrency\":9}}}}' >/dev/null",
        f"cp $1 {tmp_path}/overtaken; sed -i '/^#/d; s/actionConcurrency: .*/actionConcurrency: 9/' $1",
    )
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    headgate.ok("queue", "edit", queue)
    overtaken = (tmp_path / "overtaken").read_text()
    assert "# somebody else has changed the queue" in overtaken.replace("error: ", "")
    assert "# +  actionConcurrency: 9" in overtaken
    assert "depth: 5" in overtaken
    spec = given.get_queue("q")["spec"]
    assert (spec["depth"], spec["actionConcurrency"]) == (5, 9)

    # A key that is no text is one for JSON; what JSON cannot say opens again.
    edits("sed -i 's/^  tags: .*/  tags: {2024: x}/; s/^spec:/spec:\\n  tags: {2024: x}/' $1")
    shown = headgate("queue", "edit", queue, "-o", "json")
    assert shown.json["spec"]["tags"] == {"2024": "x"}
    edits(
        "sed -i 's/^  depth: .*/  depth: !!binary aGVsbG8=/' $1",
        f"cp $1 {tmp_path}/binary; sed -i 's/^  depth: .*/  depth: 6/' $1",
    )
    headgate.ok("queue", "edit", queue)
    assert "# error: spec.depth: must be something that JSON can say" in (tmp_path / "binary").read_text()

    # Of an editor that does not start nothing is left.
    monkeypatch.setenv("EDITOR", str(tmp_path / "no-editor"))
    failed = headgate("queue", "edit", queue)
    assert (failed.code, "ended with code 127" in failed.err) == (1, True)
    assert "A copy of your changes" not in failed.err
    assert kept() == []
    monkeypatch.setenv("EDITOR", str(editor))

    # What is given up is kept.
    edits("sed -i 's/^  name: .*/  name: other/' $1", "true")
    given_up = headgate("queue", "edit", queue)
    assert given_up.code == 1
    [file] = kept()
    assert f"A copy of your changes has been stored to {file}" in given_up.err
    assert "a queue is not renamed" in given_up.err
    assert "name: other" in file.read_text()


def test_edit_whatever_the_locale(headgate: Headgate, queue: str, given: User, tmp_path: Path) -> None:
    given.change_queue("q", description="zweite Zeile: ü")
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/zweite/dritte/' $1\n")
    editor.chmod(0o755)

    with headgate.terminal(
        "queue", "edit", queue,
        KUBE_EDITOR=str(editor), LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0",
    ) as terminal:  # fmt: skip
        terminal.expect_exact("edited")
        terminal.expect(pexpect.EOF)

    assert terminal.exitstatus == 0
    assert given.get_queue("q")["spec"]["description"] == "dritte Zeile: ü"


def test_watch_in_a_terminal_and_in_a_pipe(headgate: Headgate, queue: str, given: User) -> None:
    with headgate.terminal("queue", "watch", queue) as terminal:
        terminal.expect_exact("0 of 2")
        given.jobs(3, "q", seconds=ENDLESS)
        terminal.expect_exact("2 of 2")
        terminal.expect_exact("1 waiting")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 130

    with headgate.terminal("queue", "watch", queue, TERM="dumb") as terminal:
        terminal.expect(r"TIME +NAME +STATE +RUNS +ACTIONS +DEPTH +ENDING +EMPTY-IN\r\n")
        terminal.expect(rf"\d\d:\d\d:\d\d +{queue} +Active +2/5 +2/2 +3/10000 ")
        headgate.ok("queue", "pause", queue)
        terminal.expect_exact("Active,Paused")
        assert "\x1b" not in terminal.before
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 130
    assert headgate("queue", "watch", "nobody").code == 1


def test_a_list_goes_on_with_what_changes(headgate: Headgate, queue: str) -> None:
    with headgate.terminal("queue", "list", queue, "--watch", user="bob") as terminal:
        terminal.expect_exact(" Active ")
        headgate.ok("queue", "pause", queue)
        terminal.expect_exact("Active,Paused")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 130


def test_completion(headgate: Headgate, queue: str, given: User, tmp_path: Path) -> None:
    def complete(line: str, kubeconfig: str | None = None) -> tuple[str, str]:
        words = ["headgate", *line.split(" ")]
        done = subprocess.run(
            [sys.executable, "-m", "headgate.cli"],
            env={
                **os.environ,
                "_HEADGATE_COMPLETE": "complete_bash",
                "COMP_WORDS": " ".join(words),
                "COMP_CWORD": str(len(words) - 1),
                "KUBECONFIG": kubeconfig or headgate.kubeconfig("bob"),
                "HEADGATE_COMPLETION_SECONDS": "60",
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.strip(), done.stderr

    assert complete(f"queue get {given.namespace}-") == (queue, "")
    assert complete(f"queue get {queue} {given.namespace}-") == ("", "")
    assert complete("queue dra") == ("drain", "")
    assert complete("queue get ", kubeconfig=str(tmp_path / "none")) == ("", "")
    script = headgate.ok("completion", "bash")
    assert "_HEADGATE_COMPLETE=complete_bash" in script


def test_completion_behind_kubectl(headgate: Headgate, queue: str, given: User) -> None:
    programs = Path(sys.executable).parent
    assert (programs / "kubectl_complete-headgate").exists(), "install the package anew"

    def complete(*words: str) -> list[str]:
        done = subprocess.run(
            [programs / "kubectl", "__complete", "headgate", *words],
            env={
                **os.environ,
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "KUBECONFIG": headgate.kubeconfig("bob"),
                "HEADGATE_COMPLETION_SECONDS": "60",
            },
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()

    assert complete("queue", "get", f"{given.namespace}-") == [queue, ":4"]
    assert complete("queue", "dra") == ["drain\tLet a queue refuse new Jobs and finish...", ":4"]


def _tidy(body: dict[str, object]) -> dict[str, object]:
    del body["metadata"]["managedFields"]  # type: ignore[attr-defined]
    return body
