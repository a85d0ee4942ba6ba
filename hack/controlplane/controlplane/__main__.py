"""The command line: ``python -m controlplane build | up | down | status | path | logs``.

What a program reads goes to stdout (the last line of `up` is for ``eval``), all talk to stderr.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from controlplane import daemon
from controlplane.binaries import CORE, ensure, path_of, tool, tools
from controlplane.client import Client
from controlplane.controlplane import COMPONENTS
from controlplane.environment import VARIABLE, run
from controlplane.errors import ControlPlaneError
from controlplane.process import tail_of
from controlplane.progress import say

REPOSITORY = Path(__file__).parents[3]
KIND_NAME = "headgate"


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; return the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.command(arguments) or 0)
    except ControlPlaneError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def build(arguments: argparse.Namespace) -> None:
    """Build what is missing, and print where everything is."""
    names = arguments.tools or CORE
    ensure(names)
    for name in names:
        print(path_of(name))


def up(arguments: argparse.Namespace) -> None:
    """Start a control plane that stays, or find the one that runs."""
    kubeconfig: str
    match os.environ.get(VARIABLE, ""):
        case "current":
            kubeconfig = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
            say(f"{VARIABLE}=current: using the current context of {kubeconfig}, nothing is started")
        case "kind":
            kubeconfig = str(arguments.dir / "kind.kubeconfig")
            arguments.dir.mkdir(parents=True, exist_ok=True)
            run([str(tool("kind")), "create", "cluster", "--name", KIND_NAME, "--kubeconfig", kubeconfig])
        case _:
            state, already = daemon.up(
                arguments.dir,
                arguments.nodes,
                members=arguments.members,
                audit=arguments.audit,
                kubelets=arguments.kubelets,
            )
            kubeconfig = state["kubeconfig"]
            say(f"{'already running' if already else 'running'} at {state['server']}")
            for name, cluster in state["clusters"].items():
                say(f"{name} at {cluster['server']}: KUBECONFIG={cluster['kubeconfig']}")
    print(f"export KUBECONFIG={shlex.quote(kubeconfig)}")


def down(arguments: argparse.Namespace) -> None:
    """Stop what `up` started."""
    match os.environ.get(VARIABLE, ""):
        case "current":
            say(f"{VARIABLE}=current: nothing to stop")
        case "kind":
            run([str(tool("kind")), "delete", "cluster", "--name", KIND_NAME])
        case _:
            say("stopped" if daemon.down(arguments.dir) else "nothing is running")


def status(arguments: argparse.Namespace) -> int:
    """Say what runs; exit with 1 where nothing does, or not all of it."""
    state = daemon.state_of(arguments.dir)
    if state is None:
        say("starting" if daemon.is_running(arguments.dir) else "nothing is running")
        return 1
    healthy = [is_healthy(cluster) for cluster in (state, *state["clusters"].values())]
    return 0 if all(healthy) else 1


def is_healthy(cluster: dict[str, Any]) -> bool:
    """Print what runs of a cluster; tell whether all of it does, and its API server is ready."""
    healthy = True
    for name, pid in cluster["pids"].items():
        megabytes = resident_megabytes(pid)
        healthy &= megabytes is not None
        print(f"{name:<26} {f'pid {pid:<8} {megabytes} MB' if megabytes is not None else 'ended'}")
    ready = Client(cluster["server"], Path(cluster["ca"]), "").get("/readyz") == "ok"
    print(f"{cluster['server']} {'ready' if ready else 'not ready'}; KUBECONFIG={cluster['kubeconfig']}")
    return healthy and ready


def path(arguments: argparse.Namespace) -> None:
    """Print where a tool is, building it first if need be."""
    print(tool(arguments.tool))


def logs(arguments: argparse.Namespace) -> None:
    """Print the end of a component's log, or where all logs are."""
    folder = arguments.dir / "logs"
    if arguments.component:
        print(tail_of(folder / f"{arguments.component}.log", arguments.lines))
    else:
        for log in (daemon.serve_log(arguments.dir), *sorted(folder.glob("*.log"))):
            print(log)


def serve(arguments: argparse.Namespace) -> None:
    """Hold a control plane in the foreground until SIGTERM: what `up` starts."""
    daemon.serve(
        arguments.dir,
        arguments.nodes,
        members=arguments.members,
        audit=arguments.audit,
        kubelets=arguments.kubelets,
    )


def resident_megabytes(pid: int) -> int | None:
    """Return the memory of a process, or None where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return None
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="controlplane", description=__doc__.splitlines()[0] if __doc__ else None
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(function: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(getattr(function, "__name__", ""), help=text, description=text)
        added.set_defaults(command=function)
        return added

    def folder(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
        added.add_argument("--dir", type=absolute, default=REPOSITORY / ".headgate", help="its state folder")
        return added

    added = command(build, "build the pinned tools that are missing from the cache")
    added.add_argument(
        "tools", nargs="*", metavar="TOOL", help=f"of {', '.join(tools())}; the core without any"
    )
    for function, text in (
        (up, "start a control plane that stays; the last line printed sets KUBECONFIG"),
        (serve, "hold a control plane in the foreground"),
    ):
        added = folder(command(function, text))
        added.add_argument("--nodes", type=int, default=10, help="simulated nodes (default 10)")
        added.add_argument("--members", type=int, default=0, help="clusters beside it, member-1 and so on")
        added.add_argument("--audit", action="store_true", help="log every write to audit.log")
        added.add_argument("--kubelets", action="store_true", help="let real nodes join")
    folder(command(down, "stop it"))
    folder(command(status, "say what runs"))
    added = command(path, "print where a tool is, building it first if need be")
    added.add_argument("tool", metavar="TOOL")
    added = folder(command(logs, "print the end of a log, or where the logs are"))
    added.add_argument("component", nargs="?", choices=COMPONENTS, metavar="COMPONENT")
    added.add_argument("--lines", type=int, default=50)
    return top


def absolute(given: str) -> Path:
    """Return a path that does not depend on where we are."""
    return Path(given).absolute()


if __name__ == "__main__":
    sys.exit(main())
