"""Completion in the shell, with the names of what is in the cluster.

Somebody who presses Tab wants an answer at once or none: what takes longer than `PATIENCE`, or fails in whatever way,
completes nothing and says nothing.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

import typer

from headgate.cli.verb import Connection, Namespaced
from headgate.client import AsyncClient

VARIABLE: Final = "_HEADGATE_COMPLETE"
"""Where a shell asks, it is in the environment."""
SECONDS: Final = "HEADGATE_COMPLETION_SECONDS"
PATIENCE: Final = 2.0
"""How many seconds names may take, unless the environment says otherwise."""


def names_of(ask: Callable[[AsyncClient], Awaitable[list[str]]]) -> Callable[..., list[str]]:
    """Return what completes an argument with names from the cluster."""

    async def names(connection: Connection) -> list[str]:
        patience = float(os.environ.get(SECONDS) or PATIENCE)
        async with asyncio.timeout(patience), connection.client() as client:
            return await ask(client)

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        already = {word for value in ctx.params.values() if isinstance(value, list) for word in value}
        try:
            found = asyncio.run(names(_connection(ctx)))
        except Exception:  # whatever it is, nobody who presses Tab wants to read it
            return []
        return sorted(name for name in found if name.startswith(incomplete) and name not in already)

    return complete


def _connection(ctx: typer.Context) -> Connection:
    """Return what the options said that stand in the line so far."""
    root = ctx.find_root().params
    here, before = (
        Namespaced(**{key: params.get(key) for key in ("kubeconfig", "context", "namespace")})
        for params in (ctx.params, root)
    )
    return here.over(before)


def prepare() -> None:
    """Get ready for a shell that asks. Typer does so only for apps that have its own options for it."""
    if VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell.", show_default=False)],
) -> None:
    """Print a script for completion in your shell.

    It completes verbs, options, and the names of what is in the cluster: those that come within 2 seconds, or
    HEADGATE_COMPLETION_SECONDS.

    Put it where your shell looks for it:
      bash:  echo 'source <(headgate completion bash)' >> ~/.bashrc
      zsh:   echo 'source <(headgate completion zsh)' >> ~/.zshrc
      fish:  headgate completion fish > ~/.config/fish/completions/headgate.fish
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name="headgate", complete_var=VARIABLE, shell=shell)
    typer.echo(script)
