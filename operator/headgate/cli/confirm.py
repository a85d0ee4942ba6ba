"""A question before what cannot be undone."""

import sys

import typer

from headgate.cli.errors import Problem
from headgate.cli.interrupt import interruptible


def check_askable(*, yes: bool) -> None:
    """Raise `Problem` where a question will be asked, and nobody is there to answer it."""
    if not yes and not sys.stdin.isatty():
        raise Problem("there is nobody to ask: give --yes to do it")


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless it was answered beforehand; raises `Problem` where nobody is there, `typer.Abort` for a no."""
    if yes:
        return
    check_askable(yes=yes)
    with interruptible():
        typer.confirm(question, abort=True, err=True)
