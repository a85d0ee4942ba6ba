"""Who has used how much of a queue: what fair share goes by.

A share's usage is what its Jobs hold now, plus the average of what they held before, which fades with the policy's
half-life. Both are in weighted cores, so that a share that holds 10 for an hour and one that holds 1 for ten hours
come to the same in the end, as resource-seconds would; times `shareDecaySeconds / ln 2` the average is just that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from headgate.api.names import SHARES_MAX
from headgate.api.quantity import UNIT
from headgate.engine.job import JobState, admitted_time
from headgate.engine.room import NOTHING_KEPT, Kept

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.api.requests import Request
    from headgate.api.schedulingpolicy import FairShare
    from headgate.engine.job import Job
    from headgate.engine.moment import Moment

_GIB: Final = 2**30
_MEMORY_PER_CORE: Final = 8 * _GIB
_CORES_PER_DEVICE: Final = 8
_SLACK_SECONDS: Final = 1.0
"""An admission is stamped a moment after it is decided: that much later or earlier is the same time."""
LEAST_USAGE: Final = 0.000001
"""A share that has used less than this, and has nothing live, is not worth remembering."""
_MOST_EXPONENT: Final = 64
"""With more active shares than this, what is kept is nothing, whatever the reservation."""


def weight(request: Request) -> float:
    """Return what a Job weighs, in cores: 1 a core, 1 for 8 GiB of memory, 8 a device; 1 if that comes to nothing.

    A device is a unit of an extended resource, such as nvidia.com/gpu.
    """
    total = 0.0
    for name, amount in request.total:
        if name == "cpu":
            total += amount / UNIT
        elif name == "memory":
            total += amount / UNIT / _MEMORY_PER_CORE
        elif "/" in name:
            total += amount / UNIT * _CORES_PER_DEVICE
    return total or 1.0


def identifier_of(job: Job) -> str:
    """Return the share a Job belongs to: its label, or else its project."""
    return job.share or job.project


@dataclass(slots=True, eq=False)
class Share:
    """One share of one queue."""

    identifier: str
    waiting: int = 0
    active: int = 0
    running: float = 0.0
    """Weighted cores that its Jobs hold now."""
    average: float = 0.0
    """Decayed average of what they held, at `at`."""
    at: float = 0.0
    """Seconds since the epoch."""
    written_at: float = 0.0
    """Up to when an earlier operator had counted, in seconds since the epoch."""
    refused: dict[str, Job] = field(default_factory=dict)
    """Jobs that wait for the share to be taken in, by UID: the queue has all the shares it can have."""

    @property
    def live(self) -> int:
        """Jobs that wait or run."""
        return self.waiting + self.active


class Shares:
    """The shares of one queue."""

    def __init__(self, moment: Moment, created: float) -> None:
        self._moment = moment
        self._created = created
        """When the queue was created, in seconds since the epoch."""
        self._policy: FairShare | None = None
        self._factors: dict[str, float] = {}
        self.by_identifier: dict[str, Share] = {}
        self._taken: dict[str, None] = {}
        self._full: dict[str, None] = {}
        self._idle: dict[str, None] = {}

    @property
    def policy(self) -> FairShare | None:
        """What the scheduling policy says; None while it does not exist."""
        return self._policy

    @property
    def active(self) -> int:
        """How many shares have live Jobs."""
        return len(self._taken)

    def set_policy(self, policy: FairShare | None) -> bool:
        """Take a version of the policy; return whether that changes anything."""
        if policy == self._policy:
            return False
        for share in self.by_identifier.values():
            self._accrue(share, self._moment.now)
        self._policy = policy
        self._factors.clear()
        return True

    def restore(self, written: Iterable[tuple[str, float, float]]) -> None:
        """Start from what an earlier operator wrote: identifier, average, and when that was (seconds)."""
        for identifier, average, at in written:
            share = self.by_identifier.setdefault(identifier, Share(identifier))
            share.average, share.at, share.written_at = average, at, at

    def enter(self, job: Job) -> None:
        """Take in a live Job that is seen for the first time; what it has used until now counts."""
        share = self._share(job)
        if job.state is JobState.ACTIVE:
            self._reckon(share, job, max(admitted_time(job) or self._moment.now, share.written_at))
            share.active += 1
            share.running += weight(job.request)
        else:
            share.waiting += 1
        self._seat(share)

    def join(self, job: Job) -> None:
        """Count a Job in as what it is from now on."""
        share = self._share(job)
        if job.state is JobState.ACTIVE:
            self._accrue(share, self._moment.now)
            share.active += 1
            share.running += weight(job.request)
        else:
            share.waiting += 1
        self._seat(share)

    def leave(self, job: Job) -> None:
        """Count a Job out as what it was until now."""
        share = self._share(job)
        if job.state is JobState.ACTIVE:
            self._accrue(share, self._moment.now)
            share.active -= 1
            share.running = share.running - weight(job.request) if share.active else 0.0
        else:
            share.waiting -= 1
        share.refused.pop(job.uid, None)
        if not share.live:
            self._idle[share.identifier] = None

    def remember(self, job: Job) -> None:
        """Count what a Job has used that is seen for the first time, and is finished.

        What had finished when the queue was created ran in another one of that name.
        """
        since, until = admitted_time(job), float(job.finished_at)
        if until <= self._created:
            return
        share = self._share(job)
        since = max(since, share.written_at)
        if not admitted_time(job) or until <= since:
            return
        self._accrue(share, until)
        used = self._left(share.at - until) - self._left(share.at - since)
        share.average += weight(job.request) * used

    def takes(self, job: Job) -> bool:
        """Whether a Job's share is one of those the queue has room for; one that is not is called for later."""
        identifier = identifier_of(job)
        if identifier in self._taken:
            return True
        self.by_identifier[identifier].refused[job.uid] = job
        return False

    def settle(self) -> list[Job]:
        """Let shares that have nothing live any more give up their places; return the Jobs that may stand now."""
        for identifier in self._idle:
            if not self.by_identifier[identifier].live:
                self._taken.pop(identifier, None)
                self._full.pop(identifier, None)
        self._idle.clear()
        freed: list[Job] = []
        while self._full and len(self._taken) < SHARES_MAX:
            identifier = next(iter(self._full))
            del self._full[identifier]
            self._taken[identifier] = None
            share = self.by_identifier[identifier]
            freed.extend(share.refused.values())
            share.refused.clear()
        if len(self.by_identifier) > 2 * SHARES_MAX:
            self._forget()
        return freed

    def usage(self, identifier: str) -> float:
        """Return what a share has used, in weighted cores."""
        share = self.by_identifier.get(identifier)
        if share is None:
            return 0.0
        return share.running + self._average(share, self._moment.now)

    def notable(self) -> list[Share]:
        """Return the shares worth telling about, by identifier: those with live Jobs first, then who used most."""
        known = [share for share in self.by_identifier.values() if share.live or share.average >= LEAST_USAGE]
        known.sort(key=lambda share: (not share.live, -share.average, share.identifier))
        return sorted(known[:SHARES_MAX], key=lambda share: share.identifier)

    def rank(self, identifier: str) -> float:
        """Return what shares are compared by: usage times weight factor, lower first."""
        factor = self._factors.get(identifier)
        if factor is None:
            factor = self._policy.weight_of(identifier) if self._policy else 1.0
            self._factors[identifier] = factor
        return self.usage(identifier) * factor

    def kept(self) -> Kept:
        """Return what is kept for shares that are not active: (computeReservation / 100) ^ active shares.

        As AWS Batch defines it for ActiveFairShares.
        """
        reserved = self._policy.compute_reservation if self._policy else 0
        if not reserved or not 0 < self.active <= _MOST_EXPONENT:
            return NOTHING_KEPT
        return Kept(reserved**self.active, 100**self.active)

    def _share(self, job: Job) -> Share:
        identifier = identifier_of(job)
        share = self.by_identifier.get(identifier)
        if share is None:
            share = self.by_identifier[identifier] = Share(identifier, at=self._moment.now)
        return share

    def _seat(self, share: Share) -> None:
        """Give a share that has something live a place, if there is one."""
        if share.identifier not in self._taken:
            taken = self._taken if self.active < SHARES_MAX else self._full
            taken[share.identifier] = None

    def _reckon(self, share: Share, job: Job, since: float) -> None:
        """Count what an active Job has used since a time (seconds), up to where its share has been counted.

        A restarted operator in an unchanged world finds just what was written, down to the time.
        """
        if since > share.at + _SLACK_SECONDS:
            self._accrue(share, since)
        elif since < share.at - _SLACK_SECONDS and self._half_life:
            share.average += weight(job.request) * (1.0 - self._left(share.at - since))

    def _accrue(self, share: Share, until: float) -> None:
        # How fast the past fades is not known while there is no policy: it is made up for when there is one.
        if until > share.at and self._policy is not None:
            share.average = self._average(share, until)
            share.at = until

    def _average(self, share: Share, at: float) -> float:
        if self._policy is None:
            return share.average
        left = self._left(at - share.at)
        return share.average * left + share.running * (1.0 - left) if self._half_life else 0.0

    def _left(self, seconds: float) -> float:
        """Return how much of what was used so long ago still counts."""
        half_life = self._half_life
        return 0.5 ** (max(seconds, 0.0) / half_life) if half_life else 0.0

    @property
    def _half_life(self) -> int:
        return self._policy.share_decay_seconds if self._policy else 0

    def _forget(self) -> None:
        """Let go of the shares that have used least, of those that have nothing live."""
        idle = [share for share in self.by_identifier.values() if not share.live]
        idle.sort(key=lambda share: self._average(share, self._moment.now))
        for share in idle[: len(self.by_identifier) - SHARES_MAX]:
            del self.by_identifier[share.identifier]
        self._factors.clear()
