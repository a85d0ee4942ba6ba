"""How many machines an environment should have, slow: from all that runs there and all that waits for it."""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from tests.unit.engine.slow_choice import Choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.unit.engine.slow import SlowModel
    from tests.unit.engine.slow_room import Room

    from headgate.api.computeenvironment import ComputeEnvironment, ComputeEnvironmentSpec
    from headgate.api.jobqueue import JobQueue
    from headgate.engine.job import Job


class Bracket(NamedTuple):
    """A number that is not certain: the least and the most that it may be."""

    least: int
    most: int


class Machines:
    """What is wanted of each environment that scales, and since when nobody has used it."""

    def __init__(self, model: SlowModel) -> None:
        self.model = model
        self._last_live: dict[str, float] = {}
        """By queue: when it last had a live Job; infinite while it has one."""
        self._known_since: dict[str, float] = {}
        """By environment: since when it is known."""
        self._seen_idle: dict[str, float] = {}
        """By environment: since when somebody has seen that none of the queues that use it has a live Job."""
        self._users: dict[str, frozenset[str]] = {}

    def settle(self) -> None:
        """Take note of who is idle."""
        model = self.model
        for queue in self._last_live.keys() - model.queues.keys():
            del self._last_live[queue]
        for queue in model.queues:
            if model.live(queue):
                self._last_live[queue] = inf
            elif self._last_live.get(queue) == inf:
                self._last_live[queue] = model.now
        scaled = {name for name, one in model.environments.items() if one.spec.scaling is not None}
        for name in self._users.keys() - scaled:
            del self._users[name], self._known_since[name]
            self._seen_idle.pop(name, None)
        for name in scaled:
            users = model.users(name)
            self._known_since.setdefault(name, model.now)
            if self._users.get(name) != users or self._used_until(name, users) == inf:
                self._seen_idle.pop(name, None)
            self._users[name] = users

    def _used_until(self, name: str, users: Iterable[str]) -> float:
        """When a queue that uses an environment last had a live Job, as far as it is known."""
        return max(self._known_since[name], *(self._last_live.get(user, 0.0) for user in users), 0.0)

    def check(self, scales: dict[str, int]) -> None:
        """Check how many machines are wanted, for those environments where that is not what is asked for already."""
        rooms = self.model.rooms()
        for name, environment in self.model.environments.items():
            reading = self.model.readings.get(name)
            if environment.spec.scaling is None or reading is None:
                assert name not in scales
                continue
            least, most = self._wanted(
                environment, [room for room in rooms.values() if room.place[0] == name]
            )
            found = scales.get(name, reading.replicas)
            assert least <= found <= most, f"{found} machines are wanted in {name}, not {least} to {most}"

    def _wanted(self, environment: ComputeEnvironment, rooms: Iterable[Room]) -> Bracket:
        """How many machines an environment should have, at least and at most."""
        spec, name = environment.spec, environment.name
        assert spec.scaling is not None
        tenants = [tenant.demand for room in rooms for tenant in room.tenants]
        users = [self.model.queues[user] for user in self._users[name]]
        choice = Choice(self.model)
        could = [dict(job.request.total) for user in users for job in self._could_go(user, name, choice)]
        admitted, all_of_it = _machines(spec, tenants), _machines(spec, tenants + could)
        asked_for = self.model.readings[name].replicas
        times = [spec.scaling.idle_timeout_seconds]
        if len(users) == 1:
            times.append(users[0].spec.idle_timeout_seconds)
        timeout = min((time for time in times if time), default=inf)
        used_until = self._used_until(name, self._users[name])
        # Whoever asks seldom learns late that nothing is live any more.
        over = (
            used_until < inf
            and not tenants
            and self.model.now - self._seen_idle.setdefault(name, self.model.now) >= timeout
        )
        perhaps_over = not tenants and self.model.now - used_until >= timeout
        least = max(spec.scaling.min, admitted)
        most = max(least, min(spec.scaling.max, all_of_it))
        if not over:
            most = max(most, min(asked_for, spec.scaling.max))
        if not perhaps_over:
            least = max(least, min(asked_for, spec.scaling.max))
        if len(users) == 1:
            sure = self._sure_to_go(users[0], list(rooms), choice)
            least = max(least, _machines(spec, [*tenants, sure]))
        return Bracket(min(least, spec.scaling.max), most)

    def _could_go(self, queue: JobQueue, environment: str, choice: Choice) -> list[Job]:
        """The waiting Jobs of a queue that an environment could ever hold, if they may all come to go."""
        heads = choice.heads(queue.name)
        if queue.spec.head_of_line == "Block" and not any(choice.reach(head.uid) for head in heads):
            return []
        return [
            job
            for job in self.model.eligible(queue.name)
            if any(room.place[0] == environment for room in choice.reach(job.uid))
        ]

    def _sure_to_go(self, queue: JobQueue, rooms: list[Room], choice: Choice) -> dict[str, int]:
        """At least so much is asked for by those that go if the only room of a queue is scaled up.

        Nothing is sure where it has other rooms, or something else than their number and room is in the way.
        """
        spec, model = queue.spec, self.model
        jobs = model.open_jobs(queue.name)
        fitting = [job for job in jobs if choice.reach(job.uid)]
        hopeless = len(fitting) < len(jobs)
        if (
            (hopeless and spec.head_of_line == "Block")
            or spec.run_concurrency
            or len(spec.compute_environments) > 1
            or len(rooms) != 1
            or model.kept(queue)
        ):
            return {}
        amounts: dict[str, list[int]] = defaultdict(list)
        for job in fitting:
            for resource, amount in job.request.total:
                amounts[resource].append(amount)
        room = rooms[0]
        if any(
            sum(amounts[resource]) + room.used(resource) > bound for resource, bound in room.potential.items()
        ):
            return {}
        count = len(fitting)
        if spec.action_concurrency:
            active = sum(model.is_active(job) for job in model.live(queue.name))
            # The head keeps its place, also where it can never go.
            count = min(count, max(spec.action_concurrency - active - hopeless, 0))
        return {
            resource: sum(sorted(each + [0] * (len(fitting) - len(each)))[:count])
            for resource, each in amounts.items()
        }


def _machines(spec: ComputeEnvironmentSpec, demands: Iterable[dict[str, int]]) -> int:
    """How many machines hold so much together, resource by resource."""
    total: dict[str, int] = defaultdict(int)
    for demand in demands:
        for resource, amount in demand.items():
            total[resource] += amount
    return max((-(-total[resource] // size) for resource, size in spec.shape_amounts), default=0)
