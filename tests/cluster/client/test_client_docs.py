"""The Python in the README and in the how-tos runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.cluster.harness.cluster import Site

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
CREATED = re.compile(r"queues\.create\(\s*\"([^\"]+)\"")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, code in enumerate(PYTHON.findall(page.read_text()), 1)
]


@pytest.fixture
def default_kubeconfig(site: Site, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one the default that has a namespace of this test's own in its context."""
    config = yaml.safe_load(site.cluster.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = namespace
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))


@pytest.mark.usefixtures("operator", "default_kubeconfig")
@pytest.mark.parametrize("code", BLOCKS)
def test_the_code_of_a_page_runs(code: str, site: Site) -> None:
    for name in CREATED.findall(code):
        site.remove_queue(name)
    exec(compile(code, "<page>", "exec"), {"__name__": "__main__"})
