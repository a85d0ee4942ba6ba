"""What a kubeconfig leads to: which context, which namespace, and in words what is wrong with it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes.aio.config import ConfigException

from headgate.kube.kubeconfig import Access, load

if TYPE_CHECKING:
    from pathlib import Path

CONTEXTS = {"prod": "team-a", "staging": "team-b", "plain": None}


def config(current: str | None = None, user: dict[str, Any] | None = None) -> dict[str, Any]:
    """A kubeconfig with several contexts, of which the namespaces differ."""
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "secret"} if user is None else user}],
        "contexts": [
            {
                "name": name,
                "context": {"cluster": "c", "user": "u", **({"namespace": namespace} if namespace else {})},
            }
            for name, namespace in CONTEXTS.items()
        ],
    }
    return body if current is None else {**body, "current-context": current}


def write(file: Path, body: str | dict[str, Any]) -> None:
    file.write_text(body if isinstance(body, str) else yaml.safe_dump(body))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default kubeconfig, still to be written; there is no Pod."""
    path = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return path


@pytest.mark.parametrize("current", [None, "gone", "staging"])
async def test_the_namespace_is_that_of_the_chosen_context(file: Path, current: str | None) -> None:
    write(file, config(current))

    assert (await load(context="prod")).namespace == "team-a"
    assert (await load(str(file), "plain")).namespace == ""
    if current == "staging":
        assert (await load()).namespace == "team-b"


async def test_several_files_are_one(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, rest, empty = tmp_path / "context", tmp_path / "rest", tmp_path / "empty"
    write(context, {"current-context": "prod"})
    write(rest, config())
    write(empty, "---\n# nothing yet\n")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (empty, file, context, rest))))

    access = await load()

    assert access.namespace == "team-a"
    assert access.configuration.api_key == {"BearerToken": "Bearer secret"}


@pytest.mark.parametrize(
    ("text", "chosen", "said"),
    [
        (None, None, "there is no kubeconfig (KUBECONFIG, ~/.kube/config), and this is no Pod"),
        ("", None, "there is no kubeconfig (KUBECONFIG, ~/.kube/config), and this is no Pod"),
        (yaml.safe_dump(config()), None, "has no current context, and none was chosen; it has: prod, "),
        (yaml.safe_dump(config("gone")), None, 'has no context "gone"; it has: prod, staging, plain'),
        (yaml.safe_dump(config("prod")), "nowhere", 'has no context "nowhere"; it has: prod, staging, plain'),
        ("current-context: x", None, 'has no context "x"; it has none'),
        ("[", None, "cannot be read: "),
        ("just words", None, "cannot be read: "),
        (yaml.safe_dump({**config("prod"), "clusters": []}), None, "cannot be used: "),
    ],
)
async def test_what_is_wrong_is_said(
    file: Path, text: str | None, chosen: str | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    if text is not None:
        write(file, text)

    with pytest.raises(ConfigException) as wrong:
        await load(context=chosen)

    assert said in str(wrong.value)
    assert caplog.records == []


async def test_a_file_that_was_named_is_named(file: Path) -> None:
    with pytest.raises(ConfigException, match=f"^there is no kubeconfig {file}$"):
        await load(str(file))
    write(file, "\n")
    with pytest.raises(ConfigException, match=f"^the kubeconfig {file} is empty$"):
        await load(str(file))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-plugin"], "No such file or directory: 'no-such-plugin'"),
        ([sys.executable, "-c", "raise SystemExit('log in first')"], "log in first"),
        ([sys.executable, "-c", "print('nonsense')"], "failed to decode"),
    ],
    ids=["missing", "failing", "nonsense"],
)
async def test_a_plugin_that_gives_no_credentials_is_an_error(
    file: Path, command: list[str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": command[0], "args": command[1:]}
    write(file, config("prod", {"exec": plugin}))

    with pytest.raises(ConfigException, match="getting credentials: ") as wrong:
        await load()

    assert said in str(wrong.value)
    assert caplog.records == []


async def test_a_plugin_that_gives_them(file: Path) -> None:
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-a-plugin"},
    }
    program = ["-c", f"import json; print(json.dumps({answer!r}))"]
    plugin = {"apiVersion": answer["apiVersion"], "command": sys.executable, "args": program}
    write(file, config("prod", {"exec": plugin}))

    access = await load()

    assert isinstance(access, Access)
    assert access.configuration.api_key == {"BearerToken": "Bearer from-a-plugin"}
