"""Which Jobs a list has: Flux's filters, and what of them the API server itself can select by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.api.names import QUEUE_LABEL
from headgate.client._connection import field_value
from headgate.client._job_info import RESULTS, STATES, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.client._job_info import JobInfo


@dataclass(frozen=True)
class JobQuery:
    """What a Job must be to be listed; nothing for what does not matter."""

    states: frozenset[str]
    results: frozenset[str]
    """Of a finished Job; Jobs that are not finished go by their state."""
    queue: str | None
    user: str | None
    name: str | None
    since: float
    """Finished Jobs must have ended after this, in seconds since the epoch."""

    @classmethod
    def of(
        cls,
        filters: str | Sequence[str],
        queue: str | None,
        user: str | int | None,
        name: str | None,
        since: float,
    ) -> JobQuery:
        """Return a query; raises ValueError for a filter that is neither a state nor a result."""
        states: set[str] = set()
        results: set[str] = set()
        for given in [filters] if isinstance(filters, str) else filters:
            word = given.lower()
            if word in STATES:
                states |= STATES[word]
            elif word in RESULTS:
                results.add(word)
                states.add("inactive")
            else:
                known = ", ".join((*STATES, *RESULTS))
                raise ValueError(f"filters: must be some of {known}, not {given!r}")
        if "inactive" in states and any(
            word.lower() == "inactive" for word in ([filters] if isinstance(filters, str) else filters)
        ):
            results.clear()
        who = None if user is None or user in ("all", "*") else str(user)
        return cls(frozenset(states), frozenset(results), queue, who, name, since)

    @property
    def labels(self) -> str:
        """The label selector."""
        return QUEUE_LABEL if self.queue is None else f"{QUEUE_LABEL}={self.queue}"

    @property
    def fields(self) -> str:
        """The field selector."""
        return "" if self.name is None else f"metadata.name={field_value(self.name)}"

    def may_match(self, info: JobInfo) -> bool:
        """Whether a Job is listed as far as that does not depend on other Jobs."""
        if self.user is not None and info.username != self.user:
            return False
        if info.t_inactive is not None and info.t_inactive <= self.since:
            return False
        return self.matches(info) or (info.state == "depend" and self.matches(settled(info)))

    def matches(self, info: JobInfo) -> bool:
        """Whether a Job is listed, once its state is known."""
        if self.states and info.state not in self.states:
            return False
        return not self.results or info.result is None or info.result in self.results
