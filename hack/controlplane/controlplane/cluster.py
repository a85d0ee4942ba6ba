"""One API server with what makes Jobs run on it: controller-manager, scheduler and KWOK's simulated nodes.

A cluster does not own its etcd: several API servers can share one under different prefixes. What it may use
comes in from outside (processes, port, etcd's address), which is what `ControlPlane` puts together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controlplane import components, credentials, nodes
from controlplane.client import Client
from controlplane.components import API_SERVER, CONTROLLER_MANAGER, KWOK, SCHEDULER
from controlplane.nodes import NodeShape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controlplane.process import Processes

CERTIFICATE = r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----"


@dataclass(frozen=True)
class Settings:
    """What may differ between clusters."""

    nodes: int = 10
    node_shape: NodeShape = field(default_factory=NodeShape)
    audit: bool = False
    etcd_prefix: str = "/registry"
    controllers: tuple[str, ...] = components.ALL_CONTROLLERS
    kubelets: bool = False
    """Whether real nodes may join: it then has what the API server shows their kubelets."""
    client_ca: Path | None = None
    """Who shows a certificate that one of these CAs signed is its common name, of the groups its organizations name."""


class Cluster:
    """An API server on one port of 127.0.0.1, and its components."""

    def __init__(
        self,
        processes: Processes,
        tool: Callable[[str], Path],
        directory: Path,
        *,
        etcd: str,
        port: int,
        settings: Settings,
    ) -> None:
        self.server = f"https://127.0.0.1:{port}"
        self.files = components.Files(directory)
        self.settings = settings
        self._processes = processes
        self._tool = tool
        self._etcd = etcd
        self._port = port
        self._tokens = credentials.new_tokens()
        self.client = Client(self.server, self.files.ca, self._tokens[credentials.ADMIN])

    @property
    def tokens(self) -> dict[str, str]:
        """The tokens of the users, by name."""
        return {name: self._tokens[name] for name in credentials.USERS}

    def start(self) -> None:
        """Start everything; return when a Job created now would run."""
        self._write_files()
        self.start_component(API_SERVER)
        for name in (*credentials.USERS, *credentials.COMPONENTS):
            self.write_kubeconfig(name, self._tokens[name])
        for name in (CONTROLLER_MANAGER, SCHEDULER):
            self.start_component(name)
        if self.settings.nodes:
            nodes.create(self.client, self.settings.nodes, self.settings.node_shape)
        self.start_component(KWOK)
        self._processes.wait_until(self.is_ready, "the cluster's readiness")

    def start_component(self, name: str) -> None:
        """Start one component as it was started first; the API server also has to be ready."""
        self._processes.start(name, [self._tool(name), *self._arguments(name)])
        if name == API_SERVER:
            self._processes.wait_until(self.api_is_ready, "the API server's readiness")

    def api_is_ready(self) -> bool:
        """Tell whether the API server says it is ready."""
        if not self.files.ca.exists() and not self._write_ca():
            return False
        return bool(self.client.get("/readyz") == "ok")

    def is_ready(self) -> bool:
        """Tell whether pods can be created in the default namespace, and scheduled."""
        return (
            nodes.are_ready(self.client, self.settings.nodes)
            and self.client.get("/api/v1/namespaces/default/serviceaccounts/default") is not None
        )

    def write_kubeconfig(self, name: str, token: str) -> Path:
        """Write a kubeconfig with that token and return its path."""
        path = self.files.kubeconfig(name)
        ca = self.files.ca.read_bytes()
        credentials.write_kubeconfig(path, server=self.server, ca=ca, user=name, token=token)
        return path

    def _arguments(self, name: str) -> list[str]:
        if name == API_SERVER:
            return components.api_server(
                self.files,
                etcd=self._etcd,
                etcd_prefix=self.settings.etcd_prefix,
                port=self._port,
                audit=self.settings.audit,
                client_ca=self.settings.client_ca,
                kubelets=self.settings.kubelets,
            )
        if name == CONTROLLER_MANAGER:
            return components.controller_manager(self.files, self.settings.controllers)
        if name == SCHEDULER:
            return components.scheduler(self.files)
        return components.kwok(self.files, nodes.STAGES)

    def _write_ca(self) -> bool:
        """Take the CA out of the file that the API server writes at its first start, once it is whole."""
        try:
            found = re.findall(CERTIFICATE, self.files.serving.read_text(), re.DOTALL)
        except FileNotFoundError:
            return False
        if len(found) < 2:
            return False
        self.files.ca.write_text(found[-1] + "\n")
        return True

    def _write_files(self) -> None:
        files = self.files
        files.pki.mkdir(mode=0o700, parents=True, exist_ok=True)
        credentials.write_token_file(files.tokens, self._tokens)
        credentials.write_signing_key(files.signing_key)
        if self.settings.kubelets:
            credentials.write_client_certificate(files.kubelet_client)
        (files.directory / "scheduler.yaml").write_text(components.scheduler_configuration(files))
        (files.directory / "kwok.yaml").write_text(components.KWOK_CONFIGURATION)
        if self.settings.audit:
            files.audit_policy.write_text(components.AUDIT_POLICY)
