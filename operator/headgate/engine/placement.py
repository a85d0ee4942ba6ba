"""The clusters of a pool: how they are, which of them a queue may reach, and which one a Job goes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from headgate.api.meta import ClusterState
    from headgate.engine.occupancy import Occupancy

ANY: Final = "*"


@dataclass(slots=True)
class Cluster:
    """A cluster of a pool, as it is now."""

    name: str
    remote: bool = False
    """Whether it is reached with a kubeconfig; the other one is the cluster that Headgate runs in."""
    enabled: bool = True
    state: ClusterState = "Running"
    version: str = ""
    message: str = ""
    silent_since: float | None = None
    """Since when it has not answered, in seconds since the epoch."""

    @property
    def shown_state(self) -> ClusterState:
        """The state as a status shows it: a disabled cluster is out of service, healthy or not."""
        return self.state if self.enabled else "Terminated"

    @property
    def takes_jobs(self) -> bool:
        """Whether it is enabled and healthy."""
        return self.enabled and self.state == "Running"

    @property
    def lost(self) -> bool:
        """Whether it is a remote one that has been gone for longer than its pool bears."""
        return self.remote and self.state == "Unknown"

    def answered(self, version: str) -> None:
        """Take note that it is well."""
        self.state, self.version, self.message, self.silent_since = "Running", version, "", None

    def held(self, message: str) -> None:
        """Take note why it takes no Jobs, although it may be well: by that alone it is never lost."""
        self.message = message
        if self.state == "Running":
            self.state = "Pending"

    def silent(self, message: str, now: float, lost_after: float) -> None:
        """Take note that it gave no answer, or cannot be asked; it is lost after so many seconds of that."""
        self.message = message
        if self.silent_since is None:
            self.silent_since = now
        gone = not self.remote or now - self.silent_since >= lost_after
        self.state = "Unknown" if gone else "Pending"


def are_remote(clusters: Mapping[str, Cluster] | None) -> bool | None:
    """Whether the clusters of a pool are remote ones: all of them are, or none. None while it has none."""
    return next((cluster.remote for cluster in (clusters or {}).values()), None)


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


class Place(NamedTuple):
    """Where a Job runs or ran."""

    environment: str | None
    cluster: str | None

    def closeness(self, environment: str | None, cluster: str) -> int:
        """Return how much another place has in common with this one: the environment, the cluster."""
        return (environment == self.environment) + (cluster == self.cluster)


def choose(reach: Reach, pool: str, occupancy: Occupancy, distance: Callable[[str], int] | None) -> str:
    """Choose a cluster of a pool for a Job among the open ones, of which there is at least one.

    The one at the least distance, if there is a measure of that; then the one with the fewest active Jobs; then the
    first by name.
    """
    if len(reach.open) == 1:
        return reach.open[0]
    if distance is None:
        return min(reach.open, key=lambda name: (occupancy.on(pool, name), name))
    return min(reach.open, key=lambda name: (distance(name), occupancy.on(pool, name), name))
