"""The operator is killed between two of its steps about a lost or a cancelled Job, and the next one takes the rest."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.cluster.harness.client import ENDLESS, eventually
from tests.cluster.harness.copies import annotations_of, ended
from tests.cluster.harness.invariants import CLUSTER, outcome, peaks
from tests.cluster.harness.proxy import Gate, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.client import User
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.members import Fleet
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Replicas = Callable[..., OperatorProcess]
    Settled = Callable[..., dict[str, Any]]

REQUEUED_FROM = "headgate.dev/requeued-from"
LOST = {"onClusterLost": "Requeue", "lostAfterSeconds": 5}
JOBS = 60
LIMIT = 12
"""How many of them may be active at once."""


@dataclass
class Behind:
    """An operator whose requests to the hub go through a gate, which can hold some of them back."""

    site: Site
    replicas: Replicas
    gate: Gate
    leader: OperatorProcess = field(init=False)

    def __post_init__(self) -> None:
        self.leader = self.replicas("first", server=self.gate.server).wait_until_leading()

    def die(self) -> OperatorProcess:
        """Kill it. What it has asked for and is held back never arrives. Return the one that takes over."""
        self.leader.kill()
        self.site.free_lease()
        return self.replicas("second").wait_until_leading()


@contextmanager
def behind(site: Site, replicas: Replicas) -> Iterator[Behind]:
    with Gate(site.cluster.server, site.cluster.ca_file) as gate:
        yield Behind(site, replicas, gate)


def status_of(given: User, job: str) -> str:
    """Return the first words of the requests that write a Job's status."""
    return f"PATCH {given.jobs_path}/{job}/status"


def test_between_sending_a_job_back_and_resetting_it(
    fleet: Fleet,
    given: User,
    site: Site,
    replicas: Replicas,
    settled: Settled,
) -> None:
    with Wire(fleet.members["east"].cluster.server) as wire, behind(site, replicas) as operator:
        fleet.pool("pool", fleet.cluster("east", server=wire.server), "west", **LOST)
        fleet.queue("line")
        for member in ("east", "west"):
            fleet.until_state(member, "Running")
        assert fleet.place("lost") == "east"
        fleet.until_mirrored("lost")
        with wire.held():
            fleet.until_state("east", "Pending")
            operator.gate.hold(status_of(given, "lost"))

            def sent_back() -> bool:
                body = given.get_job("lost")
                return bool(body["spec"]["suspend"])

            eventually(sent_back)
            body = given.get_job("lost")
            assert annotations_of(body)[REQUEUED_FROM] == fleet.full("east")
            assert body["status"]["startTime"], "it is reset already"

            operator.die()

            # It still says that it runs, and does not go anywhere before that is taken back.
            eventually(lambda: annotations_of(given.get_job("lost")).get(CLUSTER) == fleet.full("west"))
            eventually(lambda: any(copy["metadata"]["name"] == "lost" for copy in fleet.copies("west")))
        fleet.until_state("east", "Running")
        eventually(lambda: fleet.places() == {"lost": "west"})
        fleet.until_mirrored("lost")
        fleet.end("lost")
        given.succeeded("line", 1)
        settled(given.full("line"))


def test_between_cancelling_a_job_and_its_copy(
    fleet: Fleet, given: User, site: Site, replicas: Replicas, settled: Settled
) -> None:
    """The hub's Job says already that it is to end, and its copy has not heard of it."""
    first = replicas("first").wait_until_leading()
    with Wire(fleet.members["east"].cluster.server) as wire:
        fleet.pool("pool", fleet.cluster("east", server=wire.server))
        fleet.queue("line")
        fleet.place("doomed")
        fleet.until_mirrored("doomed")
        with wire.held():
            given.change_queue("line", state="Terminated")

            def wanted() -> list[str]:
                conditions = given.get_job("doomed")["status"].get("conditions") or ()
                return [one["reason"] for one in conditions if one["type"] == "FailureTarget"]

            eventually(lambda: wanted() == ["Canceled"])
            assert outcome(given.get_job("doomed")) is None
            assert "conditions" not in fleet.there("east").get_job("doomed")["status"]
            wire.cut()
            first.kill()
            site.free_lease()
        replicas("second").wait_until_leading()

        given.until("line", canceled=1)
        for body in (given.get_job("doomed"), fleet.there("east").get_job("doomed")):
            assert ended(body)["reason"] == "Canceled"
        assert not fleet.there("east").pods("doomed")
        settled(given.full("line"))


def test_jobs_pass_while_clusters_are_lost_and_operators_die(
    fleet: Fleet,
    given: User,
    site: Site,
    replicas: Replicas,
    recorder: Recorder,
    settled: Settled,
) -> None:
    """Every one of them succeeds, and no limit of what the hub knows is exceeded; some may run twice."""
    with Wire(fleet.members["east"].cluster.server) as wire, behind(site, replicas) as operator:
        fleet.pool("pool", fleet.cluster("east", server=wire.server), "north", "west", **LOST)
        fleet.queue("line", actionConcurrency=LIMIT)
        for member in fleet.members:
            fleet.until_state(member, "Running")
        given.jobs(JOBS // 2, "line", prefix="first", seconds=ENDLESS)
        eventually(lambda: set(fleet.places().values()) == set(fleet.members))
        given.until("line", active=LIMIT)
        with wire.held():
            fleet.until_state("east", "Pending")
            # Of those that are sent back, none is reset before it dies: it writes no status any more.
            operator.gate.hold("/status HTTP")
            eventually(lambda: any(REQUEUED_FROM in annotations_of(body) for body in given.all_jobs()))
            operator.die()
            given.jobs(JOBS // 2, "line", prefix="second", seconds=0.1)
            fleet.until_state("east", "Unknown")
            eventually(lambda: not any(at(body) == fleet.full("east") for body in given.all_jobs()))
        fleet.until_state("east", "Running")
        fleet.end_all("line", JOBS)
        settled(given.full("line"))
        eventually(fleet.settled)

    assert {outcome(body) for body in given.all_jobs()} == {"succeeded"}
    assert peaks(recorder.record(), given.full("line"))[0] <= LIMIT
    copies = fleet.checked()
    assert len(copies.proxies) == JOBS
    for uid, proxy in copies.proxies.items():
        assert len(copies.ran(uid)) <= 1 + len(proxy.left)


def at(body: dict[str, Any]) -> str | None:
    return annotations_of(body).get(CLUSTER) if outcome(body) is None else None
