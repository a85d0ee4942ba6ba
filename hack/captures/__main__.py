"""The command line: ``python -m hack.captures``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from hack.captures.picture import svg
from hack.captures.terminal import WIDTH, record
from hack.local.__main__ import main as local
from hack.local.chart import apply

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
NAMESPACE: Final = "search"


def main() -> int:
    """Take all pictures; return the exit code."""
    # It is called what a Pod would be called.
    os.environ["POD_NAME"] = "headgate-0"
    with tempfile.TemporaryDirectory(prefix="headgate-captures-") as folder:
        directory = Path(folder)
        try:
            if code := local(["up", f"--dir={directory}"]):
                return code
            take(directory / "admin.kubeconfig")
        finally:
            local(["down", f"--dir={directory}"])
    return 0


def take(kubeconfig: Path) -> None:
    """Set the scene and take the pictures."""
    apply(kubeconfig, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    for name, *options in (
        (
            "nightly",
            "--run-concurrency=10",
            "--action-concurrency=5",
            "--depth=100",
            "--priority=max",
            "--tag=team=search",
        ),
        ("reports", "--run-concurrency=0", "--action-concurrency=2", "--depth=50"),
    ):
        headgate(kubeconfig, "queue", "create", name, *options)
    for number in range(1, 37):
        jobs = [job("nightly", f"train-{number:02}", 15.0)]
        if number <= 12:
            jobs.append(job("reports", f"report-{number:02}", 25.0))
        apply(kubeconfig, jobs)
        # Jobs of the same second go in no order that a reader would know.
        time.sleep(1.0)

    def picture(name: str, *words: str, until: str | None = None) -> None:
        IMAGES.mkdir(exist_ok=True)
        shown = record(kubeconfig, *words, until=until)
        (IMAGES / f"{name}.svg").write_text(svg(shown, name, WIDTH))

    picture("queue-watch", "queue", "watch", "nightly", "reports", until="11 waiting")
    picture("queue-get", "queue", "get", "nightly")
    picture("job-why", "job", "why", "train-36", "-n", NAMESPACE)
    picture("doctor", "doctor")


def job(queue: str, name: str, seconds: float) -> dict[str, Any]:
    """Return a Job that runs for so long."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"headgate.dev/queue": queue}},
        "spec": {
            "template": {
                "metadata": {"annotations": {"headgate.dev/test-duration": f"{seconds:.1f}s"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]},
            }
        },
    }


def headgate(kubeconfig: Path, *words: str) -> None:
    """Run a command that is in no picture; raises `subprocess.CalledProcessError`."""
    command = [sys.executable, "-m", "headgate.cli", f"--kubeconfig={kubeconfig}", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
