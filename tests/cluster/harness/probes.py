"""Whether the API server goes by an admission policy now: it takes one up, and lets go of it, a moment late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.cluster.harness.client import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.client import User

Json = dict[str, Any]

QUEUE = "nowhere"
"""There is no such queue, so nobody lets its Jobs through."""
RUNS, WAITS = "runs", "waits"


@dataclass(frozen=True)
class Probes:
    """Asks for what is not carried out, of two Jobs in a namespace of its own: one in no queue, and one that waits."""

    given: User
    term: Callable[[], str]
    """Returns the current term of the operator."""

    def prepare(self) -> None:
        """Make the Jobs, which have no Pods."""
        self.given.job(RUNS, None, parallelism=0)
        self.given.job(WAITS, QUEUE, parallelism=0, suspend=True)

    def clear(self) -> None:
        """Remove them."""
        for name in (RUNS, WAITS):
            self.given.client.delete(f"{self.given.jobs_path}/{name}")

    def in_force(self, policy: str) -> bool:
        """Whether the API server goes by a policy of this name."""
        label, term = {"headgate.dev/queue": self.given.full(QUEUE)}, {"headgate.dev/term": self.term()}
        asked: dict[str, Callable[[], bool]] = {
            "job-submit": lambda: bool(self._created()["spec"].get("suspend")),
            "job-fields": lambda: is_refused(lambda: self._created(priority="high")),
            "job-queue": lambda: is_refused(lambda: self._changed(RUNS, {"labels": label})),
            "job-admit": lambda: is_refused(
                lambda: self._changed(WAITS, {"annotations": term}, suspend=False)
            ),
            "job-keep": lambda: "forged" not in self._relabelled("forged").values(),
        }
        return asked[policy]()

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
