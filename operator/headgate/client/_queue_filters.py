"""Which queues a list has, and in what order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypedDict, get_args

from headgate.api.names import CREATED_BY_ANNOTATION
from headgate.client._keywords import check_keywords
from headgate.client._sorting import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.client._sorting import Fields

Json = dict[str, Any]

PROJECT_TAG: Final = "project"


class QueueSelection(TypedDict, total=False):
    """Which queues; all are optional, and a queue has to meet all that are given."""

    id: str | None
    """Its UID."""
    creator: str | None
    """The user who created it."""
    pool: str | None
    project: str | None
    """The value of the queue's tag ``project``: a queue itself belongs to no project, its Jobs do."""
    state: str | Sequence[str] | None
    """``status.state``, or several of which it has one."""
    cluster_state: str | None
    """The state that one of its clusters has: Running, Pending, Terminated or Unknown."""
    tags: Mapping[str, str | Sequence[str]] | Sequence[str] | None
    """For each key the value, or several of which it has one; or ``["team:search", "gpu"]``: a key alone is enough."""
    label_selector: str | None
    """A selector of its labels, as ``kubectl -l`` takes it: ``"team=search,tier!=test"``."""
    all: bool
    """Sealed queues too; they are left out of lists unless `state` asks for them."""


class QueueFilters(QueueSelection, total=False):
    """Which queues a list has, and in what order."""

    name: str | None
    """A name, or a pattern such as ``team-*``."""
    sort: str | Sequence[str]
    """A field of `SORT_FIELDS`, with ``:asc`` or ``:desc`` behind it, or several: ``["pool", "created:desc"]``."""
    limit: int | None
    """How many at most; None or 0 for all."""
    page_size: int | None
    """How many the API server is asked for at a time, 500 unless given; 0 for all at once."""


def creator_of(raw: Json) -> str | None:
    """Return who created a queue, as the API server authenticated them."""
    by = _status(raw).get("createdBy") or (raw["metadata"].get("annotations") or {}).get(
        CREATED_BY_ANNOTATION
    )
    return str(by) if by else None


def _pool(raw: Json) -> str | None:
    return str(raw["spec"]["pool"])


def _state(raw: Json) -> str | None:
    state = _status(raw).get("state")
    return str(state) if state else None


def _cluster_state(raw: Json) -> str | None:
    return ",".join(sorted(_cluster_states(raw))) or None


def _priority(raw: Json) -> int | None:
    from headgate.api.jobqueue import PRIORITIES

    priority = raw["spec"].get("priority", "medium")
    return PRIORITIES[priority] if isinstance(priority, str) else int(priority)


SORT: Final[Fields[Json]] = {
    **METADATA,
    "creator": creator_of,
    "pool": _pool,
    "state": _state,
    "cluster-state": _cluster_state,
    "priority": _priority,
}
SORT_FIELDS: Final = tuple(SORT)
"""What a list of queues can be sorted by."""


def check_filters(given: Mapping[str, object]) -> None:
    """Raise TypeError for a filter that lists do not have."""
    check_keywords(given, QueueFilters.__annotations__, "a list of queues has")


def check_selection(given: Mapping[str, object]) -> None:
    """Raise TypeError for a filter that watches do not have."""
    check_keywords(given, QueueSelection.__annotations__, "a watch of queues has")


def selectors(filters: QueueSelection) -> dict[str, str]:
    """Return what the API server itself selects by."""
    fields = {}
    if (pool := filters.get("pool")) is not None:
        fields["spec.pool="] = pool
    if not filters.get("all") and not filters.get("state"):
        fields["spec.state!="] = "Sealed"
    return fields


def matcher(filters: QueueSelection) -> Callable[[Json], bool]:
    """Return whether a queue meets the filters that the API server does not know; raises ValueError for wrong ones."""
    from headgate.api.jobqueue_status import State
    from headgate.api.meta import ClusterState

    states = _known("state", filters.get("state"), get_args(State))
    cluster_states = _known("cluster_state", filters.get("cluster_state"), get_args(ClusterState))
    uid, creator, project = filters.get("id"), filters.get("creator"), filters.get("project")
    tags = _tags(filters.get("tags"))

    def matches(raw: Json) -> bool:
        own = raw["spec"].get("tags") or {}
        return (
            (uid is None or raw["metadata"]["uid"] == uid)
            and (not states or _state(raw) in states)
            and (not cluster_states or not cluster_states.isdisjoint(_cluster_states(raw)))
            and (creator is None or creator_of(raw) == creator)
            and (project is None or own.get(PROJECT_TAG) == project)
            and all(key in own and (not values or own[key] in values) for key, values in tags.items())
        )

    return matches


def _known(name: str, given: str | Sequence[str] | None, known: Sequence[str]) -> frozenset[str]:
    values = frozenset([given] if isinstance(given, str) else given or ())
    if wrong := sorted(values - set(known)):
        raise ValueError(f"{name}: must be one of {', '.join(known)}, not {wrong[0]!r}")
    return values


def _tags(given: Mapping[str, str | Sequence[str]] | Sequence[str] | None) -> dict[str, set[str]]:
    """Return the values that each key may have; none for any."""
    if isinstance(given, Mapping):
        return {key: {value} if isinstance(value, str) else set(value) for key, value in given.items()}
    tags: dict[str, set[str]] = {}
    for one in [given] if isinstance(given, str) else given or ():
        cut = min((at for at in (one.find("="), one.find(":")) if at > 0), default=len(one))
        tags.setdefault(one[:cut], set()).update([one[cut + 1 :]] if cut < len(one) else [])
    return tags


def _status(raw: Json) -> Json:
    return raw.get("status") or {}


def _cluster_states(raw: Json) -> set[str]:
    return {cluster.get("state", "Unknown") for cluster in _status(raw).get("clusters") or ()}
