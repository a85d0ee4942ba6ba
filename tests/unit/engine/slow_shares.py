"""Fair share, slow: what each share of a queue has used, as bounds between which the engine's own figure must lie.

Bounds, because the engine may compare figures that are up to a second old, and because after a restart it cannot know
all that was used. Where nothing of that has happened they are the same number, but for rounding.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.api.requests import Request
    from headgate.api.schedulingpolicy import FairShare
    from headgate.engine.job import Job

UNIT = 10**9
ROUNDING = 1e-5
STALE_SECONDS = 1.0
"""How old the figures may be that the engine compares."""


class Bounds(NamedTuple):
    """At least and at most."""

    least: float
    most: float

    def surely_before(self, other: Bounds) -> bool:
        return self.most < other.least - ROUNDING * (1 + other.least)


NONE = Bounds(0.0, 0.0)


@dataclass(frozen=True)
class Usage:
    """What a share uses, and an average of what it used, as of a time."""

    at: float
    running: Fraction = Fraction(0)
    average: Bounds = NONE

    def average_at(self, now: float, half_life: int | None) -> Bounds:
        """The average decays towards what runs, half of the way in each half-life; without one there is none.

        While there is no policy nobody knows: the half-life is None.
        """
        if half_life is None:
            return Bounds(0.0, max(self.average.most, float(self.running)))
        if half_life == 0:
            return NONE
        rest = 0.5 ** (max(now - self.at, 0.0) / half_life)
        running = float(self.running)
        return Bounds(
            running + (self.average.least - running) * rest, running + (self.average.most - running) * rest
        )

    def moved(self, now: float, half_life: int | None, running: Fraction) -> Usage:
        """The same share from now on, with so much running."""
        return Usage(max(now, self.at), running, self.average_at(now, half_life))

    def rank(self, now: float, half_life: int, factor: float) -> Bounds:
        """Usage times weight factor, now or a little while ago."""
        then = max(self.at, now - STALE_SECONDS - 0.01)
        averages = [self.average_at(now, half_life), self.average_at(then, half_life)]
        running = float(self.running)
        return Bounds(
            (running + min(average.least for average in averages)) * factor,
            (running + max(average.most for average in averages)) * factor,
        )

    def blurred(self) -> Usage:
        """The same after a restart, or after another policy: less may be known of the past."""
        return replace(self, average=Bounds(0.0, self.average.most))


def weight(request: Request) -> Fraction:
    """What a Job weighs in cores: 8 GiB of memory are one, a device is eight; 1 if that comes to nothing."""
    total = Fraction(0)
    for name, amount in request.total:
        if name == "cpu":
            total += Fraction(amount, UNIT)
        elif name == "memory":
            total += Fraction(amount, UNIT * 8 * 2**30)
        elif "/" in name:
            total += Fraction(8 * amount, UNIT)
    return total or Fraction(1)


def factor_of(fair_share: FairShare, identifier: str) -> float:
    """The weight factor of the entry that is most to the point: the whole identifier, or its longest beginning."""
    entries = {share.identifier: share.weight_factor for share in fair_share.shares}
    for entry in [identifier, *(f"{identifier[:length]}*" for length in range(len(identifier), -1, -1))]:
        if entry in entries:
            return entries[entry]
    return 1.0


def kept(fair_share: FairShare, active: int) -> Fraction:
    """The part of a room that is kept for shares that are not active."""
    return Fraction(fair_share.compute_reservation, 100) ** active if active else Fraction(0)


class Accounts:
    """What the shares of all queues use."""

    def __init__(self) -> None:
        self._usage: dict[tuple[str, str], Usage] = {}
        """By queue and share."""
        self._half_life: dict[str, int | None] = {}
        self._unknown: dict[str, Usage] = {}
        """By queue: what any share may have used before this operator began."""
        self._peak: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        """The most that ever ran of a share: its average is never more, whatever the half-life."""
        self._unsteady: set[str] = set()
        """Queues whose half-life was not always the same: who starts anew reckons up the past by the last one."""
        self._anew: set[str] = set()
        """Queues of which this operator has yet to learn the policy."""

    def count(self, queue: str, fair_share: FairShare | None, active: Iterable[Job], now: float) -> None:
        """Let what the shares of a queue use now count from now on."""
        half_life = fair_share.share_decay_seconds if fair_share else None
        before = self._half_life.setdefault(queue, half_life)
        self._half_life[queue] = half_life
        running: dict[str, Fraction] = defaultdict(Fraction)
        for job in active:
            running[job.share or job.project] += weight(job.request)
        for share in running.keys() | {share for name, share in self._usage if name == queue}:
            usage = self._usage.get((queue, share)) or self._unknown.get(queue, Usage(now))
            if usage.running != running[share] or half_life != before:
                usage = usage.moved(now, before, running[share])
                if half_life is None or before is None:
                    usage = usage.blurred()
            self._usage[queue, share] = usage
            self._peak[queue, share] = max(self._peak[queue, share], running[share])
        if half_life != before:
            self._unsteady.add(queue)
            if queue in self._anew:
                self._forget_rates(queue)
        self._anew.discard(queue)

    def rank(self, queue: str, share: str, fair_share: FairShare, now: float) -> Bounds:
        """What shares are compared by."""
        usage = self._usage.get((queue, share)) or self._unknown.get(queue)
        if usage is None:
            return NONE
        return usage.rank(now, fair_share.share_decay_seconds, factor_of(fair_share, share))

    def blur(self, queue: str) -> None:
        """A queue is gone, and what its shares have used may be forgotten."""
        for (name, share), usage in self._usage.items():
            if name == queue:
                self._usage[name, share] = usage.blurred()

    def remember(self, past: Accounts, now: float, relabeled: set[str]) -> None:
        """An operator starts anew: it knows no more than the one before it, and perhaps less.

        What is known of the past of a share may go to another one, where an active Job changed its share meanwhile.
        """
        self._half_life = dict(past._half_life)
        self._peak.update(past._peak)
        self._unsteady = set(past._unsteady)
        self._anew = set(past._half_life)
        averages = {
            key: usage.average_at(now, past._half_life.get(key[0])).most for key, usage in past._usage.items()
        }
        for queue in relabeled:
            total = float(sum(peak for (name, _), peak in self._peak.items() if name == queue))
            self._unknown[queue] = Usage(now, average=Bounds(0.0, total))
        for (queue, share), average in averages.items():
            usage = Usage(now, average=Bounds(0.0, average))
            self._usage[queue, share] = self._unknown.get(queue, usage)
        for queue in self._unsteady:
            self._forget_rates(queue)

    def _forget_rates(self, queue: str) -> None:
        """What a share has used in the past may be anything up to the most that ever ran of it."""
        for (name, share), usage in self._usage.items():
            if name == queue:
                most = max(usage.average.most, float(self._peak[name, share]))
                self._usage[name, share] = replace(usage, average=Bounds(0.0, most))
