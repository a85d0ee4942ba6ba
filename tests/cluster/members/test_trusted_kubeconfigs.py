"""Kubeconfigs that may have the operator run programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cluster.harness.client import eventually
from tests.cluster.members.accounts import account, entry, remove, with_user

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.harness.members import Fleet
    from tests.cluster.harness.operator import OperatorProcess


@pytest.fixture(scope="session")
def operator_arguments() -> tuple[str, ...]:
    return ("--member-probe-seconds=2", "--trust-kubeconfigs")


def test_a_program_is_asked_again_when_its_token_is_not_accepted_any_more(
    fleet: Fleet, operator: OperatorProcess, tmp_path: Path
) -> None:
    east = fleet.members["east"]
    first, second = fleet.full("first"), fleet.full("second")
    answer = tmp_path / "answer"

    def gives(token: str) -> None:
        kind = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
        answer.write_text(json.dumps({**kind, "status": {"token": token}}))

    gives(account(east, first))
    program = "import pathlib, sys; print(pathlib.Path(sys.argv[1]).read_text())"
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", program, str(answer)],
        "interactiveMode": "Never",
    }
    fleet.pool("pool", entry(fleet, "east", fleet.secret("east", with_user(east, exec=plugin))))
    fleet.until_state("east", "Running")

    gives(account(east, second))
    remove(east, first)

    # Nothing but the program has changed, and nobody has noticed.
    eventually(lambda: "new credentials" in operator.log.read_text())
    assert "(401)" not in operator.log.read_text()
    fleet.until_all_run()
