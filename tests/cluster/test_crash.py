"""The operator is killed, frozen, and told to stop, in the middle of everything."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import RefusedError, User, eventually
from tests.cluster.harness.cluster import LEASE, VALIDATING
from tests.cluster.harness.invariants import ADMITTED_AT, outcome, peaks, why_failed
from tests.cluster.harness.operator import LOST_LEAD
from tests.cluster.harness.proxy import Gate, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Replicas = Callable[..., OperatorProcess]
    Settled = Callable[..., dict[str, Any]]

TERM = "headgate.dev/term"
KILLS = 10


def test_killed_again_and_again(
    given: User, site: Site, replicas: Replicas, recorder: Recorder, settled: Settled
) -> None:
    """400 Jobs and more over four queues; whoever leads is killed at random moments, ten times."""
    rng = random.Random(4)
    alive = {"replica-0": replicas("replica-0").wait_until_leading(), "replica-1": replicas("replica-1")}
    given.queue("actions", actionConcurrency=8)
    given.queue("runs", runConcurrency=2)
    given.queue("both", actionConcurrency=12, runConcurrency=10, executionMode="LIFO")
    given.queue("depth", actionConcurrency=10, depth=30)
    for queue in ("actions", "runs", "both", "depth"):
        given.accepts(queue)
    # What follows may go as fast or as slowly as it likes: each limit has been used up.
    accepted = {"depth": 0}
    for queue, places in (("actions", 8), ("runs", 2), ("both", 10)):
        accepted[queue] = given.fill(queue, places)

    def submit(queue: str, count: int, prefix: str, **options: Any) -> None:
        bodies, _ = given.many(count, queue, prefix=prefix, seconds=0.2, **options)
        accepted[queue] += len(bodies)

    def submit_part(part: int) -> None:
        submit("actions", 8, f"actions-good-{part}")
        submit("actions", 2, f"actions-bad-{part}", fail=True)
        for run in range(2):
            submit("runs", 5, f"runs-{part}-{run}", labels={"headgate.dev/run": f"{part}-{run}"})
        submit("both", 18, f"both-{part}")
        submit("depth", 10, f"depth-{part}")

    submit_part(0)
    terms = []
    for kill in range(1, KILLS + 1):
        time.sleep(rng.uniform(0.3, 1.2))
        # Every other leader has certainly admitted something; the others have had no more than that moment.
        lease = eventually(partial(held, site, alive, given.all_jobs if kill % 2 else None))
        terms.append(lease["leaseTransitions"])
        alive.pop(name_of(lease)).kill()
        # Nobody leads now, so these wait for the next leader, however fast the machine is.
        submit_part(kill)
        # The next one need not wait for the Lease to expire.
        site.free_lease(lease["holderIdentity"])
        # Whichever of the two asks first.
        name = f"replica-{kill + 1}"
        alive[name] = replicas(name)
        eventually(lambda: any(replica.leads for replica in alive.values()))

    assert terms == sorted(set(terms)), "a term is nobody else's"

    def finished() -> bool:
        left = {queue: given.status(queue)["depth"]["current"] for queue in accepted}
        assert not any(left.values()), left
        return True

    eventually(finished, within=900, every=0.5)
    jobs = given.all_jobs()
    assert len(jobs) == sum(accepted.values()) >= 400
    assert {outcome(body) for body in jobs} <= {"succeeded", "failed", "canceled"}
    for body in jobs:
        name, how = body["metadata"]["name"], outcome(body)
        if name.startswith("depth") and how == "canceled":
            assert why_failed(body) == "QueueFull"
            assert ADMITTED_AT not in body["metadata"]["annotations"]
        else:
            assert how == ("failed" if "-bad-" in name else "succeeded"), name
    for queue, count in accepted.items():
        assert settled(given.full(queue))["jobs"]["total"] == count
    assert given.status("actions")["jobs"]["failed"] == 2 * (KILLS + 1)
    record = recorder.record()
    assert peaks(record, given.full("actions"))[0] == 8
    assert peaks(record, given.full("runs"))[1] == 2
    assert peaks(record, given.full("both"))[1] == 10
    used = {body["metadata"]["annotations"][TERM] for body in jobs if outcome(body) != "canceled"}
    assert {str(term) for term in terms[::2]} <= used


def name_of(lease: dict[str, Any]) -> str:
    """Return the name of the replica that holds a Lease."""
    return str(lease["holderIdentity"]).rpartition("_")[0]


def lease_of(site: Site, replica: str) -> dict[str, Any]:
    """Return the Lease if this replica holds it."""
    lease = site.lease()
    return lease if name_of(lease) == replica else {}


def held(
    site: Site, alive: Container[str], jobs: Callable[[], list[dict[str, Any]]] | None
) -> dict[str, Any]:
    """Return the Lease if one of these replicas holds it, and has let one of these Jobs through.

    It need not be the one that took it last: one that is too slow to renew it steps down, and rightly so.
    """
    lease = site.lease()
    term = str(lease["leaseTransitions"])
    admitted = jobs is None or any(body["metadata"]["annotations"].get(TERM) == term for body in jobs())
    return lease if admitted and name_of(lease) in alive else {}


def test_a_leader_that_hangs_is_replaced(site: Site, replicas: Replicas) -> None:
    """Its Lease expires, and it ends when it wakes up."""
    times = ("--lease-duration-seconds=4", "--renew-deadline-seconds=3", "--retry-period-seconds=0.5")
    first = replicas("first", arguments=times)
    before = eventually(partial(lease_of, site, "first"))
    assert before["leaseDurationSeconds"] == 4
    replicas("second", arguments=times)

    with first.frozen():
        eventually(partial(lease_of, site, "second"))

    assert first.wait_for_end() == LOST_LEAD
    assert site.lease()["leaseTransitions"] == before["leaseTransitions"] + 1


def test_what_a_frozen_leader_had_sent_is_refused_and_it_wakes_up_deposed(
    given: User, site: Site, replicas: Replicas, settled: Settled
) -> None:
    if site.cluster.audit_log is None:
        pytest.skip("needs the API server's audit log")
    with Gate(site.cluster.server, site.cluster.ca_file) as gate:
        old = replicas("old", server=gate.server).wait_until_leading()
        term = site.lease()["leaseTransitions"]
        new = replicas("new")
        given.queue("line", actionConcurrency=4)
        given.queue("late", dispatch={"paused": True})
        given.jobs(10, "late", prefix="late", seconds=0.1)
        given.until_waiting("late", 10)
        given.jobs(30, "line", seconds=0.3)
        eventually(lambda: given.status("line")["jobs"]["succeeded"] >= 4)

        # What the old one sends from now on arrives late.
        gate.hold(f"PATCH {given.jobs_path}")
        given.change_queue("late", dispatch={"paused": False})
        eventually(lambda: gate.holds >= 10, every=0.02)
        with old.frozen():
            for queue in ("line", "late"):
                given.change_queue(queue, dispatch={"paused": True})
            # It might expire as well, but that takes its time.
            site.free_lease()
            new.wait_until_leading()
            assert site.lease()["leaseTransitions"] == term + 1
            since = site.audit_size()
            gate.release()

            def refused() -> list[str]:
                return [
                    entry["responseStatus"]["message"]
                    for entry in site.audit(since)
                    if entry["verb"] == "patch" and entry["responseStatus"]["code"] in (403, 422)
                ]

            tried = eventually(refused, every=0.02)
        assert old.wait_for_end() == LOST_LEAD
    assert all("is not the current term" in message for message in tried)
    for queue in ("line", "late"):
        given.change_queue(queue, dispatch={"paused": False})
    given.succeeded("line", 30)
    given.succeeded("late", 10)
    for queue in ("line", "late"):
        settled(given.full(queue))
    terms = {body["metadata"]["name"]: body["metadata"]["annotations"][TERM] for body in given.all_jobs()}
    assert set(terms.values()) == {str(term), str(term + 1)}
    assert {terms[name] for name in terms if name.startswith("late")} == {str(term + 1)}


def test_a_leader_that_nobody_answers_has_ended_before_another_one_leads(
    given: User, site: Site, replicas: Replicas
) -> None:
    """Its connections stand, and nothing comes over them any more."""
    times = ("--lease-duration-seconds=15", "--renew-deadline-seconds=10")
    with Wire(site.cluster.server) as wire:
        old = replicas("old", server=wire.server, arguments=times).wait_until_leading()
        term = site.lease()["leaseTransitions"]
        new = replicas("new", arguments=times)
        eventually(lambda: new.fetch("/readyz") == (200, "[+]standby ok\n"))
        with wire.held():
            eventually(lambda: site.lease()["leaseTransitions"] != term, every=0.02)
            assert old.code == LOST_LEAD
    new.wait_until_leading()
    given.queue("line")
    given.job("one", "line", seconds=0.1)
    given.succeeded("line", 1)


def test_a_lease_that_is_deleted_begins_no_term_anew(given: User, site: Site, replicas: Replicas) -> None:
    given.queue("line")
    terms = []
    for part in range(2):
        leader = replicas(f"replica-{part}").wait_until_leading()
        terms.append(site.lease()["leaseTransitions"])
        given.job(f"job-{part}", "line", seconds=0.1)
        given.succeeded("line", part + 1)
        assert given.get_job(f"job-{part}")["metadata"]["annotations"][TERM] == str(terms[-1])
        if part == 0:
            site.admin.delete(LEASE)
            assert leader.wait_for_end() == LOST_LEAD
    assert terms[0] + 1 < terms[1] < 2**31


def test_told_to_stop_it_hands_over_at_once(
    given: User, site: Site, replicas: Replicas, settled: Settled
) -> None:
    first, second = replicas("first").wait_until_leading(), replicas("second")
    eventually(lambda: second.fetch("/readyz") == (200, "[+]standby ok\n"))
    given.queue("line", actionConcurrency=5)
    given.jobs(40, "line", seconds=0.2)
    eventually(lambda: given.status("line")["jobs"]["succeeded"] >= 5)
    term = site.lease()["leaseTransitions"]

    # With nobody there to take it, the Lease shows what was left of it: nothing to wait for.
    with second.frozen():
        assert first.stop() == 0
        lease = site.lease()
        assert (lease["holderIdentity"], lease["leaseDurationSeconds"]) == ("", 1)
        assert lease["leaseTransitions"] == term
    second.wait_until_leading()

    assert site.lease()["leaseTransitions"] == term + 1
    given.succeeded("line", 40)
    settled(given.full("line"))
    assert "Traceback" not in first.log.read_text()


def test_what_was_taken_away_while_nobody_ran_is_put_back(
    given: User, site: Site, replicas: Replicas, settled: Settled
) -> None:
    operator = replicas("before").wait_until_leading()
    given.queue("line", depth=3, dispatch={"paused": True})
    given.jobs(3, "line", seconds=0.1)
    message = given.refuses("line", "is full")

    operator.kill()
    site.free_lease()
    # The API server goes on refusing, also without any operator.
    assert given.why_refused("line") == message
    with pytest.raises(RefusedError):
        given.job("one-more", "line")
    binding = f"{VALIDATING}/headgate-job-intake-{given.full('line')}"
    site.admin.delete(binding)
    given.change_queue("line", dispatch={"paused": False})

    replicas("after").wait_until_leading()

    assert site.admin.get(binding)
    given.succeeded("line", 3)
    settled(given.full("line"))
