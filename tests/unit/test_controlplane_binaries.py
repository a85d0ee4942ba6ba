"""What is built, when, and what an interrupted build leaves: with a fake `go` that records its calls."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from controlplane import BuildError, binaries, golang

if TYPE_CHECKING:
    from pathlib import Path

GO_MOD = """\
module example.com/tools

go 1.26.0

tool (
	example.com/cmd/first
	example.com/cmd/second
	go.etcd.io/etcd/server/v3
)
"""

# go build -ldflags FLAGS -o OUTPUT PACKAGE; writes in two halves, with a pause while a file `slow` or `stuck` exists
FAKE_GO = """\
#!/bin/sh
cd "$(dirname "$0")"
if [ "$1" = version ]; then echo "go version $(cat version) linux/amd64"; exit; fi
echo "$6" >> calls
if [ -e broken ]; then echo "undefined: everything"; exit 1; fi
printf half > "$5"
if [ -e slow ]; then sleep 2; fi
while [ -e stuck ]; do sleep 0.05; done
printf ' and half' >> "$5"
chmod +x "$5"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module whose tools the fake `go` builds, with a cache of its own."""
    for name in ("module", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "module" / "go.mod").write_text(GO_MOD)
    (tmp_path / "module" / "go.sum").write_text("sums\n")
    (tmp_path / "bin" / "go").write_text(FAKE_GO)
    (tmp_path / "bin" / "go").chmod(0o755)
    (tmp_path / "bin" / "version").write_text("go1.26.0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("HEADGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path / "module"


def calls(module: Path) -> list[str]:
    record = module.parent / "bin" / "calls"
    return [line.rsplit("/", 1)[-1] for line in record.read_text().splitlines()] if record.exists() else []


def content(module: Path) -> dict[str, str]:
    kept = (p for p in binaries.folder(module).iterdir() if p.suffix != ".log" and p.name != "lock")
    return {path.name: path.read_text() for path in kept}


def test_real_module_pins_every_tool() -> None:
    found = binaries.tools()
    assert {*binaries.CORE, "helm", "kind", "kubeconform", "kubelet", "kube-proxy"} <= found.keys()
    assert "gitVersion=v1.37.2" in " ".join(found["kube-apiserver"].flags)
    assert "version=v4.3.1" in " ".join(found["helm"].flags)


def test_key_depends_on_every_input(module: Path) -> None:
    keys = {binaries.key(module)}
    (module / "README.md").write_text("not an input")
    assert binaries.key(module) in keys
    (module / "go.sum").write_text("other sums\n")
    keys.add(binaries.key(module))
    (module / "go.mod").write_text(GO_MOD + "require example.com v1.0.0\n")
    keys.add(binaries.key(module))
    assert len(keys) == 3


def test_key_depends_on_flags_and_machine(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {binaries.key(module)}
    monkeypatch.setattr(platform, "machine", lambda: "another")
    keys.add(binaries.key(module))
    monkeypatch.setattr(golang, "BUILD_FLAGS", "-race")
    keys.add(binaries.key(module))
    assert len(keys) == 3


def test_only_what_is_asked_for_is_built_and_only_once(module: Path) -> None:
    binaries.ensure(["first"], module)
    binaries.ensure(["first", "etcd"], module)
    assert calls(module) == ["first", "v3"]
    assert content(module) == {"first": "half and half", "etcd": "half and half"}


def test_unknown_tool_names_those_there_are(module: Path) -> None:
    with pytest.raises(BuildError, match="no tool third; there are first, second, etcd"):
        binaries.ensure(["third"], module)


def test_failed_build_shows_why_and_leaves_nothing(module: Path) -> None:
    (module.parent / "bin" / "broken").touch()
    with pytest.raises(BuildError, match="undefined: everything"):
        binaries.ensure(["first"], module)
    assert content(module) == {}


def test_killed_build_leaves_nothing_half_made_and_is_resumed(module: Path) -> None:
    binaries.ensure(["first"], module)
    stuck = module.parent / "bin" / "stuck"
    stuck.touch()
    script = (
        "from pathlib import Path; from controlplane import binaries\n"
        f"binaries.ensure(['first', 'second'], Path({str(module)!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL
    ) as builder:
        partial = binaries.folder(module) / "second.partial"
        while not (partial.exists() and partial.read_text()):
            time.sleep(0.02)
        builder.send_signal(signal.SIGKILL)
    assert "second" not in content(module)
    stuck.unlink()
    binaries.ensure(["first", "second"], module)  # waits for the orphaned go, then builds what is missing
    assert content(module) == {"first": "half and half", "second": "half and half"}
    assert calls(module) == ["first", "second", "second"]


def test_two_builds_at_once_build_once(module: Path) -> None:
    (module.parent / "bin" / "slow").touch()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: binaries.ensure(["first"], module), range(2)))
    assert calls(module) == ["first"]


def test_progress_names_the_tool_and_its_seconds(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    binaries.ensure(["second"], module)
    output = capsys.readouterr()
    assert "second" in output.err
    assert re.search(r"built +\d+ s", output.err)
    assert output.out == ""


def test_assets_of_envtest_come_first(module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "etcd").write_text("theirs")
    (assets / "etcd").chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    binaries.ensure(["etcd", "first"], module)
    assert binaries.path_of("etcd", module) == assets / "etcd"
    assert binaries.path_of("first", module) == binaries.folder(module) / "first"
    assert calls(module) == ["first"]


def test_old_go_is_replaced_by_the_wheel(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin" / "version").write_text("go1.25.9")
    environment = tmp_path / "environment"
    monkeypatch.setattr(sys, "prefix", str(environment))

    def install() -> None:
        (environment / "bin").mkdir(parents=True)
        (environment / "bin" / "go").write_text(FAKE_GO)
        (environment / "bin" / "go").chmod(0o755)
        (environment / "bin" / "version").write_text("go1.26.6")

    monkeypatch.setattr(golang, "install", install)
    said: list[str] = []
    assert golang.find((1, 26, 0), said.append) == environment / "bin" / "go"
    assert "found only Go 1.25.9, 1.26.0 is needed" in said[0]


def test_without_go_and_without_environment_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(golang, "version_of", lambda _: None)
    with pytest.raises(BuildError, match=r"Go 1\.26\.0 or newer is needed \(found no Go\)"):
        golang.find((1, 26, 0), print)
