"""Write the reference of the command line, or check that the one in the tree is what the program says.

``python -m headgate.cli.reference --write`` writes `docs/reference/cli.md`: the help of every verb, as a terminal
of 100 columns shows it. A test compares it, so that it is also where a change of any help is seen.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from typer.testing import CliRunner

from headgate.cli.app import VERBS, app

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE: Final = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
WIDTH: Final = 100
HEAD: Final = """\
# The command line

Generated from the program by `python -m headgate.cli.reference --write`. Do not edit.

`headgate` asks the API server with your kubeconfig and your rights; nothing of Headgate's is in between. As a plugin of
kubectl it is the same: `kubectl headgate queue list`.

- It ends with 0; with 1 when something failed, which is said on stderr; with 2 when it was called wrongly; with 130
  when it was interrupted.
- `--kubeconfig`, `--context` and `--namespace` may stand before the verb, too.
- Without a terminal it prints no colours and redraws nothing; with `NO_COLOR` there are no colours in one either.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """Yield the words of every group and verb, in the order in which the help lists them."""
    yield ()
    for group, verbs in VERBS.items():
        yield (group,)
        for verb in verbs:
            yield group, verb


def help_text(words: tuple[str, ...], width: int) -> str:
    """Return the help of a verb in a terminal of so many columns."""
    runner = CliRunner(env={"COLUMNS": str(width), "NO_COLOR": "1"})
    return runner.invoke(app, [*words, "--help"], prog_name="headgate").stdout


def text() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for words in commands():
        title = " ".join(["headgate", *words])
        parts.append(
            f"{'##' if len(words) < 2 else '###'} {title}\n\n```text\n{help_text(words, WIDTH)}```\n"
        )
    return "\n".join(parts)


def main() -> int:
    """Write the page, or check it; return the exit code."""
    if "--write" in sys.argv[1:]:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(text())
        return 0
    if not FILE.exists() or FILE.read_text() != text():
        print(
            "docs/reference/cli.md is out of date: run python -m headgate.cli.reference --write",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
