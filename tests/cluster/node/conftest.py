"""One control plane with one real node for all tests of this folder, which are skipped where no such node can run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hack import image
from hack.node import requirements
from hack.node.node import Node, real_node

from controlplane import ControlPlane
from tests.cluster.harness.cluster import Helm, Kubectl, Site, helm_for
from tests.cluster.node.release import Release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness.client import Client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.real_node)


@pytest.fixture(scope="package")
def machine() -> None:
    """Skip where no real node can run, or the operator's image cannot be built."""
    if "HEADGATE_CLUSTER" in os.environ:
        pytest.skip("a real node joins a control plane of its own only")
    if missing := [*requirements.missing(), *image.missing()]:
        pytest.skip(" ".join(missing))


@pytest.fixture(scope="package")
def control_plane(machine: None) -> Iterator[ControlPlane]:
    """A control plane without simulated nodes, and without Headgate."""
    with ControlPlane.start(nodes=0, audit=True, kubelets=True) as cluster:
        yield cluster


@pytest.fixture(scope="package")
def node(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The only node of this control plane. It has busybox and the operator's image, and nowhere to pull others from."""
    with real_node(control_plane, tmp_path_factory.mktemp("node")) as node:
        node.load(image.operator_image())
        yield node


@pytest.fixture(scope="package")
def site(control_plane: ControlPlane, node: Node) -> Site:
    return Site(control_plane)


@pytest.fixture(scope="package")
def kubectl(site: Site) -> Kubectl:
    return site.kubectl


@pytest.fixture(scope="package")
def admin(site: Site) -> Client:
    return site.admin


@pytest.fixture(scope="package")
def helm(control_plane: ControlPlane) -> Helm:
    return helm_for(control_plane)


@pytest.fixture(scope="module")
def release(site: Site, helm: Helm, node: Node) -> Iterator[Release]:
    """What a file installs with Helm, and whatever of it is there at the end of the file is removed."""
    release = Release(site, helm, node)
    try:
        yield release
    finally:
        release.remove()
