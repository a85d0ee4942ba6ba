"""A member that leaves its pool before it ever answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.harness.client import POOLS, eventually
from tests.cluster.harness.proxy import Wire

if TYPE_CHECKING:
    from tests.cluster.harness.client import User
    from tests.cluster.harness.members import Fleet

pytestmark = pytest.mark.usefixtures("operator")


def test_nobody_waits_for_it(fleet: Fleet, given: User) -> None:
    with Wire(fleet.members["east"].cluster.server) as wire, wire.held():
        east, west = fleet.cluster("east", server=wire.server), fleet.cluster("west")
        fleet.pool("pool", east, west)
        eventually(lambda: len(wire) > 0, every=0.02)  # It has been asked, and has two seconds to answer.

        given.client.patch(f"{POOLS}/{given.full('pool')}", {"spec": {"clusters": [west]}})

        fleet.until_state("west", "Running")
