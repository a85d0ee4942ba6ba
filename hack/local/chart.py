"""The chart on a control plane that runs no containers: everything of it but what is for Pods."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from controlplane import ControlPlaneError, tool
from controlplane.credentials import write_kubeconfig
from controlplane.process import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

CHART: Final = Path(__file__).parents[2] / "charts" / "headgate"
RELEASE: Final = "headgate"
SYSTEM: Final = "headgate-system"
FOR_PODS: Final = frozenset({"Deployment", "PodDisruptionBudget", "NetworkPolicy", "Pod", "Service"})
CRDS: Final = "CustomResourceDefinition"
WAIT: Final = f"--timeout={PATIENCE:.0f}s"
"""For `kubectl wait`."""


def install(kubeconfig: Path, *options: str) -> None:
    """Apply the chart, or apply it again; nothing that stands in the cluster is lost by it."""
    objects = [body for body in rendered(*options) if body["kind"] not in FOR_PODS]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
    definitions = [body for body in objects if body["kind"] == CRDS]
    apply(kubeconfig, [namespace, *definitions])
    names = [f"crd/{body['metadata']['name']}" for body in definitions]
    kubectl(kubeconfig, "wait", "--for=condition=Established", WAIT, *names)
    rest = [body for body in objects if body["kind"] != CRDS]
    # A kind is served a moment after its definition is there, and what refers to it is refused until then.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            apply(kubeconfig, rest)
        except ControlPlaneError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def rendered(*options: str) -> list[dict[str, Any]]:
    """Return the objects of the chart as Helm would send them."""
    command = [str(tool("helm")), "template", RELEASE, str(CHART), "--namespace", SYSTEM, *options]
    return [body for body in yaml.safe_load_all(run(command)) if body]


def operator_kubeconfig(kubeconfig: Path, target: Path, *, server: str, ca_file: Path) -> Path:
    """Write a kubeconfig with a token of the chart's ServiceAccount, which may do what the chart says."""
    token = kubectl(kubeconfig, "create", "token", RELEASE, "--namespace", SYSTEM, "--duration=8760h").strip()
    write_kubeconfig(target, server=server, ca=ca_file.read_bytes(), user=RELEASE, token=token)
    return target


def apply(kubeconfig: Path, objects: Iterable[dict[str, Any]]) -> None:
    """Apply objects server-side."""
    kubectl(
        kubeconfig,
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        "-",
        given=yaml.safe_dump_all(objects),
    )


def kubectl(kubeconfig: Path, *arguments: str, given: str | None = None) -> str:
    """Run the kubectl of the virtual environment and return what it prints."""
    binary = Path(sys.executable).parent / "kubectl"
    return run([str(binary), "--kubeconfig", str(kubeconfig), *arguments], given)


def run(command: list[str], given: str | None = None) -> str:
    """Run a command and return what it prints; raise with what it complains about."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ControlPlaneError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")
    return done.stdout
