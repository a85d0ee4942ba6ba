"""Members that leave their pools: in order, by force, and before they ever answered."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, POOLS, RefusedError, eventually
from tests.cluster.harness.copies import annotations_of, ended
from tests.cluster.harness.invariants import CLUSTER, outcome
from tests.cluster.harness.proxy import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.client import User
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.members import Fleet

    Settled = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("operator")

REQUEUED_FROM = "headgate.dev/requeued-from"


def test_nobody_waits_for_one_that_never_answered(fleet: Fleet) -> None:
    with Wire(fleet.members["east"].cluster.server) as wire, wire.held():
        fleet.pool("pool", fleet.cluster("east", server=wire.server), "west")
        eventually(lambda: len(wire) > 0, every=0.02)  # It has been asked, and has two seconds to answer.

        fleet.take_out("east")

        fleet.until_state("west", "Running")


def test_it_leaves_when_nothing_can_be_on_its_way_there(fleet: Fleet, given: User, settled: Settled) -> None:
    pool = fleet.pool("pool", "east", "west")
    fleet.queue("line")
    fleet.until_state("west", "Running")
    fleet.until_state("east", "Running")
    path, (east, west) = f"{POOLS}/{given.full('pool')}", pool["spec"]["clusters"]

    def becomes(*clusters: Any) -> None:
        given.client.patch(path, {"spec": {"clusters": list(clusters)}})

    with pytest.raises(RefusedError, match="disable it first"):
        becomes(west)
    assert [fleet.place(name) for name in ("there", "here")] == ["east", "west"]
    fleet.until_mirrored("there", "here")
    becomes({**east, "state": "Disabled"}, west)
    with pytest.raises(RefusedError, match="cannot be removed"):
        becomes(west)
    fleet.end("there")
    given.succeeded("line", 1)

    fleet.take_out("east")

    eventually(lambda: fleet.states() == {"west": "Running"})
    given.job("next", "line", seconds=ENDLESS)
    assert fleet.copy("next")[0] == "west"
    # Its finished copy is left there: that is the how-to's to say.
    assert sorted(fleet.places()) == ["here", "next", "there"]
    fleet.end_all("line", 3)
    settled(given.full("line"))
    given.client.delete(f"{given.jobs_path}/there")
    fleet.there("east").client.delete(f"{fleet.there('east').jobs_path}/there")


@contextmanager
def taken_out(site: Site, given: User, spec: dict[str, Any], member: str) -> Iterator[None]:
    """Have a member out of its pool for a while, although Jobs are there."""
    path, clusters = f"{POOLS}/{given.full('pool')}", spec["clusters"]
    without = [one for one in clusters if one["name"] != given.full(member)]
    with site.without_policies("pool-removal"):
        given.client.patch(path, {"spec": {"clusters": without}})
    try:
        yield
    finally:
        given.client.patch(path, {"spec": {"clusters": clusters}})


def test_where_the_pool_waits_its_jobs_are_told_and_can_be_cancelled(
    fleet: Fleet, given: User, site: Site, settled: Settled
) -> None:
    pool = fleet.pool("pool", "east", "west", onClusterLost="Wait")
    for queue in ("line", "doomed"):
        fleet.queue(queue, clusters=[fleet.full("east")])
    assert [fleet.place("stays"), fleet.place("canceled", "doomed")] == ["east", "east"]
    fleet.until_mirrored("stays", "canceled")

    with taken_out(site, given, pool["spec"], "east"):
        (event,) = eventually(lambda: given.events_on("stays", reason="ClusterNotInPool"))
        assert fleet.full("east") in event["note"]
        given.change_queue("doomed", state="Terminated")
        # Nobody can tell its copy, and nobody waits for that.
        given.until("doomed", canceled=1)
        assert ended(given.get_job("canceled"))["reason"] == "Canceled"
        eventually(lambda: given.status("doomed")["state"] == "Terminated")
        assert outcome(given.get_job("stays")) is None

    fleet.until_state("east", "Running")
    eventually(lambda: list(fleet.places()) == ["stays"])
    fleet.end("stays")
    given.succeeded("line", 1)
    for queue in ("line", "doomed"):
        settled(given.full(queue))


def test_where_the_pool_requeues_its_jobs_go_elsewhere(
    fleet: Fleet, given: User, site: Site, settled: Settled
) -> None:
    pool = fleet.pool("pool", "east", "west", onClusterLost="Requeue")
    fleet.queue("line")
    for member in ("east", "west"):
        fleet.until_state(member, "Running")
    assert fleet.place("moves") == "east"
    fleet.until_mirrored("moves")

    with taken_out(site, given, pool["spec"], "east"):
        found = eventually(lambda: sent(given, "moves", "west"))
        assert annotations_of(found)[REQUEUED_FROM] == fleet.full("east")

    fleet.until_state("east", "Running")
    eventually(lambda: fleet.places() == {"moves": "west"})
    fleet.end_all("line", 1)
    settled(given.full("line"))


def sent(given: User, name: str, member: str) -> dict[str, Any]:
    """Return a Job, if it is admitted to a member."""
    body = given.get_job(name)
    assert annotations_of(body).get(CLUSTER) == given.full(member)
    return body
