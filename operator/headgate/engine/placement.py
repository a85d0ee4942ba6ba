"""Which clusters a queue may reach, and which one a Job goes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headgate.api.meta import ClusterState

ANY: Final = "*"


@dataclass(slots=True)
class Cluster:
    """A cluster of a pool, as it is now."""

    name: str
    enabled: bool = True
    state: ClusterState = "Running"
    version: str = ""
    message: str = ""

    @property
    def shown_state(self) -> ClusterState:
        """The state as a status shows it: a disabled cluster is out of service, healthy or not."""
        return self.state if self.enabled else "Terminated"

    @property
    def takes_jobs(self) -> bool:
        """Whether it is enabled and healthy."""
        return self.enabled and self.state == "Running"


class Stall(NamedTuple):
    """Why a queue cannot let anything through until somebody changes something."""

    reason: str
    message: str


class Reach(NamedTuple):
    """What a selector resolves to."""

    names: tuple[str, ...]
    """The clusters selected, healthy or not, sorted."""
    open: tuple[str, ...]
    """Those among them that take Jobs."""
    stall: Stall | None


def resolve(selector: Iterable[str], pool: str, clusters: Mapping[str, Cluster] | None) -> Reach:
    """Resolve a queue's `spec.clusters` within its pool; `clusters` is None where the pool does not exist."""
    selected = sorted(selector)
    if clusters is None:
        stall = Stall(
            "PoolNotFound", f'ClusterPool "{pool}" does not exist: create it, and the queue goes on by itself'
        )
        return Reach((), (), stall)
    if selected == [ANY]:
        names = tuple(sorted(name for name, cluster in clusters.items() if cluster.enabled))
    else:
        foreign = [name for name in selected if name not in clusters]
        if foreign:
            known = ", ".join(sorted(clusters)) or "none"
            stall = Stall(
                "ClusterNotInPool",
                f'spec.clusters: {", ".join(foreign)} not in ClusterPool "{pool}" (its clusters: {known})',
            )
            return Reach((), (), stall)
        names = tuple(selected)
    takers = tuple(name for name in names if clusters[name].takes_jobs)
    if takers:
        return Reach(names, takers, None)
    stall = Stall(
        "NoHealthyCluster",
        f'no cluster of ClusterPool "{pool}" that the queue may reach is enabled and healthy',
    )
    return Reach(names, (), stall)


def choose(reach: Reach) -> str:
    """Choose a cluster for a Job among the open ones, of which there is at least one: the first by name."""
    return reach.open[0]
