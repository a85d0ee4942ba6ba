"""Which Jobs a list has: Flux's filters, and what of them the API server itself can select by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from headgate.api.names import QUEUE_LABEL
from headgate.client._connection import field_value
from headgate.client._job_info import RESULTS, STATES, settled
from headgate.client._keywords import check_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from headgate.client._job_info import JobInfo


class JobSelection(TypedDict, total=False):
    """Which Jobs; all are optional, and a Job has to meet all that are given."""

    filters: str | Sequence[str]
    """States (`STATES`) and results (`RESULTS`), of which it has one; or text with commas between them."""
    queue: str | None
    user: str | None
    """Who submitted it, as the API server authenticated them."""
    name: str | None
    label_selector: str | None
    """A selector of its labels, as ``kubectl -l`` takes it: ``"app=train,tier!=test"``."""
    namespace: str | None
    """If not the client's."""
    all_namespaces: bool
    """Jobs of all namespaces, which needs the right to list Jobs in the whole cluster."""


class JobFilters(JobSelection, total=False):
    """Which Jobs a list has, and in what order."""

    since: float
    """Of finished Jobs, those that ended after this, in seconds since the epoch."""
    sort: str | Sequence[str]
    """name, namespace, created, started, finished, state, queue, user, project, priority or runtime, with ``:asc`` or
    ``:desc`` behind it, or several; it is still the newest that are listed."""
    limit: int
    """How many at most, 1000 unless given; 0 for all."""
    on_left_out: Callable[[int], object]
    """Called, before the first Job is given, with how many more there are, if the list is cut short by `limit`."""
    page_size: int | None
    """How many the API server is asked for at a time, 500 unless given; 0 for all at once."""


MAX_ENTRIES: Final = 1000
"""How many Jobs a list has unless it is told otherwise."""


def check_filters(given: Mapping[str, object]) -> None:
    """Raise TypeError for a filter that lists do not have."""
    check_keywords(given, JobFilters.__annotations__, "a list of Jobs has")


def check_selection(given: Mapping[str, object]) -> None:
    """Raise TypeError for a filter that watches do not have."""
    check_keywords(given, JobSelection.__annotations__, "a watch of Jobs has")


def query_of(given: JobSelection, since: float = 0.0) -> JobQuery:
    """Return what a Job must be; raises ValueError for a filter that is neither a state nor a result."""
    filters, labels = given.get("filters", ()), given.get("label_selector")
    return JobQuery.of(filters, given.get("queue"), given.get("user"), given.get("name"), since, labels)


def words_of(given: str | Iterable[str]) -> list[str]:
    """Return the words in a text, or in several, that are separated by commas, in lower case."""
    texts = [given] if isinstance(given, str) else given
    return [word.strip().lower() for text in texts for word in text.split(",") if word.strip()]


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
    label_selector: str | None = None

    @classmethod
    def of(
        cls,
        filters: str | Sequence[str],
        queue: str | None = None,
        user: str | int | None = None,
        name: str | None = None,
        since: float = 0.0,
        label_selector: str | None = None,
    ) -> JobQuery:
        """Return a query; raises ValueError for a filter that is neither a state nor a result."""
        states: set[str] = set()
        results: set[str] = set()
        words = words_of(filters)
        for word in words:
            if word in STATES:
                states |= STATES[word]
            elif word in RESULTS:
                results.add(word)
                states.add("inactive")
            else:
                known = ", ".join((*STATES, *RESULTS))
                raise ValueError(f"filters: must be some of {known}, not {word!r}")
        if "inactive" in words:
            results.clear()
        who = None if user is None or user in ("all", "*") else str(user)
        return cls(frozenset(states), frozenset(results), queue, who, name, since, label_selector)

    @property
    def labels(self) -> str:
        """The label selector."""
        own = QUEUE_LABEL if self.queue is None else f"{QUEUE_LABEL}={self.queue}"
        return f"{own},{self.label_selector}" if self.label_selector else own

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
