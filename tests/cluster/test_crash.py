"""The operator is killed, frozen, and told to stop, in the middle of everything."""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import RefusedError, User, eventually
from tests.cluster.harness.cluster import VALIDATING
from tests.cluster.harness.invariants import ADMITTED_AT, outcome, peaks, why_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Replicas = Callable[[str], OperatorProcess]
    Settled = Callable[..., dict[str, Any]]

TERM = "headgate.dev/term"
KILLS = 10


def test_killed_again_and_again(
    given: User, site: Site, replicas: Replicas, recorder: Recorder, settled: Settled
) -> None:
    """400 Jobs and more over four queues; whoever leads is killed at random moments, ten times."""
    rng = random.Random(4)
    leader, standby = replicas("replica-0").wait_until_leading(), replicas("replica-1")
    given.queue("actions", actionConcurrency=6)
    given.queue("runs", runConcurrency=2)
    given.queue("both", actionConcurrency=8, runConcurrency=5, executionMode="LIFO")
    given.queue("depth", actionConcurrency=10, depth=30)
    for queue in ("actions", "runs", "both", "depth"):
        given.accepts(queue)
    accepted = dict.fromkeys(("actions", "runs", "both", "depth"), 0)

    def submit(queue: str, count: int, prefix: str, **options: Any) -> None:
        bodies, _ = given.many(count, queue, prefix=prefix, seconds=0.2, **options)
        accepted[queue] += len(bodies)

    for part in range(2):
        submit("actions", 40, f"actions-good-{part}")
        submit("actions", 10, f"actions-bad-{part}", fail=True)
        for run in range(10):
            submit("runs", 5, f"runs-{part}-{run}", labels={"headgate.dev/run": f"{part}-{run}"})
        submit("both", 90, f"both-{part}")
        submit("depth", 50, f"depth-{part}")

    kills = 0
    terms = [site.lease()["leaseTransitions"]]
    while kills < KILLS:
        time.sleep(rng.uniform(0.3, 1.2))
        leader.kill()
        kills += 1
        # Expiry is what the handover's test waits for; here the next one takes over at once.
        site.free_lease()
        # Whichever of the two asks first.
        rivals = [standby, replicas(f"replica-{kills + 1}")]
        leader, standby = leading(rivals)
        terms.append(site.lease()["leaseTransitions"])
        if kills % 3 == 0:
            submit("depth", 10, f"depth-late-{kills}")

    assert any(given.status(queue)["depth"]["current"] for queue in accepted), "all was over before the kills"
    assert terms == list(range(terms[0], terms[0] + KILLS + 1))

    def finished() -> bool:
        left = {queue: given.status(queue)["depth"]["current"] for queue in accepted}
        assert not any(left.values()), left
        return True

    eventually(finished, within=120, every=0.5)
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
    assert given.status("actions")["jobs"]["failed"] == 20
    record = recorder.record()
    assert peaks(record, given.full("actions"))[0] == 6
    assert peaks(record, given.full("runs"))[1] == 2
    assert peaks(record, given.full("both"))[1] == 5
    used = {body["metadata"]["annotations"][TERM] for body in jobs if outcome(body) != "canceled"}
    assert len(used) >= 5, "too few of the leaders admitted anything for this to be a test"
    standby.kill()


def leading(rivals: list[OperatorProcess]) -> list[OperatorProcess]:
    """Wait until one of them leads, and return it first."""
    eventually(lambda: any(rival.leads for rival in rivals), within=60)
    return sorted(rivals, key=lambda rival: not rival.leads)


def test_a_frozen_leader_wakes_up_deposed(
    given: User, site: Site, replicas: Replicas, settled: Settled
) -> None:
    if site.cluster.audit_log is None:
        pytest.skip("needs the API server's audit log")
    old = replicas("old").wait_until_leading()
    term = site.lease()["leaseTransitions"]
    new = replicas("new")
    given.queue("line", actionConcurrency=4)
    given.queue("free")
    given.jobs(30, "line", seconds=0.3)
    eventually(lambda: given.status("line")["jobs"]["succeeded"] >= 4)

    old.signal(signal.SIGSTOP)
    # Little may happen while it is frozen: what it is to wake up to must fit into the buffers of its connections.
    given.change_queue("line", dispatch={"paused": True})
    new.wait_until_leading()
    assert site.lease()["leaseTransitions"] == term + 1
    # The new one is held still for a moment, so that what the old one tries is not already done; and the API server,
    # so that the old one tries before it is told that another leads.
    new.signal(signal.SIGSTOP)
    since = site.audit_size()
    given.jobs(10, "free", prefix="free", seconds=0.1)
    time.sleep(0.5)
    with site.frozen_api_server():
        old.signal(signal.SIGCONT)
        time.sleep(1)

    assert old.wait_for_end() == 3
    refused = [
        entry
        for entry in site.audit(since)
        if entry["verb"] == "patch" and entry["responseStatus"]["code"] in (403, 422)
    ]
    new.signal(signal.SIGCONT)
    assert refused, "the old leader tried nothing"
    assert "is not the current term" in refused[0]["responseStatus"]["message"]
    assert not [body for body in given.all_jobs() if body["metadata"]["name"].startswith("free")
                and body["metadata"]["annotations"].get(TERM) == str(term)]  # fmt: skip
    given.change_queue("line", dispatch={"paused": False})
    given.succeeded("line", 30)
    given.succeeded("free", 10)
    for queue in ("line", "free"):
        settled(given.full(queue))
    terms = [body["metadata"]["annotations"][TERM] for body in given.all_jobs()]
    assert set(terms) == {str(term), str(term + 1)}


def test_told_to_stop_it_hands_over_at_once(
    given: User, site: Site, replicas: Replicas, settled: Settled
) -> None:
    first, second = replicas("first").wait_until_leading(), replicas("second")
    eventually(lambda: second.fetch("/readyz") == (200, "[+]standby ok\n"))
    given.queue("line", actionConcurrency=5)
    given.jobs(40, "line", seconds=0.2)
    eventually(lambda: given.status("line")["jobs"]["succeeded"] >= 5)
    term = site.lease()["leaseTransitions"]

    began = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - began < 3
    second.wait_until_leading(within=10)
    assert time.monotonic() - began < 6

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
