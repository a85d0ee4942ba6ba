"""What the documentation points at is there: tests by name, and files by link."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLUSTER = ROOT / "tests" / "cluster"
PAGES = [
    *sorted(page for folder in ("docs", "examples") for page in (ROOT / folder).rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
]
TEST = re.compile(r"`((?:(?:policies|members|client|cli)/)?test_\w+\.py)::(\w+)`")
LINK = re.compile(r"\]\(([^)#]*)(#[^)]*)?\)")


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def anchors(page: Path) -> set[str]:
    """Return what a heading is linked by: lower case, without punctuation, with "-" for spaces."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_test_that_parity_names_exists() -> None:
    named = TEST.findall((ROOT / "docs" / "parity.md").read_text())
    assert len(named) > 50
    known = {
        file: functions(CLUSTER / file) for file in {file for file, _ in named} if (CLUSTER / file).exists()
    }

    assert [f"{file}::{test}" for file, test in named if test not in known.get(file, ())] == []


def test_every_row_of_parity_names_a_test() -> None:
    rows = [line for line in (ROOT / "docs" / "parity.md").read_text().splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith(("| ---", "| theirs"))]

    assert rows
    assert [row for row in rows if not TEST.search(row.split(" | ")[-1])] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    broken = []
    for target, anchor in LINK.findall(text):
        if "://" in target:
            continue
        there = (page.parent / target).resolve() if target else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor[1:] not in anchors(there)):
            broken.append(target + anchor)

    assert broken == []
