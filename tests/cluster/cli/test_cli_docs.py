"""The commands in the how-tos are run as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cli.conftest import Headgate
    from tests.cluster.harness.cluster import Site

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"
PAGES = {
    "manage-queues-from-the-command-line.md": ("nightly",),
    "submit-jobs-from-the-command-line.md": ("reports",),
}
"""Pages, and the queues that they leave or that are in their way."""


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, site: Site) -> Iterator[str]:
    def clear() -> None:
        for name in PAGES[request.param]:
            site.remove_queue(name)

    clear()
    yield request.param
    clear()


@pytest.mark.usefixtures("operator")
def test_every_command_works(page: str, headgate: Headgate) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (HOW_TO / page).read_text(), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines
    for line in lines:
        program, *arguments = shlex.split(line.partition(" > ")[0])
        assert program == "headgate", line
        headgate.ok(*arguments, user="admin")
