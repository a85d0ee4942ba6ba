"""A question before what cannot be undone."""

import sys

import typer

from headgate.cli.errors import Problem


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless it was answered beforehand; raises `Problem` where nobody is there, `typer.Abort` for a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Problem("there is nobody to ask: give --yes to do it")
    typer.confirm(question, abort=True, err=True)
