"""The order of the tests. `make test` has several workers, and gives each of them a whole file as it becomes idle.

The tests of some folders go together, as one file: they share clusters, or a node, that take long to start.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from xdist.scheduler import LoadFileScheduling

from tests import thoroughness

if TYPE_CHECKING:
    from xdist.remote import Producer

thoroughness.load()

HERE: Final = Path(__file__).parent
TOGETHER: Final = (HERE / "cluster" / "members", HERE / "cluster" / "node")
LONGEST: Final = (
    "test_operations", "test_crash", "test_watch", "test_chart", "test_room_under_stress", "test_schedules",
    "test_isolation", "test_scaling", "test_examples", "test_statuses", "test_limits", "test_demo", "test_controlplane",
    "test_environments", "test_crds", "test_time_limits", "test_order", "test_cli_queue", "test_dependencies",
    "test_observability", "test_doors", "test_backfill", "test_lifecycle", "test_fair_share",
)  # fmt: skip
"""Files that take longest, as the durations at the end of a run show. Another order is no mistake, only slower."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the unit tests first, which soon say what is wrong; then what takes longest, so that all end together.

    But before them go the folders, each of which keeps a worker busy for most of the time.
    """
    items.sort(key=place)


def place(item: pytest.Item) -> int:
    """Return where a test's file comes; in a file the order stays as it is."""
    if any(folder in item.path.parents for folder in TOGETHER):
        return -2
    if item.path.relative_to(HERE).parts[0] != "cluster":
        return -1
    return LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Hand out whole files, and some folders as if they were files."""
    return WholeFolders(config, log) if config.getoption("dist") == "loadfile" else None


class WholeFolders(LoadFileScheduling):  # type: ignore[misc]
    """`loadfile`, but for some folders. The group marks of `loadgroup` do nothing with pytest 9.2 and xdist 3.8."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        folders = (folder.relative_to(HERE.parent).as_posix() for folder in TOGETHER)
        return next((folder for folder in folders if file.startswith(f"{folder}/")), file)
