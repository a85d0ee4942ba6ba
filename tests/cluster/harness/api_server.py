"""One API server: what was written to it, and what it is like when it does not answer."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from tests.cluster.harness.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controlplane import ClusterAccess

Json = dict[str, Any]


class ApiServer:
    """What the hub and its members have in common."""

    cluster: ClusterAccess
    WRITER: ClassVar[str]
    """The user that Headgate is there."""

    @cached_property
    def admin(self) -> Client:
        return self.client_of("admin")

    def client_of(self, user: str) -> Client:
        return Client(self.cluster.server, self.cluster.tokens[user], self.cluster.ca_file)

    @contextmanager
    def frozen_api_server(self) -> Iterator[None]:
        """Hold the API server still for a while: what is asked meanwhile, it answers all at once."""
        pid = self.cluster.pids["kube-apiserver"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def audit(self, since: int = 0) -> list[Json]:
        """Return what Headgate wrote, or tried to, as the API server's audit log has it."""
        log = self.cluster.audit_log
        assert log is not None
        with log.open("rb") as file:
            file.seek(since)
            lines = file.read().splitlines()
        whole = [json.loads(line) for line in lines if line.endswith(b"}")]
        return [entry for entry in whole if entry["user"]["username"] == self.WRITER]

    def audit_size(self) -> int:
        """Return where the audit log ends now, for `audit`."""
        assert self.cluster.audit_log is not None
        return self.cluster.audit_log.stat().st_size
