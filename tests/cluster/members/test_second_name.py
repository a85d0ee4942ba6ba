"""Two names that lead to one cluster: the second does no harm, whoever is connected first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.harness.client import ENDLESS, eventually, next_second
from tests.cluster.harness.proxy import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.client import User
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.members import Fleet
    from tests.cluster.harness.operator import OperatorProcess


SELDOM = ("--member-probe-seconds=10",)
"""As long as the older name's cluster may take to answer before the younger gets it."""


def test_a_second_name_is_refused_and_deletes_nothing(
    fleet: Fleet, given: User, site: Site, replicas: Callable[..., OperatorProcess]
) -> None:
    """Each name would take the other's copies for stale ones."""
    with Wire(fleet.members["east"].cluster.server) as wire:
        operator = replicas("first", arguments=SELDOM).wait_until_leading()
        fleet.pool("pool", fleet.cluster("east", server=wire.server))
        fleet.queue("line")
        given.job("runs", "line", seconds=ENDLESS)
        fleet.until_mirrored("runs")
        _, copy = fleet.copy("runs")
        next_second()
        # By its name it would come first.
        ref = fleet.secret("alias", fleet.members["east"].kubeconfig())
        fleet.pool("a-second", {"name": fleet.full("alias"), "kubeconfigSecretRef": ref})
        fleet.until_state(
            "alias", "Pending", f'is the same cluster as "{fleet.full("east")}"', pool="a-second"
        )

        # Where both can be reached, the older name keeps the cluster.
        operator.kill()
        site.free_lease()
        operator = replicas("second", arguments=SELDOM).wait_until_leading()
        fleet.until_state("alias", "Pending", "is the same cluster as", pool="a-second")
        fleet.until_state("east", "Running")

        # Where the older cannot be, the younger gets it, and leaves alone what is the other's.
        operator.kill()
        site.free_lease()
        with wire.held():
            replicas("third").wait_until_leading()
            fleet.until_state("east", "Pending", "does not answer in time")
            fleet.until_state("alias", "Running", pool="a-second")
            assert fleet.copy("runs")[1]["metadata"]["uid"] == copy["metadata"]["uid"]
        fleet.until_state("east", "Pending", f'is the same cluster as "{fleet.full("alias")}"')

        fleet.take_out("alias", "a-second")
        fleet.until_state("east", "Running")
        assert fleet.copy("runs")[1]["metadata"]["uid"] == copy["metadata"]["uid"]
        fleet.end("runs")
        given.succeeded("line", 1)
        eventually(fleet.settled)
