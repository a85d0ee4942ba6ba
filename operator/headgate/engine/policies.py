"""Scheduling policies, and the queues that go by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.api.schedulingpolicy import SchedulingPolicy


class Policy:
    """One scheduling policy, with or without its SchedulingPolicy object: queues may come first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.resource: SchedulingPolicy | None = None
        self.broken: str | None = None
        """Why the newest version of the object could not be read: the last good one stays in force."""
        self.queues: set[str] = set()
        """Names of the queues that name it."""
