"""Whether an operator leads: without one nothing is admitted, whatever the queues say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from headgate.api.times import seconds
from headgate.client._errors import NotFoundError

if TYPE_CHECKING:
    from headgate.client._connection import Connection

BINDINGS: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
OURS: Final = "app.kubernetes.io/part-of=headgate"
FENCE: Final = "job-fence"
"""How the name of the policy ends that admissions are checked by, against the Lease of who leads."""
LEASE_SECONDS: Final = 15
PATIENCE: Final = 2
"""How many times as long as it lasts a Lease may be old: who leads may be busy for a moment."""


@dataclass(frozen=True)
class Leader:
    """The Lease by which operators settle who of them leads."""

    namespace: str
    """The namespace of the Lease, which is the operator's."""
    lease: str
    holder: str = ""
    """Who has it, or had it last; empty where nobody ever did."""
    renewed: float | None = None
    """When it was renewed last, in seconds since the epoch."""
    lasts: float = LEASE_SECONDS
    """For how many seconds it holds."""

    def leads(self, now: float) -> bool:
        """Whether somebody leads, at `now` in seconds since the epoch."""
        return bool(self.holder) and self.renewed is not None and now - self.renewed <= PATIENCE * self.lasts

    def changes_hands(self, now: float) -> bool:
        """Whether the lead was given back so lately, at `now`, that the next one may just be about to take it."""
        return not self.holder and self.renewed is not None and now - self.renewed <= PATIENCE * LEASE_SECONDS


async def find_leader(connection: Connection) -> Leader | None:
    """Return who leads, None where no policy says which Lease it is; raises `ForbiddenError`."""
    answer = await connection.call("GET", BINDINGS, params={"labelSelector": OURS})
    fence = next((one for one in answer["items"] if one["metadata"]["name"].endswith(FENCE)), None)
    if fence is None:
        return None
    where, name = fence["spec"]["paramRef"]["namespace"], fence["spec"]["paramRef"]["name"]
    path = f"/apis/coordination.k8s.io/v1/namespaces/{where}/leases/{name}"
    try:
        spec: dict[str, Any] = (await connection.call("GET", path)).get("spec") or {}
    except NotFoundError:
        return Leader(where, name)
    return Leader(
        where,
        name,
        spec.get("holderIdentity") or "",
        seconds(spec.get("renewTime") or ""),
        spec.get("leaseDurationSeconds") or LEASE_SECONDS,
    )
