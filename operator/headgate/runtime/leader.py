"""Leadership: one replica decides, and the API server knows its term.

The replicas elect their leader with a Lease, in the manner of client-go. Every take-over raises `leaseTransitions`,
the term: a policy on the API server compares it with the term an admission carries, so that what a leader has sent and
arrives late admits nothing. A new Lease begins with a term that no earlier one can have had.

The official client has an election too (`kubernetes.aio.leaderelection`, 37.0.2), but it never raises the term, cannot
give a Lease back, measures by the wall clock, and its LeaseLock fails to create a Lease at all.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from headgate.kube.client import UNREACHABLE, ApiError

if TYPE_CHECKING:
    from headgate.kube.client import Api, Json

logger = logging.getLogger(__name__)

FIRST_DAY: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""The first term of a Lease is in seconds since then: what a Lease holds (int32) lasts until 2088."""


class Timing(NamedTuple):
    """The times of an election, in seconds, as client-go has them."""

    lease_duration: int = 15
    """How long the others wait for a leader that does not renew."""
    renew_deadline: float = 10.0
    """A leader that could not renew for so long steps down, whatever hangs: before the others may take over."""
    retry_period: float = 2.0


class Leadership:
    """One replica's candidacy for the lead."""

    def __init__(self, api: Api, *, name: str, namespace: str, identity: str, timing: Timing) -> None:
        self._api = api
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._identity = identity
        self._timing = timing
        self._term = 0
        self._won = asyncio.Event()
        self._observed: tuple[object, ...] = ()
        self._observed_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def term(self) -> str:
        """The term as it stands on admissions, once the lead was won."""
        return str(self._term)

    @property
    def leads(self) -> bool:
        """Whether the lead was won. It is never won twice: a process that loses it ends."""
        return self._won.is_set()

    def stand(self) -> asyncio.Task[None]:
        """Stand for the lead from now on; the task ends when the lead was won and lost again."""
        self._task = asyncio.create_task(self._run(), name="leadership")
        return self._task

    async def won(self) -> None:
        """Wait until this replica leads."""
        await self._won.wait()

    async def still_leads(self) -> bool:
        """Ask the API server whether the Lease is still this replica's; True where it cannot say."""
        try:
            lease = await self._read()
        except (ApiError, *UNREACHABLE):
            return True
        return lease is not None and self._is_mine(lease["spec"])

    async def release(self) -> None:
        """Give the lead back, so that the next replica need not wait for the Lease to expire."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if not self.leads:
            return
        try:
            lease = await self._read()
            if lease is not None and self._is_mine(lease["spec"]):
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                await self._replace(lease)
        except (ApiError, *UNREACHABLE) as error:
            logger.info("the Lease is left to expire: %s", error)

    async def _run(self) -> None:
        while (renewed_at := await self._attempt()) is None:
            await asyncio.sleep(self._timing.retry_period)
        self._won.set()
        while renewed_at is not None:
            renewal = asyncio.create_task(self._renew(), name="renewal of the Lease")
            try:
                # Whatever it is doing then, and whether it hears that it is to end or not.
                await asyncio.wait({renewal}, timeout=renewed_at + self._timing.renew_deadline - monotonic())
            finally:
                renewal.cancel()
            if not renewal.done():
                logger.warning("the Lease could not be renewed for %g s", self._timing.renew_deadline)
                return
            renewed_at = renewal.result()

    async def _renew(self) -> float | None:
        """Try until the Lease is renewed and return since when it certainly is, None when it is somebody else's."""
        while True:
            await asyncio.sleep(self._timing.retry_period)
            if (renewed_at := await self._attempt()) is not None:
                return renewed_at
            if not await self.still_leads():
                return None

    async def _attempt(self) -> float | None:
        """Try to take or to renew the Lease.

        Return when that was asked for, by the monotonic clock: others may have seen it no earlier. None where it did
        not work out, for whatever reason.
        """
        asked_at = monotonic()
        try:
            async with asyncio.timeout(self._timing.renew_deadline / 2):
                lease = await self._read()
                if lease is None:
                    await self._create()
                elif self.leads or self._is_free(lease["spec"]):
                    if self.leads and not self._is_mine(lease["spec"]):
                        return None
                    await self._take(lease)
                else:
                    return None
        except (ApiError, *UNREACHABLE) as error:
            logger.log(
                logging.WARNING if self.leads else logging.INFO,
                "cannot %s the Lease: %s",
                "renew" if self.leads else "take",
                error or type(error).__name__,
            )
            return None
        return asked_at

    async def _create(self) -> None:
        if self.leads:
            # Somebody deleted it, so this replica leads no more. Whoever creates it anew does, with another term.
            raise ApiError(404, "NotFound", "the Lease is gone")
        term = _first_term()
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {**self._mine(), "acquireTime": _now(), "leaseTransitions": term},
        }
        await self._api.call("POST", self._leases, body)
        self._term = term

    async def _take(self, lease: Json) -> None:
        spec = lease["spec"]
        term = int(spec.get("leaseTransitions") or 0)
        if not self.leads:
            term = term + 1 if term else _first_term()
            spec |= {"acquireTime": _now(), "leaseTransitions": term}
        spec |= self._mine()
        await self._replace(lease)
        self._term = term

    def _is_free(self, spec: Json) -> bool:
        """Whether the Lease has no holder, or one that has not renewed it for its duration, by this clock."""
        holder = spec.get("holderIdentity")
        observed = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if observed != self._observed:
            self._observed, self._observed_at = observed, monotonic()
        duration = spec.get("leaseDurationSeconds") or self._timing.lease_duration
        return not holder or monotonic() - self._observed_at > duration

    def _is_mine(self, spec: Json) -> bool:
        return spec.get("holderIdentity") == self._identity and spec.get("leaseTransitions") == self._term

    def _mine(self) -> Json:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._timing.lease_duration,
            "renewTime": _now(),
        }

    async def _read(self) -> Json | None:
        try:
            return await self._api.call("GET", f"{self._leases}/{self._name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _replace(self, lease: Json) -> None:
        # The whole object with its resourceVersion: of two that try at once, one wins.
        await self._api.call("PUT", f"{self._leases}/{self._name}", lease)


def _first_term() -> int:
    """Return the term with which a Lease begins: later than any that an earlier Lease can have come to by counting."""
    return int((datetime.now(UTC) - FIRST_DAY).total_seconds())


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
