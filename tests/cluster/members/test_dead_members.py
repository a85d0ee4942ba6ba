"""Members that never answer: the operator starts, leads and ends as if there were none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.harness.client import eventually
from tests.cluster.harness.proxy import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.client import User
    from tests.cluster.harness.members import Fleet
    from tests.cluster.harness.operator import OperatorProcess


def test_an_operator_starts_leads_and_ends_while_no_member_answers(
    fleet: Fleet, given: User, replicas: Callable[..., OperatorProcess]
) -> None:
    with (
        Wire(fleet.members["east"].cluster.server) as east,
        Wire(fleet.members["west"].cluster.server) as west,
    ):
        fleet.pool(
            "pool", fleet.cluster("east", server=east.server), fleet.cluster("west", server=west.server)
        )
        # An operator that hangs on them when it is told to end does not end with 0.
        with east.held(), west.held():
            operator = replicas("first").wait_until_leading()
            eventually(lambda: east and west)
            given.queue("own")
            given.job("one", "own", seconds=0.1)
            given.succeeded("own", 1)
            eventually(lambda: set(fleet.states().values()) == {"Pending"})
            assert operator.stop() == 0

            operator = replicas("next").wait_until_leading()
            for member in ("east", "west"):
                fleet.until_state(member, "Pending", "does not answer in time")
        for member in ("east", "west"):
            fleet.until_state(member, "Running")

        # Now one that holds connections to both, watches among them.
        with east.held():
            fleet.until_state("east", "Pending", "does not answer in time")
            assert operator.stop() == 0
