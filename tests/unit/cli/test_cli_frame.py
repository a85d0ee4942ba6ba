"""What all verbs have in common: how they are called, and how they end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
import typer
from typer.testing import CliRunner, Result

from headgate import __version__
from headgate.cli import reference
from headgate.cli.app import app, connection
from headgate.cli.command import Command, _with_values
from headgate.cli.errors import Problem, describe
from headgate.cli.filters import read_filters
from headgate.cli.options import Waiting, Writing  # noqa: TC001 - read at run time, as options
from headgate.cli.queue.fields import SpecOptions
from headgate.cli.verb import Connection, Namespaced, Session, verb
from headgate.client import HeadgateError, NotFoundError, UnreachableError


def call(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, arguments, prog_name="headgate")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cluster can be reached by chance."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("queue", "lsit"),
        ("queue", "pause"),
        ("queue", "list", "--output", "xml"),
        ("queue", "list", "--limit", "-1"),
        ("queue", "list", "--chunk-size", "-1"),
        ("queue", "list", "--sort", "colour"),
        ("queue", "list", "a*", "--filter", "name=b", "-w"),
        ("job", "list", "--sort", "colour"),
        ("pool", "list", "--sort", "colour"),
        ("environment", "list", "--sort", "colour"),
        ("queue", "drain", "a", "--timeout", "5m"),
        ("queue", "drain", "a", "--wait", "--timeout", "soon"),
        ("job", "submit", "--timeout", "5m", "-q", "a", "--image", "b"),
        ("queue", "tag", "a", "b-", "b=1"),
        ("queue", "update", "a", "--clear", "colour"),
        ("queue", "update", "a", "--clear", "time-limits", "--time-limit", "InsufficientCapacity=1h"),
        ("queue", "migrate", "a", "--to-pool", "b", "--name", "c", "-o", "yaml"),
        ("job", "logs", "a", "--since", "soon"),
        ("queue", "list", "--filter", "colour=red"),
        ("queue", "list", "--filter", "pool"),
        ("queue", "create", "x", "--run-concurrency", "1"),
        ("queue", "create", "x", "--run-concurrency", "many", "--action-concurrency", "1"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_says_so_and_ends_with_2(arguments: tuple[str, ...]) -> None:
    result = call(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr or "Usage: " in result.stderr


def test_what_talks_to_a_cluster_is_not_imported_for_help_and_completion() -> None:
    code = "import sys, headgate.cli.app; print([m for m in ('aiohttp', 'kubernetes') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_without_a_verb_it_shows_its_help() -> None:
    for group in ((), ("queue",)):
        result = call(*group)
        assert "Commands:" in result.output


def test_a_typing_mistake_is_helped_with() -> None:
    assert "Did you mean 'list'?" in call("queue", "lsit").stderr


def test_the_version() -> None:
    assert call("--version").stdout == f"headgate {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [("--kubeconfig", "/missing", "queue", "list"), ("queue", "list", "--kubeconfig", "/missing")],
)
def test_the_kubeconfig_may_stand_before_and_behind_the_verb(arguments: tuple[str, ...]) -> None:
    result = call(*arguments)

    assert result.exit_code == 1
    assert "error: there is no kubeconfig /missing" in result.stderr


def test_what_stands_behind_the_verb_wins() -> None:
    behind, before = Namespaced("/behind", None, "apps"), Connection("/before", "prod")

    assert behind.over(before) == Namespaced("/behind", "prod", "apps")
    assert behind.over(None) is behind


def test_the_namespace_may_stand_before_the_verb() -> None:
    seen: list[Connection] = []

    @verb(namespaced=True)
    async def look(session: Session) -> None:
        """Look."""
        seen.append(Namespaced(namespace=session.client._connection.given_namespace))

    @verb()
    async def glance(session: Session) -> None:
        """Glance."""

    program = typer.Typer()
    program.callback()(connection)
    program.command("look")(look)
    program.command("glance")(glance)
    for arguments in (["-n", "a", "look"], ["look", "-n", "a"], ["-n", "b", "look", "--namespace", "a"]):
        assert CliRunner().invoke(program, arguments).exit_code == 0
    assert CliRunner().invoke(program, ["-n", "a", "glance"]).exit_code == 0
    assert seen == [Namespaced(namespace="a")] * 3


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (("drain", "x", "--dry-run"), "server"),
        (("drain", "--dry-run", "x"), "server"),
        (("drain", "x", "--dry-run", "server"), "server"),
        (("drain", "x", "--dry-run", "none"), "none"),
        (("drain", "x", "--dry-run=none"), "none"),
        (("drain", "x", "--dry-run", "--wait"), "server"),
        (("drain", "x"), "none"),
    ],
)
def test_a_dry_run_needs_no_value(words: tuple[str, ...], read: str) -> None:
    seen = []

    @verb()
    async def drain(session: Session, name: str, *, waiting: Waiting, writing: Writing) -> None:
        """Drain."""
        seen.append((name, writing.dry_run))

    program = typer.Typer()
    program.command("drain", cls=Command)(drain)
    program.command("other")(drain)
    result = CliRunner().invoke(program, words)

    assert (result.exit_code, seen) == (0, [("x", read)]), result.output
    assert list(_with_values(["submit", "--", "--dry-run"])) == ["submit", "--", "--dry-run"]


@pytest.mark.parametrize("words", list(reference.commands()), ids=" ".join)
def test_help_says_nothing_of_python(words: tuple[str, ...]) -> None:
    text = reference.help_text(words, 80)

    assert re.findall(r"<(?:list|str|int|bool|float)\b|\{\w|\bNone\b|range>", text) == []


def test_what_is_wrong_is_said_without_the_words_of_a_library() -> None:
    told = call("queue", "list", "-o", "foo").stderr
    assert "Error: Invalid value for '--output' / '-o': 'foo' is not one of 'table', 'wide'" in told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_what_cannot_be_written_is_an_error_of_one_line() -> None:
    program = [sys.executable, "-c", "from headgate.cli.app import main; main()", "--help"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "error: [Errno 28] No space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (("queue", "delete", "a"), r"Delete a\? \[y/N\]: "),
        (("queue", "archive", "a"), r"with no way back: a\? \[y/N\]: "),
        (("job", "submit", "-q", "a", "-f", "-"), None),
    ],
    ids=["confirm", "archive", "stdin"],
)
def test_ctrl_c_ends_it_where_somebody_is_to_type(arguments: tuple[str, ...], seen: str | None) -> None:
    terminal = pexpect.spawn(
        sys.executable,
        ["-c", READING, *arguments],
        encoding="utf-8",
        timeout=120,
        # What runs in the background of a shell ignores it, and so would what is started from there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with terminal:
        terminal.expect(seen or "reading")
        for _ in range(6):
            # One that comes at the very moment in which a read begins is noticed when that ends.
            terminal.sendintr()
            if terminal.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=20) == 0:
                break
    assert terminal.exitstatus == 130


READING = """
import sys
from headgate.cli.app import main
class Told:
    def __getattr__(self, name):
        return getattr(sys.__stdin__, name)
    def read(self):
        print("reading", flush=True)
        return sys.__stdin__.read()
sys.stdin = Told()
main()
"""
"""The program, which says when it begins to read what somebody types."""


def test_errors_are_worded_as_kubectl_does() -> None:
    missing = NotFoundError('jobqueues.headgate.dev "x" not found', reason="NotFound", status=404)

    assert describe(missing) == 'Error from server (NotFound): jobqueues.headgate.dev "x" not found'
    assert describe(HeadgateError("busy", status=503)) == "Error from server (503): busy"
    assert describe(UnreachableError("it does not answer")) == "error: it does not answer"
    assert describe(Problem("no")) == "error: no"


def test_filters() -> None:
    known = {"pool": "pool", "state": "state", "cluster-state": "cluster_state"}

    assert read_filters(["pool=a", "state=Active", "state=Drained"], known) == {
        "pool": "a",
        "state": ["Active", "Drained"],
    }
    assert read_filters(["tag.team=search", "cluster-state=Unknown"], known, tags=True) == {
        "cluster_state": "Unknown",
        "tags": {"team": ["search"]},
    }
    for wrong in (["tag.team=x"], ["pool=a", "pool=b"], ["=x"]):
        with pytest.raises(typer.BadParameter):
            read_filters(wrong, known)


def test_options_become_fields() -> None:
    given = SpecOptions(
        depth=0,
        priority="70",
        idle_timeout=5,
        clusters=["a"],
        time_limit=["InsufficientCapacity=700", "NoMatchingEnvironment=800:Terminate"],
    )

    assert given.fields() == {
        "depth": 0,
        "priority": 70,
        "idle_timeout_seconds": 5,
        "clusters": ["a"],
        "time_limit_actions": [
            {"reason": "InsufficientCapacity", "maxTimeSeconds": 700, "action": "Cancel"},
            {"reason": "NoMatchingEnvironment", "maxTimeSeconds": 800, "action": "Terminate"},
        ],
    }
    assert SpecOptions(priority="max").fields() == {"priority": "max"}
    for wrong in (
        SpecOptions(priority="high"),
        SpecOptions(priority="-1"),
        SpecOptions(time_limit=["x=soon"]),
    ):
        with pytest.raises(typer.BadParameter):
            wrong.fields()


@pytest.mark.parametrize("program", ["headgate", "kubectl-headgate"])
def test_a_plugin_of_kubectl_says_how_it_is_called(program: str, tmp_path: Path) -> None:
    script = tmp_path / program
    script.write_text("from headgate.cli.app import main\nmain()\n")
    done = subprocess.run(
        [sys.executable, str(script), "queue", "pause"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert f"Usage: {program.replace('-', ' ')} queue pause" in done.stderr


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("queue", "unse"), ":4\n"),
        (("po",), "pool\tSets of clusters that queues never leave.\n:4\n"),
        (("queue", "list", "-o", "w"), "wide\n:4\n"),
        (("queue", "get", "it's"), ":4\n"),
        (("job", "submit", "-f", ""), ":0\n"),
        (("job", "list", "-f", ""), ":4\n"),
        (("queue", "list", "--kubeconfig", ""), ":0\n"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_completion_behind_kubectl(words: tuple[str, ...], answer: str) -> None:
    code = "from headgate.cli.plugin import complete; complete()"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == (answer, "")


@pytest.mark.parametrize("words", list(reference.commands()), ids=" ".join)
def test_help_asks_nobody_and_fits_into_80_columns(words: tuple[str, ...]) -> None:
    lines = reference.help_text(words, 80).splitlines()

    assert lines[0].startswith(" ".join(["Usage: headgate", *words]))
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage")] == []


def test_the_reference_is_what_the_program_says() -> None:
    assert reference.FILE.read_text() == reference.text(), "python -m headgate.cli.reference --write"
