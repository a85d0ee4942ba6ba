"""What all verbs have in common: how they are called, and how they end."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner, Result

from headgate import __version__
from headgate.cli import reference
from headgate.cli.app import app
from headgate.cli.errors import Problem, describe
from headgate.cli.filters import read_filters
from headgate.cli.queue.fields import SpecOptions
from headgate.cli.verb import Connection, Namespaced
from headgate.client import HeadgateError, NotFoundError, UnreachableError

if TYPE_CHECKING:
    from pathlib import Path


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
        ("queue", "get"),
        ("queue", "list", "--output", "xml"),
        ("queue", "list", "--limit", "0"),
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
        [sys.executable, str(script), "queue", "get"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert f"Usage: {program.replace('-', ' ')} queue get" in done.stderr


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
