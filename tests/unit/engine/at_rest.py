"""What must be right when nothing is under way any more: statuses, and that nobody is forgotten.

Every status equals a recount of what the server holds, and an operator that starts now would write the same.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.builders import stamp
from tests.unit.engine.server import as_read
from tests.unit.engine.slow_reach import share_of

from headgate.api.quantity import parse_quantity
from headgate.engine.engine import Engine
from headgate.engine.job import RESULTS, JobState
from headgate.engine.lifecycle import SETTLE_SECONDS
from headgate.engine.status import queue_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.unit.engine.server import Resources, Server
    from tests.unit.engine.slow import SlowModel

    from headgate.engine.job import Job

ARRIVED = {"Drained": "Drained", "Sealed": "Sealed", "Terminated": "Terminated"}
ON_THE_WAY = {"Drained": "Draining", "Sealed": "Sealing", "Terminated": "Terminating"}


class AtRest:
    """The comparison of what the server holds with what an operator has made of it."""

    def __init__(self, server: Server, model: SlowModel, told: set[tuple[str, str]]) -> None:
        self.server = server
        self.model = model
        self.told = told
        """UID and reason of what the operator has told of Jobs."""

    def check(self) -> None:
        self._check_statuses()
        self._check_environments()
        self._check_dependencies()
        self._check_clusters()
        self._check_stranded()

    def _check_statuses(self) -> None:
        """Every status of a queue equals a recount."""
        server = self.server
        fresh = self._fresh()
        for name, queue in server.queues.items():
            status, spec = queue.status, queue.spec
            jobs = [job for job in server.jobs.values() if job.queue == name]
            live = [job for job in jobs if job.state is not JobState.FINISHED]
            active = [job for job in live if job.state is JobState.ACTIVE]
            ended = {
                result: sum(job.result == result for job in jobs) + server.buried[name][result]
                for result in RESULTS
            }
            assert status.jobs is not None
            counted = status.jobs.model_dump(by_alias=True)
            expected_counts: dict[str, int] = {result: ended[result] for result in RESULTS}
            expected_counts["total"] = len(live) + sum(ended.values())
            expected_counts["waiting"] = len(live) - len(active)
            expected_counts["active"] = len(active)
            assert counted == expected_counts, name
            assert status.actions is not None
            assert (status.actions.active, status.actions.limit) == (len(active), spec.action_concurrency)
            assert status.depth is not None
            assert (status.depth.current, status.depth.limit) == (len(live), spec.depth)
            assert status.observed_generation == queue.metadata.generation
            expected = "Active"
            if spec.state != "Active":
                expected = ON_THE_WAY[spec.state] if live else ARRIVED[spec.state]
            assert status.state == expected
            conditions = {condition.type: condition.status for condition in status.conditions}
            stalls = self.model.stalls(queue)
            stalled = bool(stalls)
            assert (conditions["Stalled"] == "True") is stalled
            reason = next(one.reason for one in status.conditions if one.type == "Stalled")
            assert not stalled or reason in stalls, f"{name}: {reason}, not one of {stalls}"
            places = [one.name for one in sorted(spec.compute_environments, key=lambda one: one.order)]
            assert [(one.name, one.active) for one in status.compute_environments] == [
                (place, sum(job.environment == place for job in active)) for place in places
            ]
            shares = {share_of(job) for job in live} if spec.scheduling_policy else set()
            assert {
                one.identifier: (one.waiting, one.active) for one in status.shares if one.waiting + one.active
            } == {
                share: (
                    sum(share_of(job) == share for job in live)
                    - sum(share_of(job) == share for job in active),
                    sum(share_of(job) == share for job in active),
                )
                for share in shares
            }
            assert (conditions["Accepting"] == "True") is (spec.state == "Active")
            closed = stalled or spec.dispatch.paused or expected in ("Drained", "Sealed")
            closed = closed or spec.state == "Terminated"
            assert (conditions["Dispatching"] == "False") is closed
            # A fresh list tells the same, but for runs that only memory knows to have ended.
            again = queue_status(fresh.queues[name], server.version, stamp(server.now + 99))
            if again.runs == status.runs:
                # Where several may be at the head, another choice is as good; and time goes on for shares.
                same = {"head": status.head, "shares": status.shares, "accounting": status.accounting}
                open_to_choice = same if status.head or status.shares or again.head or again.shares else {}
                again = again.model_copy(update=open_to_choice)
                assert again == status, f"{again} instead of {status}"

    def _check_environments(self) -> None:
        """Usage in every status equals a recount."""
        for name, environment in self.server.environments.items():
            status = environment.status
            there = [
                job
                for job in self.server.jobs.values()
                if job.state is JobState.ACTIVE and job.environment == name
            ]
            assert status.observed_generation == environment.metadata.generation
            assert status.active == len(there)
            assert _amounts(status.requested) == _recount(there)
            assert {one.name: one.active for one in status.clusters if one.active} == {
                job.cluster: sum(other.cluster == job.cluster for other in there) for job in there
            }
            for one in status.clusters:
                assert _amounts(one.requested) == _recount([job for job in there if job.cluster == one.name])
                for resource, text in one.free.items():
                    used = _recount([job for job in there if job.cluster == one.name]).get(resource, 0)
                    room = self.model.rooms().get((name, one.name))
                    if room is not None:
                        assert parse_quantity(text) == max(room.capacity[resource] - used, 0)
            assert status.state == ("Valid" if self.model.is_valid(environment) else "Invalid")
            assert status.queues == len(self.model.users(name))

    def _check_dependencies(self) -> None:
        """Nobody waits for what cannot be any more."""
        for job in self.model.live():
            if job.state is JobState.WAITING and not job.canceling:
                assert not self.model.depends_on_failed(job), (
                    f"{job.uid} waits for a Job that did not succeed"
                )
                assert not self.model.ring(job), f"{job.uid} waits for itself"

    def _check_clusters(self) -> None:
        """Every pool says how its clusters are, and nobody is left in one that is given up."""
        server = self.server
        active = [job for job in server.jobs.values() if job.state is JobState.ACTIVE]
        there = Counter((self.model.pool_of(job), job.cluster) for job in active)
        for pool in server.pools.values():
            shown = {one.name: one for one in pool.status.clusters}
            assert shown.keys() == {member.name for member in pool.spec.clusters}
            for member in pool.spec.clusters:
                one, dead = shown[member.name], member.name in server.dead
                state = "Unknown" if dead else "Running"
                assert one.state == (state if member.state == "Enabled" else "Terminated")
                assert one.active == there[pool.name, member.name]
                assert (one.not_ready_since is not None) is dead
                assert one.message == ("no answer" if dead else None)
            if pool.spec.on_cluster_lost == "Requeue":
                well = {member.name for member in pool.spec.clusters if member.name not in server.dead}
                there_still = well | {member.name for member in pool.spec.clusters if member.local}
                left = [job for job in active if job.managed and self.model.pool_of(job) == pool.name]
                assert all(job.canceling or job.cluster in there_still for job in left)

    def _check_stranded(self) -> None:
        """Whoever can never go where its queue is has been told so, and does not wait there."""
        for job in self.server.jobs.values():
            queue = self.server.queues.get(job.queue)
            pool = self.server.pools.get(queue.spec.pool) if queue is not None else None
            if (
                pool is None
                or job.state is JobState.FINISHED
                or job.pool not in (None, pool.name)
                or job.managed is pool.spec.remote
            ):
                continue
            if not job.error:
                assert (job.uid, "WrongManager") in self.told, f"{job.uid} does not know why it waits"
            assert job.state is not JobState.WAITING or job.canceling, f"{job.uid} waits in vain"

    def _fresh(self) -> Engine:
        """An engine that has just been told everything."""
        engine, server, now = Engine(), self.server, self.server.now
        for pool in server.pools.values():
            engine.pool_changed(pool)
            for member in pool.spec.clusters:
                tell_probe(engine, server, member.name)
        for policy in server.policies.values():
            engine.scheduling_policy_changed(policy, now - SETTLE_SECONDS)
        for environment in server.environments.values():
            engine.environment_changed(environment, now - SETTLE_SECONDS)
            if environment.name in server.scales:
                engine.environment_scaled(environment.name, server.scales[environment.name], None, now)
        for queue in server.queues.values():
            engine.queue_changed(queue, now - SETTLE_SECONDS)
        engine.listed(map(as_read, server.jobs.values()), server.version, now - SETTLE_SECONDS)
        engine.decide(0, now)
        return engine


def tell_probe(engine: Engine, server: Server, cluster: str) -> None:
    """Tell an engine how a cluster is; its pool is in its name."""
    if cluster in server.dead:
        engine.cluster_silent(cluster[0], cluster, "no answer", server.now)
    else:
        engine.cluster_answered(cluster[0], cluster, "", server.now)


def _recount(jobs: Iterable[Job]) -> Resources:
    total: Resources = {}
    for job in jobs:
        for name, amount in job.request.total:
            total[name] = total.get(name, 0) + amount
    return total


def _amounts(listed: Mapping[str, str]) -> Resources:
    return {name: amount for name, text in listed.items() if (amount := parse_quantity(text))}
