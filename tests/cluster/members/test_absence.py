"""What happens while no operator runs, or in the middle of its steps, is made up for by the next one."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, POOLS, QUEUES, eventually
from tests.cluster.harness.copies import annotations_of, ended
from tests.cluster.harness.invariants import CLUSTER, outcome
from tests.cluster.harness.proxy import Wire
from tests.cluster.harness.rest import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.client import User
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.members import Fleet
    from tests.cluster.harness.operator import OperatorProcess

    Replicas = Callable[..., OperatorProcess]
    Settled = Callable[..., dict[str, Any]]

SELDOM = ("--member-probe-seconds=10",)
"""Time enough, until it is noticed that a member does not answer, to admit Jobs to it."""


def test_what_was_under_way_or_happened_while_nobody_ran_is_made_up_for(
    fleet: Fleet, given: User, site: Site, replicas: Replicas, settled: Settled
) -> None:
    """Of a request for a copy that the operator did not live to hear of: it may be lost, or arrive much later."""
    first = replicas("first", arguments=SELDOM).wait_until_leading()
    with ExitStack() as stack:
        wires = {
            member: stack.enter_context(Wire(fleet.members[member].cluster.server))
            for member in ("east", "west")
        }
        fleet.pool("pool", *(fleet.cluster(member, server=wire.server) for member, wire in wires.items()))
        fleet.queue("line")
        for member in wires:
            fleet.until_state(member, "Running")
        before = ("deleted", "ended", "copy-deleted", "goes-on")
        for name in before:
            given.job(name, "line", seconds=ENDLESS)
        fleet.until_mirrored(*before)
        for wire in wires.values():
            wire.hold()
        given.jobs(4, "line", prefix="admitted", seconds=ENDLESS)
        eventually(lambda: all(CLUSTER in annotations_of(body) for body in given.all_jobs()))
        assert sorted(fleet.places()) == sorted(before)

        wires["west"].cut()
        first.kill()
        site.free_lease()
        given.client.delete(f"{given.jobs_path}/deleted")
        fleet.end("ended")
        there = fleet.there(fleet.copy("copy-deleted")[0])
        there.client.delete(f"{there.jobs_path}/copy-deleted")
        eventually(lambda: "copy-deleted" not in fleet.places())
        given.job("new", "line", seconds=0.1)
        for wire in wires.values():
            wire.release()
        replicas("second").wait_until_leading()

        given.until("line", succeeded=2, failed=1, active=5)
        assert ended(given.get_job("copy-deleted"))["reason"] == "CopyDeleted"
        assert [outcome(given.get_job(name)) for name in ("ended", "new")] == ["succeeded", "succeeded"]
        left = ["ended", "goes-on", "new", *(f"admitted-{number:04}" for number in range(4))]
        eventually(lambda: sorted(fleet.places()) == sorted(left))
        fleet.end_all("line", 7)
        settled(given.full("line"))


def versions(fleet: Fleet) -> dict[str, str]:
    """Return the resourceVersions of all that is there of a test, in the hub and in the members."""
    given = fleet.given
    mine = [body for path in (POOLS, QUEUES) for body in given.client.items(path)]
    bodies = {"hub": [body for body in mine if body["metadata"]["name"].startswith(given.namespace)]}
    bodies["hub"] += given.all_jobs()
    bodies |= {member: fleet.copies(member) for member in fleet.members}
    return {
        f"{cluster} {body.get('kind', '')} {body['metadata']['name']}": body["metadata"]["resourceVersion"]
        for cluster, found in bodies.items()
        for body in found
    }


def test_an_unchanged_world_causes_no_write_anywhere(
    fleet: Fleet, given: User, site: Site, replicas: Replicas
) -> None:
    if site.cluster.audit_log is None:
        pytest.skip("needs the API server's audit log")
    leader = replicas("leader").wait_until_leading()
    fleet.pool("pool", *fleet.members)
    fleet.queue("line")
    given.jobs(3, "line", prefix="runs", seconds=ENDLESS)
    given.jobs(3, "line", prefix="ended", seconds=0.1)
    given.jobs(2, "line", prefix="failed", seconds=0.1, fail=True)
    fleet.queue("held", dispatch={"paused": True})
    given.jobs(2, "held", prefix="waits")
    given.until("held", waiting=2)
    given.until("line", active=3, succeeded=3, failed=2)
    fleet.until_mirrored("runs-0000", "runs-0001", "runs-0002")
    eventually(fleet.settled)

    def written(since: dict[str, int]) -> list[str]:
        entries = [entry for entry in site.audit(since["hub"]) if entry["objectRef"]["resource"] != "leases"]
        for name, member in fleet.members.items():
            entries += member.audit(since[name])
        return [f"{entry['verb']} {entry['objectRef']}" for entry in entries]

    def sizes() -> dict[str, int]:
        return {"hub": site.audit_size(), **{name: one.audit_size() for name, one in fleet.members.items()}}

    watched = Watched(sizes, written, partial(versions, fleet))
    _, before = watched.rests()
    assert len(before) == 3 + 10 + 8

    # Nor does a new operator find anything to write.
    leader.stop()
    site.free_lease()
    replicas("second").wait_until_leading()
    fleet.until_state("east", "Running")
    given.queue("new")
    eventually(lambda: given.condition("new", "Ready")["status"] == "True")
    watched.until_quiet()
    now = versions(fleet)
    assert {name for name in before if now[name] != before[name]} == set()
    fleet.end_all("line", 6)
