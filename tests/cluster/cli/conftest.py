"""`headgate` as a program, and in this process where a new one for each call would take longer than what it does."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pexpect
import pytest
from tests.cluster.harness.client import PATIENCE, eventually
from tests.cluster.harness.cluster import RBAC, Site
from typer.testing import CliRunner

from headgate.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controlplane import ClusterAccess

BINDINGS = f"/apis/{RBAC}/v1/clusterrolebindings"
ROLES = {"alice": "headgate-editor", "bob": "headgate-viewer"}


@dataclass(frozen=True)
class Answer:
    """What a call printed, and how it ended."""

    out: str
    err: str
    code: int

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Headgate:
    """Calls `headgate` with the kubeconfig of a user."""

    def __init__(self, cluster: ClusterAccess) -> None:
        self._cluster = cluster

    def __call__(self, *arguments: str, user: str = "alice", input: str | None = None) -> Answer:
        given = ["--kubeconfig", self.kubeconfig(user), *arguments]
        result = CliRunner(env={"COLUMNS": "80"}).invoke(app, given, prog_name="headgate", input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.stdout, result.stderr, result.exit_code)

    def ok(self, *arguments: str, user: str = "alice") -> str:
        answer = self(*arguments, user=user)
        assert answer.code == 0, answer
        return answer.out

    def kubeconfig(self, user: str) -> str:
        return str(self._cluster.kubeconfig if user == "admin" else self._cluster.kubeconfig_for(user))

    def terminal(
        self, *arguments: str, user: str = "alice", size: tuple[int, int] = (24, 80), **environment: str
    ) -> pexpect.spawn[str]:
        """Run it as a program in a terminal."""
        env = {**os.environ, "KUBECONFIG": self.kubeconfig(user), "TERM": "xterm-256color", **environment}
        command = ["-m", "headgate.cli", *arguments]
        return pexpect.spawn(
            sys.executable,
            command,
            env=env,
            dimensions=size,
            timeout=PATIENCE,
            encoding="utf-8",
            # What runs in the background of a shell ignores it, and so would what is started from there.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


@pytest.fixture(scope="package")
def rights(control_plane: ClusterAccess) -> Iterator[None]:
    """Alice may edit what is Headgate's, bob may look at it."""
    site = Site(control_plane)
    for user, role in ROLES.items():
        name = f"cli-{user}"
        body = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
        }
        site.admin.create(BINDINGS, body)
    for user, verb in (("alice", "update"), ("bob", "list")):
        right = {"group": "headgate.dev", "resource": "jobqueues", "verb": verb}
        eventually(partial(site.may, user, **right), every=0.02)
    yield
    for user in ROLES:
        site.admin.delete(f"{BINDINGS}/cli-{user}")


@pytest.fixture(scope="package")
def headgate(control_plane: ClusterAccess, rights: None) -> Headgate:
    return Headgate(control_plane)
