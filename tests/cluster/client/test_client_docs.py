"""The Python in the how-tos runs as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cluster.harness.cluster import Site

PAGES = sorted((Path(__file__).parents[3] / "docs" / "how-to").glob("*.md"))
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, code in enumerate(PYTHON.findall(page.read_text()), 1)
]


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("code", BLOCKS)
def test_the_code_of_a_how_to_runs(code: str, site: Site) -> None:
    environment = {**os.environ, "KUBECONFIG": str(site.cluster.kubeconfig)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
