"""Writes docs/reference/client.md from the docstrings of `headgate.client`."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from dataclasses import is_dataclass
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, is_typeddict

from hack import generated

import headgate.client as package
from headgate.client import _errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "docs" / "reference" / "client.md"
EXAMPLE: Final = re.compile(r"::\n\n((?:    .*\n?|\n)+)")
HEAD: Final = """# `headgate.client`: reference

<!-- Written by `make facade` from the docstrings: change those. -->

How to use it: [manage queues](../how-to/manage-queues-from-python.md),
[submit Jobs](../how-to/submit-jobs-from-python.md).

Everything here is imported from `headgate.client`. `Client` and its parts are shown; `AsyncClient`, `AsyncQueues`
and so on have the same methods, to be awaited, and asynchronous iterators in place of iterators. The models
(`JobQueue`, `ClusterPool`, `ComputeEnvironment`, `SchedulingPolicy`) have the fields of `kubectl explain`, in
snake_case: `queue.spec.run_concurrency`, `queue.status.jobs.waiting`; `to_dict()` gives them as the API has them.
"""
SECTIONS: Final = {
    "The client": ("Client", "UserInfo", "Leader", "Outage"),
    "Queues": (
        "Queues",
        "QueueEvent",
        "QueueLine",
        "Place",
        "QueueFields",
        "QueueChanges",
        "QueueSelection",
        "QueueFilters",
    ),
    "Compute": ("Pools", "PoolEvent", "Environments", "EnvironmentEvent", "Policies", "PolicyEvent"),
    "Jobs": (
        "Jobs",
        "JobEvent",
        "JobSelection",
        "JobFilters",
        "JobOptions",
        "JobInfo",
        "JobException",
        "JobPod",
        "LogLine",
        "job_manifest",
        "Explanation",
        "Ahead",
        "Doubt",
        "Hold",
    ),
    "As Flux has them": (
        "JobList",
        "AsyncJobList",
        "JobListFuture",
        "JobListIdFuture",
        "job_list",
        "job_list_inactive",
        "job_list_id",
        "get_job",
        "async_job_list",
        "async_job_list_inactive",
        "async_job_list_id",
        "async_get_job",
    ),
}


def generate() -> str:
    """Return the page."""
    text = HEAD
    for title, names in SECTIONS.items():
        text += f"\n## {title}\n"
        for name in names:
            thing = getattr(package, name)
            text += of_class(thing) if inspect.isclass(thing) else of_function(thing, name, level=3)
    text += "\n## Errors\n\n| error | is a | when |\n| --- | --- | --- |\n"
    for name, thing in vars(_errors).items():
        if inspect.isclass(thing) and issubclass(thing, _errors.HeadgateError):
            base = thing.__bases__[0].__name__
            text += f"| `{name}` | `{base}` | {one_line(inspect.getdoc(thing) or '')} |\n"
    return text


def of_class(thing: type) -> str:
    """Return the part about a class."""
    text = f"\n### `{thing.__name__}`\n\n{prose(inspect.getdoc(thing) or '')}\n"
    if is_typeddict(thing) or is_dataclass(thing) or hasattr(thing, "_fields"):
        text += "".join(attributes(thing))
    if is_typeddict(thing):
        return text
    for name, member in members(thing).items():
        if isinstance(member, property):
            text += f"\n#### `{thing.__name__}.{name}`\n\n{prose(inspect.getdoc(member) or '')}\n"
        else:
            text += of_function(getattr(thing, name), f"{thing.__name__}.{name}", level=4)
    return text


def members(thing: type) -> dict[str, Any]:
    """Return the public methods and properties of a class in the order of the source, those of its bases first."""
    found: dict[str, Any] = {}
    for base in reversed(thing.__mro__):
        if base.__module__.startswith("headgate."):
            found |= {
                name: member
                for name, member in vars(base).items()
                if not name.startswith("_") and isinstance(member, property | classmethod | FunctionType)
            }
    return found


def of_function(function: Callable[..., Any], name: str, *, level: int) -> str:
    """Return the part about a function or a method."""
    kind = "async def" if inspect.iscoroutinefunction(function) else "def"
    code = signature(f"{kind} {name.rpartition('.')[2]}", function)
    return f"\n{'#' * level} `{name}`\n\n```text\n{code}\n```\n\n{prose(inspect.getdoc(function) or '')}\n"


def signature(head: str, function: Callable[..., Any]) -> str:
    """Return a signature as it stands in the source, in lines that can be read."""
    known = inspect.signature(function)
    parts: list[str] = []
    for one in known.parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        stars = "**" if one.kind is one.VAR_KEYWORD else ""
        default = "" if one.default is one.empty else f" = {one.default!r}"
        parts.append(f"{stars}{one.name}: {one.annotation}{default}")
    line = f"{head}({', '.join(parts)}) -> {known.return_annotation}"
    if len(line) <= 110:
        return line
    return f"{head}(\n" + "".join(f"    {part},\n" for part in parts) + f") -> {known.return_annotation}"


def attributes(thing: type) -> Iterator[str]:
    """Yield the fields of a class, with what is said about them."""
    yield "\n| field | type | |\n| --- | --- | --- |\n"
    for base in reversed(bases_of(thing)):
        (node,) = (
            one
            for one in ast.parse(textwrap.dedent(inspect.getsource(base))).body
            if isinstance(one, ast.ClassDef)
        )
        for field, after in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                said = ""
                match after:
                    case ast.Expr(value=ast.Constant(value=str(words))):
                        said = one_line(inspect.cleandoc(words))
                kind = ast.unparse(field.annotation).replace("|", "\\|")
                yield f"| `{field.target.id}` | `{kind}` | {said} |\n"


def bases_of(thing: type) -> list[type]:
    """Return the classes whose fields a class has, itself first."""
    if is_typeddict(thing):
        inherited = [base for base in getattr(thing, "__orig_bases__", ()) if is_typeddict(base)]
        return [thing, *inherited]
    return [thing]


def prose(text: str) -> str:
    """Return a docstring as Markdown."""
    text = text.replace("``", "`")
    return re.sub(
        r"::\n\n((?:    .*\n?|\n)+)",
        lambda found: f":\n\n```python\n{textwrap.dedent(found[1]).strip()}\n```\n",
        text,
    )


def one_line(text: str) -> str:
    """Return a docstring for a cell of a table."""
    return " ".join(prose(text).split()).replace("|", "\\|")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    return generated.main(
        arguments,
        prog="python -m hack.client_reference",
        description=__doc__,
        target=TARGET,
        generate=generate,
        name="docs/reference/client.md",
    )


if __name__ == "__main__":
    sys.exit(main())
