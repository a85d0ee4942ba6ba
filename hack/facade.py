"""Writes the synchronous client from the asynchronous one, so that there is one implementation and two faces.

Each public method becomes one of the same name, signature and docstring that runs the other in the client's own thread.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hack import generated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "operator" / "headgate" / "client"
TARGET: Final = PACKAGE / "_sync.py"
MODULES: Final = ("_collection", "_queues", "_pools", "_environments", "_policies", "_jobs", "_client")
BY_HAND: Final = frozenset({"connect", "close"})
"""What `_sync_base.ClientBase` does itself."""
WORDS: Final = (
    ("async with ", "with "),
    ("async for ", "for "),
    ("await ", ""),
    ("AsyncIterator", "Iterator"),
    ("Async", ""),
)
HEAD: Final = '''"""The synchronous client. Written by `make facade` from the asynchronous one: change that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack

from headgate.api.names import GROUP
from headgate.client._sync_base import ClientBase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.api.meta import Resource
    from headgate.client._portal import Portal
'''
BASE: Final = """
    def __init__(self, portal: Portal, wrapped: {wrapped}) -> None:
        self._portal = portal
        self._async = wrapped
"""


def generate() -> str:
    """Return the module."""
    trees = {
        name: ast.parse((PACKAGE / f"{name}.py").read_text())
        for name in MODULES
        if (PACKAGE / f"{name}.py").exists()
    }
    classes = "".join(
        "\n\n" + sync_class(node)
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name.startswith("Async")
    )
    needed = named(ast.parse(classes))
    lines = {line for name, tree in trees.items() for line in type_imports(name, tree, needed)}
    imports = "".join(f"    {line}\n" for line in sorted(lines))
    return formatted(HEAD + imports + '\nR = TypeVar("R", bound="Resource")\n' + classes)


def named(tree: ast.Module) -> set[str]:
    """Return the names in a module, also those in quotes, as in a base class."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    quoted = {
        base for node in tree.body if isinstance(node, ast.ClassDef) for base in map(ast.unparse, node.bases)
    }
    return names.union(*(re.findall(r"\w+", base) for base in quoted))


def type_imports(name: str, tree: ast.Module, needed: set[str]) -> Iterator[str]:
    """Yield imports of what the annotations of a module name, as far as the other module needs it too."""
    for node in tree.body:
        if isinstance(node, ast.If):
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom):
                    names = [alias.name for alias in inner.names if alias.name in needed]
                    yield from (f"from {inner.module} import {one}" for one in names)
        elif isinstance(node, ast.ClassDef) and node.name in needed:
            yield f"from headgate.client.{name} import {node.name}"


def sync_class(node: ast.ClassDef) -> str:
    """Return a class that wraps an asynchronous one."""
    name = node.name.removeprefix("Async")
    bases = ", ".join(worded(ast.unparse(base)) for base in node.bases) or "ClientBase"
    text = f"class {name}({bases}):\n{docstring(node)}\n"
    if name == "Client":
        return text + "".join(collections(node)) + "".join(methods(node))
    if any("Generic" in ast.unparse(base) for base in node.bases):
        text += BASE.format(wrapped=f"{node.name}[R]")
    elif bases == "ClientBase":
        text = text.replace("(ClientBase)", "") + BASE.format(wrapped=node.name)
    else:
        text += f"\n    _async: {node.name}{'[R]' if '[R]' in bases else ''}\n"
    return text + "".join(methods(node))


def collections(node: ast.ClassDef) -> Iterator[str]:
    """Yield the client's constructor, with what it consists of."""
    yield "\n    def __init__(self, wrapped: AsyncClient) -> None:\n        super().__init__(wrapped)\n"
    begin = next(
        inner for inner in node.body if isinstance(inner, ast.FunctionDef) and inner.name == "__init__"
    )
    for inner in begin.body:
        match inner:
            case ast.Assign(targets=[ast.Attribute(attr=attribute)], value=ast.Call(func=ast.Name(id=made))):
                yield f"        self.{attribute} = {worded(made)}(self._portal, wrapped.{attribute})\n"
            case ast.Expr(value=ast.Constant(value=str(words))):
                yield f'        """{words}"""\n'


def methods(node: ast.ClassDef) -> Iterator[str]:
    """Yield the public methods and properties of a class."""
    for inner in node.body:
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if inner.name.startswith("_") or inner.name in BY_HAND:
            continue
        arguments = ast.unparse(inner.args)
        returns = worded(ast.unparse(inner.returns)) if inner.returns else "None"
        head = f"\n    def {inner.name}({arguments}) -> {returns}:\n{docstring(inner, '        ')}\n"
        if isinstance(inner, ast.FunctionDef):
            yield f"\n    @property{head}        self._open()\n        return self._async.{inner.name}\n"
            continue
        call = f"self._async.{inner.name}({passed(inner.args)})"
        how = "iterate" if returns.startswith("Iterator") else "call"
        give = "" if returns == "None" else "return "
        yield f"{head}        {give}self._portal.{how}({call})\n"


def passed(arguments: ast.arguments) -> str:
    """Return arguments as they are handed on."""
    given = [one.arg for one in arguments.posonlyargs + arguments.args if one.arg != "self"]
    given += [f"{one.arg}={one.arg}" for one in arguments.kwonlyargs]
    if arguments.kwarg:
        given.append(f"**{arguments.kwarg.arg}")
    return ", ".join(given)


def docstring(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, indent: str = "    ") -> str:
    """Return a docstring in the words of synchronous code."""
    words = ast.get_docstring(node, clean=True)
    if words is None:
        raise SystemExit(f"{node.name} has no docstring")
    lines = worded(words).splitlines()
    text = "\n".join(f"{indent}{line}".rstrip() for line in lines).lstrip()
    return f'{indent}"""{text}"""' if len(lines) == 1 else f'{indent}"""{text}\n{indent}"""'


def worded(text: str) -> str:
    """Return a piece of asynchronous code, or words about it, without what is asynchronous."""
    for old, new in WORDS:
        text = text.replace(old, new)
    return text


def formatted(text: str) -> str:
    """Return a module in the form of this repository."""
    ruff = str(Path(sys.executable).parent / "ruff")
    name = ["--stdin-filename", str(TARGET)]
    for command in (
        ["check", "--quiet", "--fix-only", "--select", "I", *name, "-"],
        ["format", "--quiet", *name, "-"],
    ):
        done = subprocess.run(
            [ruff, *command], input=text, capture_output=True, text=True, check=True, cwd=ROOT
        )
        text = done.stdout
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    return generated.main(
        arguments,
        prog="python -m hack.facade",
        description=__doc__,
        target=TARGET,
        generate=generate,
        name="the synchronous client",
    )


if __name__ == "__main__":
    sys.exit(main())
