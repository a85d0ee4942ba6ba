"""Scheduling policies, and the queues that go by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.api.schedulingpolicy import SchedulingPolicy
    from headgate.engine.queue import Queue


class Policy:
    """One scheduling policy, with or without its SchedulingPolicy object: queues may come first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.resource: SchedulingPolicy | None = None
        self.broken: str | None = None
        """Why the newest version of the object could not be read: the last good one stays in force."""
        self.queues: dict[str, Queue] = {}
        """The queues that name it, by name."""


class Policies:
    """All policies by name, those that only a queue speaks of too."""

    def __init__(self) -> None:
        self.by_name: dict[str, Policy] = {}
        self.dirty: dict[str, None] = {}
        """Policies whose status may have changed; who writes statuses empties it."""

    def known(self, name: str) -> Policy:
        """Return a policy; one that was never heard of is taken note of."""
        policy = self.by_name.get(name)
        if policy is None:
            policy = self.by_name[name] = Policy(name)
        return policy

    def set_resource(self, name: str, resource: SchedulingPolicy | None) -> list[Queue]:
        """Take a version of a policy's object, or None when it is gone; return the queues that go by it."""
        policy = self.known(name)
        policy.resource, policy.broken = resource, None
        self.dirty[name] = None
        queues = list(policy.queues.values())
        for queue in queues:
            queue.set_policy(resource)
        self._forget_if_idle(policy)
        return queues

    def follow(self, queue: Queue) -> None:
        """Have a queue go by the policy that it names now."""
        named = queue.resource.spec.scheduling_policy if queue.resource is not None else None
        for policy in list(self.by_name.values()):
            if policy.name != named and policy.queues.pop(queue.name, None) is not None:
                self.dirty[policy.name] = None
                self._forget_if_idle(policy)
        if named is not None:
            policy = self.known(named)
            if policy.queues.get(queue.name) is not queue:
                policy.queues[queue.name] = queue
                self.dirty[named] = None
            queue.set_policy(policy.resource)

    def _forget_if_idle(self, policy: Policy) -> None:
        if policy.resource is None and not policy.queues:
            del self.by_name[policy.name]
            self.dirty.pop(policy.name, None)
