"""300 Jobs pass while everything that can break does, and each of them is done once."""

from __future__ import annotations

import random
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.cluster.harness.client import ENDLESS, eventually
from tests.cluster.harness.cluster import SYSTEM
from tests.cluster.harness.copies import annotations_of
from tests.cluster.harness.invariants import ADMITTED_AT, QUEUE, outcome, peaks, why_failed
from tests.cluster.harness.operator import LOST_LEAD
from tests.cluster.harness.proxy import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.client import User
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.members import Fleet, Member
    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder

    Replicas = Callable[..., OperatorProcess]

PARTS = 6
LIMIT = 24
"""How many of queue "limited" may be active at once."""


@dataclass
class Replica:
    """Whoever leads, and the one after it."""

    site: Site
    make: Replicas
    leader: OperatorProcess = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.leader = self._next()

    def _next(self) -> OperatorProcess:
        self.count += 1
        return self.make(f"replica-{self.count}").wait_until_leading()

    def kill(self) -> None:
        """Kill the leader; the next one takes over at once."""
        self.leader.kill()
        self.site.free_lease()
        self.leader = self._next()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the leader, and wake it up when another one leads: it has to go by itself then."""
        old = self.leader
        old.signal(signal.SIGSTOP)
        try:
            self.site.free_lease()
            self.leader = self._next()
            yield
        finally:
            old.signal(signal.SIGCONT)
        assert old.wait_for_end() == LOST_LEAD


@dataclass
class Key:
    """A token of a member's ServiceAccount that lasts as long as a Secret there."""

    member: Member
    number: int = 0

    def turn(self) -> tuple[str, Callable[[], object]]:
        """Return a new token, and what revokes it."""
        self.number += 1
        name, admin = f"key-{self.number}", self.member.admin
        secrets = f"/api/v1/namespaces/{SYSTEM}/secrets"
        secret = admin.create(secrets, {"metadata": {"name": name}})
        token = self.member.new_token(
            boundObjectRef={
                "apiVersion": "v1",
                "kind": "Secret",
                "name": name,
                "uid": secret["metadata"]["uid"],
            }
        )
        return token, lambda: admin.delete(f"{secrets}/{name}")


def test_all_jobs_are_done_once(
    fleet: Fleet, given: User, site: Site, replicas: Replicas, recorder: Recorder
) -> None:
    rng = random.Random(5)
    key = Key(fleet.members["west"])
    token, revoke = key.turn()
    gone: set[str] = set()
    north = fleet.members["north"].cluster
    fleet.recorders["north"].may_relist = True
    operators = Replica(site, replicas)
    with Wire(fleet.members["east"].cluster.server) as wire:
        fleet.pool(
            "pool",
            fleet.cluster("east", server=wire.server),
            "north",
            fleet.cluster("west", token=token),
            lostAfterSeconds=5,
        )
        fleet.queue("limited", actionConcurrency=LIMIT)
        fleet.queue("free")
        for member in fleet.members:
            fleet.until_state(member, "Running")

        def submit(part: int) -> None:
            given.jobs(40, "limited", prefix=f"limited-{part}", seconds=rng.choice((0.1, 0.5, 1)))
            given.jobs(10, "free", prefix=f"free-{part}", seconds=0.3)

        def halfway(part: int) -> None:
            """Wait until a good part of what was submitted last has gone, which no fault may keep up for ever."""
            wanted = 25 * part
            eventually(lambda: sum(outcome(body) is not None for body in given.all_jobs()) >= wanted)

        # Somebody deletes Jobs in the hub, and copies in the members.
        given.jobs(6, "free", prefix="deleted", seconds=ENDLESS)
        fleet.until_mirrored(*(f"deleted-{number:04}" for number in range(6)))
        submit(1)
        for number in range(3):
            given.client.delete(f"{given.jobs_path}/deleted-{number:04}")
            gone.add(f"deleted-{number:04}")
        operators.kill()
        for number in range(3, 6):
            there = fleet.there(fleet.copy(f"deleted-{number:04}")[0])
            there.client.delete(f"{there.jobs_path}/deleted-{number:04}")

        submit(2)
        halfway(1)
        north.stop_component("kube-apiserver")
        submit(3)
        with wire.held():
            operators.kill()
            submit(4)
            for member in ("north", "east"):
                fleet.until_state(member, "Unknown")
            with operators.frozen():
                north.start_component("kube-apiserver")
                fleet.until_state("north", "Running")
            for body in rng.sample(given.all_jobs(), 5):
                gone.add(body["metadata"]["name"])
                given.client.delete(f"{given.jobs_path}/{body['metadata']['name']}")

        token, revoke_next = key.turn()
        fleet.cluster("west", token=token)
        revoke()
        submit(5)
        wire.cut()
        halfway(2)
        operators.kill()
        submit(6)
        fleet.until_state("east", "Running")

        def finished() -> bool:
            left = {queue: given.status(queue)["depth"]["current"] for queue in ("limited", "free")}
            assert not any(left.values()), left
            return True

        eventually(finished, within=900, every=0.5)
        eventually(fleet.settled)
    revoke_next()

    jobs = {body["metadata"]["name"]: body for body in given.all_jobs()}
    assert len(jobs) == 50 * PARTS + 6 - len(gone)
    for name, body in jobs.items():
        if name.startswith("deleted"):
            assert why_failed(body) == "CopyDeleted", name
        else:
            assert outcome(body) == "succeeded", name
    for queue in ("limited", "free"):
        counts = given.status(queue)["jobs"]
        ours = [
            outcome(body)
            for name, body in jobs.items()
            if body["metadata"]["labels"][QUEUE] == given.full(queue)
        ]
        # Those that were deleted after they had finished still count.
        assert (counts["waiting"], counts["active"], counts["failed"]) == (0, 0, ours.count("failed"))
        assert 0 <= counts["succeeded"] - ours.count("succeeded") <= len(gone)
    assert peaks(recorder.record(), given.full("limited"))[0] <= LIMIT
    copies = fleet.checked()
    assert len(copies.proxies) == 50 * PARTS + 6
    once = [len(copies.ran(uid)) for uid in copies.proxies]
    assert max(once) == 1
    for uid, proxy in copies.proxies.items():
        if not proxy.gone:
            assert len(copies.copies[uid]) == len(copies.ran(uid)) == len(proxy.admissions) == 1
            (stamp,) = proxy.admissions
            assert annotations_of(proxy.body)[ADMITTED_AT] == stamp
    used = {copy.cluster for found in copies.copies.values() for copy in found.values()}
    assert used == set(map(fleet.full, fleet.members))
