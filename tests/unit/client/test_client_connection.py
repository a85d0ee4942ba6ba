"""What a client is connected to, as far as no API server is needed to see it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from headgate.client import AsyncClient, Client, ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def kubeconfig(folder: Path, **fields: Any) -> str:
    """Write a kubeconfig with a context `prod`, and whatever else is given."""
    context = {"cluster": "c", "user": "u", "namespace": "team-a"}
    body = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "prod", "context": context}],
        **fields,
    }
    file = folder / "config"
    file.write_text(yaml.safe_dump(body))
    return str(file)


@pytest.mark.parametrize("fields", [{}, {"current-context": "gone"}])
async def test_jobs_are_looked_for_in_the_namespace_of_the_context(
    tmp_path: Path, fields: dict[str, str]
) -> None:
    file = kubeconfig(tmp_path, **fields)

    async with AsyncClient.connect(file, "prod") as client:
        assert client.namespace == "team-a"
    async with AsyncClient.connect(file, "prod", "other") as client:
        assert client.namespace == "other"


def test_nobody_goes_on_as_somebody_else(tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}
    file = kubeconfig(tmp_path, users=[{"name": "u", "user": {"exec": plugin}}])

    before = threading.enumerate()
    with (
        pytest.raises(ConfigurationError, match=r"getting credentials: .*'no-such-plugin'"),
        Client.connect(file, "prod"),
    ):
        pytest.fail("it was entered")
    assert threading.enumerate() == before
