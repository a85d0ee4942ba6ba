"""Which cluster is used, and which ports: without starting any."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from controlplane import ControlPlaneError, from_environment
from controlplane.credentials import write_kubeconfig
from controlplane.ports import Ports, is_free

if TYPE_CHECKING:
    from pathlib import Path


def test_unknown_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_CLUSTER", "minikube")
    with pytest.raises(ControlPlaneError, match="it is 'current' or 'kind', or unset"):
        from_environment()


def test_current_cluster_is_taken_from_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig = tmp_path / "config"
    write_kubeconfig(kubeconfig, server="https://example.test:6443", ca=b"the ca", user="me", token="mine")
    monkeypatch.setenv("HEADGATE_CLUSTER", "current")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with from_environment() as cluster:
        assert cluster.server == "https://example.test:6443"
        assert cluster.ca_file.read_bytes() == b"the ca"
        assert cluster.tokens == {}
        user = json.loads(cluster.kubeconfig_for("alice").read_text())["users"][0]["user"]
        assert user == {"token": "mine", "as": "alice", "as-groups": ["people"]}
        with pytest.raises(ControlPlaneError, match="not ours"):
            cluster.stop_component("etcd")
        directory = cluster.directory
    assert not directory.exists()


def test_current_cluster_without_one_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_CLUSTER", "current")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ControlPlaneError, match="kubectl config view"):
        from_environment()


def test_ports_of_two_control_planes_differ() -> None:
    first, second = Ports(), Ports()
    taken = [ports.take() for _ in range(50) for ports in (first, second)]
    assert len(set(taken)) == len(taken)
    first.release()
    second.release()


def test_port_in_use_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not is_free(server.getsockname()[1])
