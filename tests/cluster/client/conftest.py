"""Clients with the rights of several users. The users are made for this, so that other tests need not mind them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.cluster.harness.client import eventually
from tests.cluster.harness.cluster import RBAC

from headgate.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.harness.cluster import Site


@pytest.fixture(scope="module")
def kubeconfig_with(site: Site) -> Callable[[str], Path]:
    """Make a user who has a ClusterRole in the whole cluster, or none (""), and return the kubeconfig."""

    def make(role: str) -> Path:
        name = f"user-{os.urandom(4).hex()}"
        site.admin.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": name}})
        if role:
            binding = {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": name}],
            }
            site.admin.create(f"/apis/{RBAC}/v1/clusterrolebindings", binding)
            user = f"system:serviceaccount:default:{name}"
            # The built-in roles get Headgate's rules a moment after these are there.
            verb = "update" if role == "edit" else "list"
            eventually(lambda: site.may(user, verb=verb, group="headgate.dev", resource="jobqueues"))
        token = site.kubectl("create", "token", name, "-n", "default", "--duration=1h").stdout.strip()
        return site.cluster.kubeconfig_for(name, token)

    return make


@pytest.fixture
def client(site: Site, namespace: str) -> Iterator[Client]:
    """An administrator's client, at home in the test's namespace."""
    with Client.connect(str(site.cluster.kubeconfig), namespace=namespace) as client:
        yield client


@pytest.fixture(scope="module")
def viewer(kubeconfig_with: Callable[[str], Path]) -> Iterator[Client]:
    with Client.connect(str(kubeconfig_with("view"))) as client:
        yield client


@pytest.fixture(scope="module")
def editor(kubeconfig_with: Callable[[str], Path]) -> Iterator[Client]:
    with Client.connect(str(kubeconfig_with("edit"))) as client:
        yield client
