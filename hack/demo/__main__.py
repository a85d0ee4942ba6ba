"""The command line: ``python -m hack.demo``. Exits with 0 only when everything was as it should be."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from hack.demo.screen import screen_for
from hack.demo.story import Sizes, Story
from hack.demo.world import World
from hack.local import chart
from hack.local.process import OperatorProcess
from rich.console import Console

from controlplane import ControlPlane, ControlPlaneError
from controlplane.binaries import CORE, ensure

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "demo"


def main(argv: list[str] | None = None) -> int:
    """Play the demo; return the exit code."""
    argparse.ArgumentParser(
        prog="make demo", description="Two queues, two environments, 210 Jobs."
    ).parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    console = Console(highlight=False)
    try:
        with cluster(console) as control_plane:
            admin = control_plane.tokens["admin"]
            world = World.connect(
                control_plane.server, control_plane.ca_file, admin, namespace=NAMESPACE, pool="demo"
            )
            right = play(console, Story(world, Sizes()))
    except ControlPlaneError as error:
        console.print(f"\n {error}", style="red", markup=False)
        right = False
    except KeyboardInterrupt:
        console.print("\n stopped; nothing is left running", style="dim")
        return 130
    seconds = time.monotonic() - began
    if right:
        console.print(
            f"\n All of it holds; {seconds:.0f} seconds, and nothing is left running.", style="bold"
        )
        console.print(" To try it yourself: make up, then kubectl apply -f examples/", style="dim")
    else:
        console.print(f"\n Not as it should be, after {seconds:.0f} seconds.", style="bold red")
    return 0 if right else 1


def play(console: Console, story: Story) -> bool:
    """Show a story on a cluster where an operator runs; tell whether it went as it should."""
    screen = screen_for(console, story)
    story.changed = story.world.on_look = screen.update
    try:
        story.play()
    finally:
        story.world.close()
        screen.close()
    return story.told.right


@contextlib.contextmanager
def cluster(console: Console) -> Iterator[ControlPlane]:
    """Provide a control plane with Headgate on it, which is gone afterwards."""

    def say(what: str) -> None:
        console.print(f" {what}", style="dim")

    ensure([*CORE, "helm"])
    say("starting a control plane: etcd, kube-apiserver, simulated nodes …")
    with ControlPlane.start() as control_plane:
        say("installing the chart and starting the operator …")
        kubeconfig = control_plane.kubeconfig
        # The story has a pool of its own, beside "default".
        chart.install(kubeconfig, "--set=clusters.localInManyPools=true")
        namespace: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        chart.apply(kubeconfig, [namespace])
        token = chart.operator_kubeconfig(
            kubeconfig,
            kubeconfig.with_name("service-account.kubeconfig"),
            server=control_plane.server,
            ca_file=control_plane.ca_file,
        )
        with OperatorProcess(token, kubeconfig.parent / "logs"):
            console.print()
            yield control_plane


if __name__ == "__main__":
    sys.exit(main())
