"""The order of the files. `make test` has several workers, and gives each of them a whole file as it becomes idle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

HERE: Final = Path(__file__).parent
LONGEST: Final = (
    "test_crash", "test_watch", "test_statuses", "test_scaling", "test_chart", "test_policy_job_intake",
    "test_examples", "test_order", "test_isolation", "test_demo", "test_room_under_stress", "test_environments",
    "test_policy_job_queue", "test_controlplane", "test_limits", "test_lifecycle", "test_policy_job_keep",
    "test_backfill", "test_policy_job_admit", "test_fair_share", "test_doors", "test_dependencies",
)  # fmt: skip
"""Files that take longest, as the durations at the end of a run show. Another order is no mistake, only slower."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the unit tests first, which soon say what is wrong; then what takes longest, so that all end together."""
    items.sort(key=place)


def place(item: pytest.Item) -> int:
    """Return where a test's file comes; in a file the order stays as it is."""
    if item.path.relative_to(HERE).parts[0] != "cluster":
        return -1
    return LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)
