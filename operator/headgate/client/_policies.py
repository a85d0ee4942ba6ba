"""Scheduling policies: read only. They are set up by whoever runs the clusters, with kubectl or GitOps."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from headgate.client._collection import AsyncListed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headgate.api.schedulingpolicy import SchedulingPolicy
    from headgate.client._events import EventType


class PolicyEvent(NamedTuple):
    """What has happened to a policy, and the policy as it is since, or was last."""

    type: EventType
    policy: SchedulingPolicy


class AsyncPolicies(AsyncListed["SchedulingPolicy"]):
    """The SchedulingPolicies of the cluster."""

    _plural = "schedulingpolicies"
    _kind = "SchedulingPolicy"

    def _model(self) -> type[SchedulingPolicy]:
        from headgate.api.schedulingpolicy import SchedulingPolicy

        return SchedulingPolicy

    async def watch(
        self, name: str | None = None, *, label_selector: str | None = None, after: str | None = None
    ) -> AsyncIterator[PolicyEvent]:
        """Yield an ADDED for each that `list` would list, and each change from then on.

        With `after`, a resourceVersion (see `version`), only what has changed since is told. It goes on over reconnects
        until it is closed. Raises `ForbiddenError` and `UnreachableError`.
        """
        async with aclosing(self._changes(name, after, labels=label_selector)) as events:
            async for event in events:
                yield PolicyEvent(*event)
