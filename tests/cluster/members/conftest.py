"""Three member clusters for all tests of this folder, and for each test a namespace and pools of its own in them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from controlplane import ControlPlane
from tests.cluster.harness.client import User, eventually
from tests.cluster.harness.members import CLIENT_CA, Fleet, Member, hub_recorder
from tests.cluster.harness.witness import watched
from tests.cluster.members.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controlplane import ClusterAccess
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.recorder import Recorder

NAMES = ("east", "north", "west")


@pytest.fixture(scope="package")
def members(control_plane: ClusterAccess) -> Iterator[dict[str, Member]]:
    """The members, by name."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("needs clusters beside the control plane")

    def start(name: str) -> Member:
        member = Member(name, control_plane.add_cluster(name, nodes=2, audit=True, client_ca=CLIENT_CA))
        member.install()
        return member

    try:
        with ThreadPoolExecutor(len(NAMES)) as pool:
            yield dict(zip(NAMES, pool.map(start, NAMES), strict=True))
    finally:
        for name in list(control_plane.clusters):
            control_plane.remove_cluster(name)


@pytest.fixture(scope="session")
def operator_arguments() -> tuple[str, ...]:
    """Ask the members more often than people would. One that is late with an answer gets no Jobs for a moment."""
    return ("--member-probe-seconds=2",)


@pytest.fixture
def recorder(site: Site, given: User) -> Iterator[Recorder]:
    """The witness of the hub; what it saw is checked when the test is done."""
    with watched(hub_recorder(site, given.namespace)) as witness:
        yield witness


@pytest.fixture
def fleet_type() -> type[Fleet]:
    """What the fleet is made of."""
    return Fleet


@pytest.fixture
def fleet(
    request: pytest.FixtureRequest,
    site: Site,
    given: User,
    members: dict[str, Member],
    recorder: Recorder,
    fleet_type: type[Fleet],
) -> Iterator[Fleet]:
    """The members, recorded; where the test succeeds, all has to be in step in the end."""
    # What runs has to be there until the end.
    request.getfixturevalue("operator" if "operator" in request.fixturenames else "replicas")
    failed = request.session.testsfailed
    fleet = fleet_type(site, given, members, recorder)
    for name, member in members.items():
        fleet.recorders[name] = member.recorder().start()
    try:
        yield fleet
        if request.session.testsfailed == failed:
            if fleet.at_rest:
                eventually(fleet.settled)
            fleet.checked()
    finally:
        for one in fleet.recorders.values():
            one.stop()
        fleet.dissolve()


@pytest.fixture
def scene(given: User, members: dict[str, Member]) -> Scene:
    east = members["east"].admin
    east.create("/api/v1/namespaces", {"metadata": {"name": given.namespace}})
    return Scene(given, User(east, given.namespace))
