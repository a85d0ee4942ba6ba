"""The command line: ``python -m hack.node packages | tools | load``. Only the last one needs a node."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from hack.image.requirements import PROGRAMS
from hack.node import box, images, requirements

from controlplane import ControlPlaneError, daemon

STATE: Final = Path(__file__).parents[2] / ".headgate" / "node"


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; return the exit code."""
    arguments = parser().parse_args(argv)
    try:
        arguments.command(arguments)
    except ControlPlaneError as error:
        print(f"node: {error}", file=sys.stderr)
        return 1
    return 0


def packages(_: argparse.Namespace) -> None:
    """Print the Debian packages that the tests on a real node need and this machine does not have."""
    print(*requirements.missing_packages(), *requirements.without(PROGRAMS))


def tools(_: argparse.Namespace) -> None:
    """Print the tools to build for a real node: none where this machine cannot run one."""
    print(*(() if requirements.missing() else requirements.TOOLS))


def load(arguments: argparse.Namespace) -> None:
    """Put the images of an archive onto the node of `make up NODE=real`."""
    state = daemon.state_of(arguments.dir)
    if state is None:
        raise ControlPlaneError(f"no node runs in {arguments.dir}: make up NODE=real starts one")
    images.load(arguments.archive, lambda *command, given: box.inside(state["pid"], command, given))
    print(*images.references(arguments.archive))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m hack.node", description="A real node on this machine.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for function, text in (
        (packages, "print the Debian packages that are missing here"),
        (tools, "print the tools to build for a node that can run here"),
        (load, "put the images of an archive onto the node of `make up NODE=real`"),
    ):
        added = commands.add_parser(function.__name__, help=text, description=text)
        added.set_defaults(command=function)
        if function is load:
            added.add_argument(
                "archive", type=Path, metavar="FILE", help="a tar archive, as `docker save` writes it"
            )
            added.add_argument("--dir", type=Path, default=STATE, help="the folder of the node's state")
    return top


if __name__ == "__main__":
    sys.exit(main())
