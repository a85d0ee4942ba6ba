"""The operator as a process, which ends when whoever started it ends."""

from __future__ import annotations

import contextlib
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from hack.local.chart import RELEASE, SYSTEM

from controlplane import ControlPlaneError
from controlplane.ports import Ports
from controlplane.process import Processes

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

NAME: Final = "headgate-operator"
GRACE_SECONDS: Final = 30.0
"""It finishes its writes and gives the lead back. What Kubernetes gives a Pod, too."""


class OperatorProcess:
    """One replica, started by `start`, or by entering its ``with`` block."""

    def __init__(self, kubeconfig: Path, logs: Path) -> None:
        self.port = 0
        self._ports = Ports()
        self.log = logs / f"{NAME}.log"
        self._kubeconfig = kubeconfig
        self._processes = Processes(logs)

    def start(self) -> None:
        """Start it and return when it leads."""
        self._ports.release()
        self.port = self._ports.take()
        self._processes.start(NAME, self._command())
        self._processes.wait_until(self.leads, "the operator's lead")

    def leads(self) -> bool:
        """Tell whether it is ready, and not as a standby."""
        url = f"http://127.0.0.1:{self.port}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return "standby" not in answer.read().decode()
        except (urllib.error.URLError, OSError):
            return False

    def check(self) -> None:
        """Raise if it has ended."""
        self._processes.check()

    def stop(self) -> None:
        """Ask it to end, as Kubernetes would, and return when it has."""
        with contextlib.suppress(ControlPlaneError):
            self._processes.stop(NAME, GRACE_SECONDS)

    def close(self) -> None:
        """End it and its supervisor."""
        self.stop()
        self._processes.end()
        self._ports.release()

    def __enter__(self) -> OperatorProcess:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _command(self) -> list[str]:
        return [
            sys.executable, "-m", "headgate",
            f"--kubeconfig={self._kubeconfig}", f"--lease-name={RELEASE}", f"--lease-namespace={SYSTEM}",
            f"--policy-prefix={RELEASE}", "--create-defaults", "--log-format=text",
            "--metrics-host=127.0.0.1", f"--metrics-port={self.port}",
        ]  # fmt: skip
