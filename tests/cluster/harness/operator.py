"""Operator processes for tests: real ones, with the rights of the chart's own ServiceAccount."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from controlplane.ports import Ports
from tests.cluster.harness.client import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

GRACE_SECONDS = 30.0
"""What Kubernetes gives a Pod to end."""
LOST_LEAD = 3
"""The exit code of a replica that has lost the lead."""
KEEPS_THE_LEAD = ("--lease-duration-seconds=60", "--renew-deadline-seconds=50")
"""Who leads is rarely what a test is about, and an API server on a busy machine may not answer for a while."""


class OperatorProcess:
    """One replica."""

    def __init__(
        self,
        kubeconfig: Path,
        directory: Path,
        *,
        name: str,
        lease_namespace: str,
        prefix: str,
        log_format: str = "text",
        arguments: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.port = 0
        self._ports = Ports()
        self.log = directory / f"{name}.log"
        self._kubeconfig = kubeconfig
        self._lease_namespace = lease_namespace
        self._prefix = prefix
        self._log_format = log_format
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def code(self) -> int | None:
        """The exit code of a process that has ended by itself, None while it runs."""
        assert self.process is not None
        return self.process.poll()

    def start(self) -> Self:
        """Start the process; it is ready some time later."""
        self.port = self._ports.take()
        command = [
            sys.executable, "-m", "headgate",
            f"--lease-name={self._prefix}", f"--lease-namespace={self._lease_namespace}",
            f"--kubeconfig={self._kubeconfig}", f"--policy-prefix={self._prefix}",
            "--metrics-host=127.0.0.1", f"--metrics-port={self.port}",
            "--create-defaults", f"--log-format={self._log_format}", *KEEPS_THE_LEAD, *self._arguments,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "POD_NAME": self.name}
            )
        return self

    def fetch(self, path: str) -> tuple[int, str]:
        """Return status and text of one of its pages; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def metric(self, name: str, **labels: str) -> float | None:
        """Return the sum of a metric's samples with these labels; None where there is none."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        samples = [
            float(line.rsplit(" ", 1)[1])
            for line in self.fetch("/metrics")[1].splitlines()
            if line.split("{")[0].split(" ")[0] == name and all(part in line for part in wanted)
        ]
        return sum(samples) if samples else None

    @property
    def leads(self) -> bool:
        status, text = self.fetch("/readyz")
        return status == 200 and "standby" not in text

    def wait_until_leading(self, within: float = PATIENCE) -> Self:
        eventually(lambda: self._alive() and self.leads, within=within)
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold it still for a while."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._gone()

    def stop(self) -> int:
        """End it as Kubernetes would, and return its exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            return self.process.wait(GRACE_SECONDS)
        finally:
            self.kill()

    def wait_for_end(self, within: float = PATIENCE) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        assert self.process is not None
        code = self.process.wait(within)
        self._gone()
        return code

    def _gone(self) -> None:
        self.process = None
        self._ports.release()

    def _alive(self) -> bool:
        if self.code is not None:
            raise RuntimeError(f"the operator ended with {self.code}:\n{self.log.read_text()[-4000:]}")
        return True
