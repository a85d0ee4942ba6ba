"""A verb as typer runs it, without what typer shows of Python: types of arguments, and the words of its validation."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import typer
from typer.core import TyperArgument, TyperCommand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DRY_RUN: Final = "--dry-run"
HOW: Final = ("none", "server")
"""The values of --dry-run; without one it is the last of them."""
NOISE: Final = "Value error, "


class Command(TyperCommand):
    """A verb."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for parameter in self.params:
            if isinstance(parameter, TyperArgument):
                # There is no setting for it, and `<list[str]>` is nothing for people.
                setattr(parameter, "display_type_rich", _nothing)  # noqa: B010

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; raises `typer.BadParameter`."""
        try:
            return super().parse_args(ctx, list(_with_values(args)))
        except typer.BadParameter as error:
            error.message = error.message.removeprefix(NOISE)
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what the line of usage consists of: an argument that is required stands there as it is."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]


def _nothing(ctx: typer.Context) -> None:
    """Return how the type of an argument is shown."""


def _with_values(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command line, with the value that --dry-run has where it stands alone."""
    for word, after in pairwise([*words, ""]):
        if word == "--":
            break
        yield f"{DRY_RUN}={HOW[-1]}" if word == DRY_RUN and after not in HOW else word
    if "--" in words:
        yield from words[words.index("--") :]
