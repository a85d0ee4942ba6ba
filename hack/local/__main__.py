"""The command line: ``python -m hack.local up | down``.

`up` prints a line for ``eval`` on stdout; all talk goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hack.local import chart, keeper, members, node
from hack.node import requirements

from controlplane import ControlPlaneError, daemon
from controlplane.binaries import CORE, ensure
from controlplane.controlplane import clear

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE: Final = Path(__file__).parents[2] / ".headgate"
NODES: Final = 10


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; return the exit code."""
    arguments = parser().parse_args(argv)
    try:
        arguments.command(arguments)
    except ControlPlaneError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def up(arguments: argparse.Namespace) -> None:
    """Start what is missing of control plane, chart and operator."""
    directory: Path = arguments.dir
    real = arguments.node == "real"
    if real:
        node.require()
    ensure([*CORE, "helm", *(requirements.TOOLS if real else ())])
    with turn(directory):
        state, already = daemon.up(
            directory,
            0 if real else arguments.nodes,
            members=arguments.members,
            audit=False,
            kubelets=real,
        )
        say(f"control plane {'already runs' if already else 'started'} at {state['server']}")
        kubeconfig = Path(state["kubeconfig"])
        if not already:
            keeper.down(directory)  # they belong to a control plane that is gone
            node.down(directory)
        chart.install(kubeconfig)
        say("chart applied: CRDs, admission policies, roles")
        if real:
            already = node.up(directory)
            say(f"real node {'already runs' if already else 'started'}, with the image busybox")
            say("another image, as docker save writes it: .venv/bin/python -m hack.node load FILE")
        token = chart.operator_kubeconfig(
            kubeconfig,
            directory / "service-account.kubeconfig",
            server=state["server"],
            ca_file=directory / "pki" / "ca.crt",
        )
        already = keeper.up(directory, token)
        for name in ("clusterpool/default", "jobqueue/default"):
            chart.kubectl(kubeconfig, "wait", "--for=create", chart.WAIT, name)
            chart.kubectl(kubeconfig, "wait", "--for=condition=Ready", chart.WAIT, name)
        say(f'operator {"already runs" if already else "started"}; pool and queue "default" are ready')
        if state["clusters"]:
            members.join(kubeconfig, state["clusters"])
            say(
                f'pool "{members.POOL}" has the clusters {", ".join(state["clusters"])}; its queue is "{members.POOL}"'
            )
            for cluster in state["clusters"].values():
                say(
                    f"look into one of them: kubectl --kubeconfig {shlex.quote(cluster['kubeconfig'])} get jobs"
                )
    if shutil.which("kubectl") is None:
        say(f"there is no kubectl in your PATH; one is at {Path(sys.executable).parent / 'kubectl'}")
    say("now: kubectl apply -f examples/basic.yaml, kubectl get jobqueues; and make down when you are done")
    print(f"export KUBECONFIG={shlex.quote(str(kubeconfig))}", flush=True)


def down(arguments: argparse.Namespace) -> None:
    """Stop all of it, and remove its state."""
    directory: Path = arguments.dir
    if not directory.exists():
        say("nothing is running")
        return
    with turn(directory):
        was = [keeper.down(directory), node.down(directory), daemon.down(directory)]
        clear(directory)
        shutil.rmtree(keeper.folder(directory), ignore_errors=True)
        for name in ("lock", "state.json", "serve.log", "kwok.yaml", "scheduler.yaml", "turn"):
            (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody keeps files of their own there
        directory.rmdir()
    say("stopped" if any(was) else "nothing is running")


def keep(arguments: argparse.Namespace) -> None:
    """Hold the operator in the foreground."""
    keeper.keep(arguments.dir, arguments.kubeconfig)


def keep_node(arguments: argparse.Namespace) -> None:
    """Hold the real node in the foreground."""
    node.keep(arguments.dir)


@contextlib.contextmanager
def turn(directory: Path) -> Iterator[None]:
    """Let one up or down at a time go on in a folder."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / "turn").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m hack.local", description="Headgate on this machine.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for function, text in (
        (up, "start control plane and operator in the background; the last line printed sets KUBECONFIG"),
        (down, "stop them and remove their state"),
        (keep, "hold the operator in the foreground"),
        (keep_node, "hold the real node in the foreground"),
    ):
        added = commands.add_parser(function.__name__.replace("_", "-"), help=text, description=text)
        added.add_argument(
            "--dir",
            type=lambda given: Path(given).absolute(),
            default=STATE,
            help="the folder of their state",
        )
        added.set_defaults(command=function)
        if function is up:
            added.add_argument("--nodes", type=int, default=NODES, help="simulated nodes (default 10)")
            added.add_argument(
                "--node",
                choices=["", *node.KINDS],
                default="",
                help="one real node in place of simulated ones",
            )
            added.add_argument(
                "--members", type=int, default=0, help="clusters of a pool of their own (default 0)"
            )
        if function is keep:
            added.add_argument("--kubeconfig", type=Path, required=True, help="what the operator works with")
    return top


def say(message: str) -> None:
    """Tell the user something; stdout is kept for the line to evaluate."""
    print(f"headgate: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
