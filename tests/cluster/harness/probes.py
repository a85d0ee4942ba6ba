"""Whether the API server goes by an admission policy now: it takes one up, and lets go of it, a moment late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.cluster.harness.client import POOLS, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.client import User

Json = dict[str, Any]

QUEUE = "nowhere"
"""There is no such queue, so nobody lets its Jobs through."""
RUNS, WAITS = "runs", "waits"
POOL = "probe"


@dataclass(frozen=True)
class Probes:
    """Asks for what is not carried out.

    It is asked of two Jobs in a namespace of its own, one in no queue and one that waits, and of a pool whose cluster
    nobody reaches.
    """

    given: User
    term: Callable[[], str]
    """Returns the current term of the operator."""

    def prepare(self) -> None:
        """Make the Jobs, which have no Pods, and the pool."""
        self.given.job(RUNS, None, parallelism=0)
        self.given.job(WAITS, QUEUE, parallelism=0, suspend=True)
        self._create_pool(POOL)
        # Who was ever said to be in the pool does not leave it just like that.
        known = [{"name": self.given.full(POOL), "state": "Pending", "active": 0}]
        self.given.client.patch(f"{self._pool_path}/status", {"status": {"clusters": known}})

    def clear(self) -> None:
        """Remove them."""
        for name in (RUNS, WAITS):
            self.given.client.delete(f"{self.given.jobs_path}/{name}")
        self.given.client.delete(self._pool_path)

    def of(self, policy: str) -> Callable[[], bool]:
        """Return a function that tells whether the API server goes by a policy; KeyError where none is known for it."""
        label, term = {"headgate.dev/queue": self.given.full(QUEUE)}, {"headgate.dev/term": self.term()}
        asked: dict[str, Callable[[], bool]] = {
            "job-submit": lambda: bool(self._created()["spec"].get("suspend")),
            "job-fields": lambda: is_refused(lambda: self._created(priority="high")),
            "job-queue": lambda: is_refused(lambda: self._changed(RUNS, {"labels": label})),
            "job-admit": lambda: is_refused(
                lambda: self._changed(WAITS, {"annotations": term}, suspend=False)
            ),
            "job-keep": lambda: "forged" not in self._relabelled("forged").values(),
            "pool-clusters": lambda: is_refused(lambda: self._create_pool("twin", "?dryRun=All")),
            "pool-removal": lambda: is_refused(self._left_by_its_cluster),
        }
        return asked[policy]

    @property
    def _pool_path(self) -> str:
        return f"{POOLS}/{self.given.full(POOL)}"

    def _create_pool(self, name: str, query: str = "") -> Json:
        body = {
            "apiVersion": "headgate.dev/v1alpha1",
            "kind": "ClusterPool",
            "metadata": {"name": self.given.full(name)},
            "spec": {"clusters": [self._cluster(POOL)]},
        }
        return self.given.client.create(POOLS + query, body)

    def _left_by_its_cluster(self) -> Json:
        change = {"spec": {"clusters": [self._cluster("another")]}}
        return self.given.client.patch(f"{self._pool_path}?dryRun=All", change)

    def _cluster(self, name: str) -> Json:
        secret = {"namespace": self.given.namespace, "name": "nowhere"}
        return {"name": self.given.full(name), "kubeconfigSecretRef": secret}

    def _created(self, **annotations: str) -> Json:
        named = {f"headgate.dev/{key}": value for key, value in annotations.items()}
        body = self.given.job_body("probe", QUEUE, annotations=named)
        return self.given.client.create(f"{self.given.jobs_path}?dryRun=All", body)

    def _changed(self, name: str, metadata: Json, **spec: Any) -> Json:
        return self.given.change_job(f"{name}?dryRun=All", {"metadata": metadata, "spec": spec})

    def _relabelled(self, pool: str) -> dict[str, str]:
        changed = self._changed(WAITS, {"labels": {"headgate.dev/pool": pool}})
        return dict(changed["metadata"]["labels"])


def is_refused(ask: Callable[[], Json]) -> bool:
    """Whether a policy refuses what is asked for."""
    try:
        ask()
    except RefusedError as error:
        if "Policy" not in error.message:
            raise
        return True
    return False
