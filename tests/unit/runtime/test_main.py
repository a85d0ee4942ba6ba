"""`headgate-operator` refuses times of an election that do not go together."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from headgate.__main__ import app


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--renew-deadline-seconds=15"], "is 15, and --lease-duration-seconds 15"),
        (["--lease-duration-seconds=9"], "is 10, and --lease-duration-seconds 9"),
        (["--retry-period-seconds=10"], "is 10, and --renew-deadline-seconds 10"),
    ],
)
def test_a_leader_has_to_step_down_in_time(options: list[str], said: str) -> None:
    result = CliRunner(env={"COLUMNS": "500"}).invoke(app, options)

    assert result.exit_code == 2
    assert said in result.output
    assert "must be less" in result.output
