"""The command line: ``python -m hack.image build --out FILE``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hack.image.builder import build, clear, reference
from hack.image.errors import ImageError

from controlplane import binaries


def main(argv: list[str] | None = None) -> int:
    """Build the image anew, with the Debian packages of today; return the exit code."""
    arguments = parser().parse_args(argv)
    cache = binaries.cache() / "image"
    cache.mkdir(parents=True, exist_ok=True)
    try:
        with binaries.locked(cache / "lock"):
            clear(cache)
            identity = build(arguments.out.absolute(), cache)
    except ImageError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    print(f"{reference()} {identity} {arguments.out}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return what the command line looks like."""
    top = argparse.ArgumentParser(
        prog="python -m hack.image", description="The operator's image, without a registry."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("build", help="write it to a file, as `docker save` would")
    command.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a tar archive for `ctr images import`"
    )
    return top


if __name__ == "__main__":
    sys.exit(main())
