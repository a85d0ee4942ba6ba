"""Completion in the shell, with the names of what is in the cluster.

Somebody who presses Tab wants an answer at once or none: what takes longer than `PATIENCE`, or fails in whatever way,
completes nothing and says nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

import typer

from headgate.cli.verb import Connection
from headgate.client import AsyncClient

PATIENCE: Final = 2.0
"""How many seconds names may take."""


def names_of(ask: Callable[[AsyncClient], Awaitable[list[str]]]) -> Callable[..., list[str]]:
    """Return what completes an argument with names from the cluster."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        given = {key: ctx.params.get(key) for key in ("kubeconfig", "context", "namespace")}
        root = ctx.find_root().params
        connection = Connection(**given).over(Connection(root.get("kubeconfig"), root.get("context")))

        async def names() -> list[str]:
            async with asyncio.timeout(PATIENCE), connection.client() as client:
                return await ask(client)

        already = {word for value in ctx.params.values() if isinstance(value, list) for word in value}
        try:
            found = asyncio.run(names())
        except Exception:  # whatever it is, nobody who presses Tab wants to read it
            return []
        return sorted(name for name in found if name.startswith(incomplete) and name not in already)

    return complete


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell.", show_default=False)],
) -> None:
    """Print a script for completion in your shell.

    It completes verbs, options, and the names of what is in the cluster.

    Put it where your shell looks for it:
      bash:  echo 'source <(headgate completion bash)' >> ~/.bashrc
      zsh:   echo 'source <(headgate completion zsh)' >> ~/.zshrc
      fish:  headgate completion fish > ~/.config/fish/completions/headgate.fish
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name="headgate", complete_var="_HEADGATE_COMPLETE", shell=shell)
    typer.echo(script)
