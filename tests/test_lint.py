"""`make lint`, a test each, so that a green run means that too."""

from __future__ import annotations

import pytest
from hack.lint import CHECKS


@pytest.mark.parametrize("name", CHECKS)
def test_lint(name: str) -> None:
    CHECKS[name]()
