"""The two clients are one, name what the resources have, and are quick to import."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import headgate.client
from headgate.api.crds import KINDS
from headgate.api.jobqueue import JobQueueSpec
from headgate.client import (
    AsyncClient,
    AsyncEnvironments,
    AsyncJobs,
    AsyncPolicies,
    AsyncPools,
    AsyncQueues,
    Client,
    Jobs,
    QueueChanges,
)

COLLECTIONS = (AsyncQueues, AsyncPools, AsyncEnvironments, AsyncPolicies)
PAIRS = (
    (Client, AsyncClient),
    (Jobs, AsyncJobs),
    *((getattr(headgate.client, one.__name__[5:]), one) for one in COLLECTIONS),
)
PACKAGE = Path(headgate.client.__file__).parent
README = Path(__file__).parents[3] / "README.md"


def public(thing: type) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_the_synchronous_client_has_the_same_methods(ours: type, theirs: type) -> None:
    assert public(ours) == public(theirs)
    for name in public(ours):
        one, other = getattr(ours, name), getattr(theirs, name)
        if inspect.isfunction(one):
            assert inspect.signature(one).parameters == inspect.signature(other).parameters


def test_every_field_of_a_queue_is_an_argument() -> None:
    assert set(QueueChanges.__annotations__) == set(JobQueueSpec.model_fields)


def test_the_collections_are_named_as_their_kinds() -> None:
    kinds = {(kind.model.__name__, kind.plural) for kind in KINDS}

    assert {(one._kind, one._plural) for one in COLLECTIONS} == kinds


def test_all_that_is_public_is_there() -> None:
    for name in headgate.client.__all__:
        assert getattr(headgate.client, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        headgate.client.nothing  # noqa: B018


def test_what_is_slow_is_not_imported_until_it_is_needed() -> None:
    code = "import sys, headgate.client; print([m for m in ('aiohttp', 'kubernetes', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_types_are_there_for_who_uses_it(tmp_path: Path) -> None:
    [script] = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S)
    file = tmp_path / "script.py"
    file.write_text(f"{script}    reveal_type(job)\n    client.queues.list(nmae='x')\n")
    mypy = [str(Path(sys.executable).parent / "mypy"), "--strict", "--no-incremental", file.name]

    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)

    said = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert said[0] == 'note: Revealed type is "headgate.client._job_info.JobInfo"', done
    assert said[1].startswith('error: Unexpected keyword argument "nmae" for "list" of "Queues"')
    assert "Found 1 error in 1 file" in done.stdout


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("_[a-z]*.py")), ids=lambda file: file.stem)
def test_every_public_method_says_what_it_does(file: Path) -> None:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            silent = [
                one.name for one in methods if not one.name.startswith("_") and not ast.get_docstring(one)
            ]
            assert silent == []
