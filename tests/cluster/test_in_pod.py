"""In a Pod there is no kubeconfig: the operator is who its ServiceAccount says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kubernetes.aio.config import incluster_config

from headgate.kube.client import Api

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from controlplane import ClusterAccess
WHO_AM_I = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def test_the_token_of_the_pod_is_used_and_read_again(
    control_plane: ClusterAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = urlsplit(control_plane.server)
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text(control_plane.tokens["alice"])
    authority.write_bytes(control_plane.ca_file.read_bytes())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(server.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    async def names() -> list[str]:
        api = await Api.connect()
        try:
            first = await who_am_i(api)
            token.write_text(control_plane.tokens["bob"])
            expire(api)
            return [first, await who_am_i(api)]
        finally:
            await api.close()

    assert asyncio.run(names()) == ["alice", "bob"]


async def who_am_i(api: Api) -> str:
    answer = await api.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", WHO_AM_I)
    name: str = answer["status"]["userInfo"]["username"]
    return name


def expire(api: Api) -> None:
    """Let the minute pass after which the client reads a token anew."""
    hook = api.configuration.refresh_api_key_hook
    loader = next(
        cell.cell_contents for cell in hook.__closure__ if hasattr(cell.cell_contents, "token_expires_at")
    )
    loader.token_expires_at = loader.token_expires_at.min
