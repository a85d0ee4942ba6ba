"""The frame of every verb: its connection, its errors, its exit code.

A verb is an async function that takes a `Session` first. `verb` makes a command of it, with the options that all
verbs have. Those may also stand before the verb, as in ``headgate --context prod queue list``.
"""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, is_dataclass, replace
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

from headgate.cli.errors import FAILED, Problem, describe, is_not_found
from headgate.client import AsyncClient, HeadgateError

P = ParamSpec("P")
N = TypeVar("N")
T = TypeVar("T")

Kubeconfig = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="The kubeconfig to use, if not KUBECONFIG.",
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default=False,
        help="The context to use, if not the current one.",
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", metavar="NAME", show_default=False, help="The namespace, if not the context's."
    ),
]


@dataclass(frozen=True)
class Connection:
    """Where to connect to, as far as options said so."""

    kubeconfig: Kubeconfig = None
    context: Context = None

    def over(self, other: "Connection | None") -> "Connection":
        """Return this one, with what it leaves open from another."""
        if other is None:
            return self
        given = {name: value or getattr(other, name, None) for name, value in vars(self).items()}
        return replace(self, **given)

    def client(self) -> AsyncClient:
        """Return a client, which connects when it is first used."""
        return AsyncClient.connect(
            kubeconfig=self.kubeconfig, context=self.context, namespace=getattr(self, "namespace", None)
        )


@dataclass(frozen=True)
class Namespaced(Connection):
    """The same, of a verb that is about objects in namespaces."""

    namespace: Namespace = None


@dataclass
class Session:
    """What a verb is given."""

    client: AsyncClient
    failed: bool = False

    async def each(
        self,
        names: Iterable[N],
        act: Callable[[N], Awaitable[T]],
        *,
        ignore_not_found: bool = False,
    ) -> list[T]:
        """Do something for one name, or object, after the other and return what came of it.

        What fails is told and does not keep the others from it; the program ends with an error then.
        """
        results = []
        for name in names:
            try:
                results.append(await act(name))
            except (HeadgateError, Problem) as error:
                if ignore_not_found and is_not_found(error):
                    continue
                self.failed = True
                typer.echo(describe(error), err=True)
        return results


def verb(
    *, namespaced: bool = False
) -> Callable[[Callable[Concatenate[Session, P], Awaitable[None]]], Callable[..., None]]:
    """Make a command of a verb; its docstring is its help.

    A parameter that is a dataclass stands for its fields: what several verbs have in common is written once.
    """

    def decorate(function: Callable[Concatenate[Session, P], Awaitable[None]]) -> Callable[..., None]:
        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        groups: dict[str, Any] = {each.name: each.annotation for each in own if is_dataclass(each.annotation)}
        where = Namespaced if namespaced else Connection

        def command(ctx: typer.Context, **values: Any) -> None:
            connection = _take(where, values).over(ctx.obj)
            values |= {name: _take(group, values) for name, group in groups.items()}
            run(connection, functools.partial(function, **values))

        parameters = [
            inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
            *(parameter for each in own for parameter in _expanded(each)),
            *_options(where),
        ]
        # What typer reads, instead of the function's own.
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__doc__ = function.__doc__
        return command

    return decorate


def _expanded(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    if is_dataclass(parameter.annotation):
        return _options(parameter.annotation)
    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]


def _options(group: Any) -> list[inspect.Parameter]:
    """Return the fields of a dataclass as parameters."""
    return [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in inspect.signature(group, eval_str=True).parameters.values()
    ]


def _take(group: type[T], values: dict[str, Any]) -> T:
    """Return a group of options, taken out of the values of all."""
    return group(**{each.name: values.pop(each.name) for each in _options(group)})


def run(connection: Connection, act: Callable[[Session], Awaitable[None]]) -> None:
    """Do something with a connection; an error is told to the user and ends the program."""

    async def connected() -> bool:
        # It connects when something is asked for: a wrong call is found without.
        session = Session(connection.client())
        try:
            await act(session)
        finally:
            await session.client.close()
        return session.failed

    try:
        failed = asyncio.run(connected())
    except (HeadgateError, Problem) as error:
        typer.echo(describe(error), err=True)
        raise typer.Exit(FAILED) from None
    if failed:
        raise typer.Exit(FAILED)
