"""Who comes first in each queue: the order of lanes, and the heads that stay where they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from tests.unit.engine.slow_reach import RETURNED, Reach
from tests.unit.engine.slow_shares import NONE, Accounts
from tests.unit.engine.slow_told import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.unit.engine.slow_shares import Bounds

    from headgate.api.jobqueue import JobQueue
    from headgate.api.jobqueue_status import HeadStatus
    from headgate.engine.engine import Engine
    from headgate.engine.job import Job

ORDER: dict[str, Callable[[Job], tuple[int, ...]]] = {
    "FIFO": lambda job: (job.created,),
    "LIFO": lambda job: (-job.created,),
    "PRIORITY": lambda job: (-job.priority, job.created),
}


@dataclass
class Stand:
    """The Job that was seen stopped at the head of a queue."""

    uid: str
    lane: str
    reason: str = ""
    since: float = inf
    """Infinite until the engine has shown it."""
    sure: bool = True
    """Whether nothing has happened since by which the queue may have turned to another lane."""
    stopped: tuple[float, float] | None = None
    """Between which times its queue has begun to let nothing through: from then on its time stands still."""
    kept: bool = False
    """Whether it surely is the head again, as it was, as soon as its queue lets something through."""

    def since_if_found(self, now: float) -> tuple[float, float]:
        """Between which times it has come to the head, if it is found there again now for the same reason."""
        assert self.stopped is not None
        earliest, latest = self.stopped
        # Since when it was there is known in whole seconds.
        return self.since + now - latest, self.since + 1 + now - earliest


class Heads(Reach):
    """The Jobs at the heads of the queues."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        super().__init__(engine, clock)
        self.stands: dict[str, Stand] = {}
        self.passed: dict[str, set[str]] = defaultdict(set)
        """By queue: lanes whose first Job others may have passed since the heads were last seen."""
        self.looked_at = clock()
        """When the heads were last seen."""
        self.settled_at = clock()
        self.written: dict[tuple[str, str, str], set[str | None]] = defaultdict(set)
        """Since when an earlier operator had written that a Job stood at the head: by queue, UID and reason."""
        self.overdue: set[str] = set()
        """Jobs that were seen at the head of a queue for longer than its time limit."""
        self.accounts = Accounts()
        self.lane_turn: dict[tuple[str, str], int] = {}

    def in_lane(self, job: Job) -> tuple[object, ...]:
        """The order of Jobs in one lane."""
        return ORDER[self.queues[job.queue].spec.execution_mode](job), job.uid

    def lane_first(self, name: str, lane: str, other: str) -> bool:
        """Whether one lane of a queue surely comes before another."""
        if RETURNED in (lane, other):
            return lane == RETURNED != other
        queue = self.queues[name]
        turns = self.lane_turn[name, lane], self.lane_turn[name, other]
        if queue.spec.scheduling_policy:
            ranks = self.rank(queue, lane), self.rank(queue, other)
            if ranks[0] == ranks[1] == NONE:
                return turns[0] < turns[1]
            return ranks[0].surely_before(ranks[1])
        return queue.spec.fairness == "RoundRobin" and turns[0] < turns[1]

    def rank(self, queue: JobQueue, share: str) -> Bounds:
        """What a share has used, by its weight."""
        fair_share = self.fair_share(queue)
        return self.accounts.rank(queue.name, share, fair_share, self.now) if fair_share else NONE

    def heads(self, name: str) -> list[Job]:
        """The Jobs of a queue that may be the one that comes first."""
        jobs = self.open_jobs(name)
        lanes = {self.lane_of(job) for job in jobs}
        first = {lane for lane in lanes if not any(self.lane_first(name, other, lane) for other in lanes)}
        stand = self.stands.get(name)
        if stand is not None and stand.sure and stand.lane in lanes:
            first = {stand.lane}
        elif stand is not None:
            # It may have gone to another lane itself.
            moved = self.jobs.get(stand.uid)
            first |= lanes & {stand.lane, self.lane_of(moved) if moved is not None else stand.lane}
        first |= self.passed[name] & lanes
        if RETURNED in lanes:
            # Nothing comes before them, not even who stands at the head.
            first = {RETURNED}
        return [
            min((job for job in jobs if self.lane_of(job) == lane), key=self.in_lane)
            for lane in sorted(first)
        ]

    def compare_heads(
        self,
        shown: dict[str, HeadStatus | None],
        reasons: Callable[[Job], set[str]],
        *,
        complete: bool,
    ) -> None:
        """Compare the heads that the engine shows with those that may be, and the reasons with those that are.

        Where several may be first, it is free to choose, and has to stay with what it chose.
        """
        for name, head in shown.items():
            heads = {job.uid: job for job in self.heads(name)}
            stand = self.stands.get(name)
            if head is None:
                assert not (complete and heads), (
                    f"{name} shows no head, it should be one of {names(heads.values())}"
                )
                if stand is not None:
                    stand.sure = False
                continue
            if head.uid not in heads:
                assert not complete, (
                    f"{name} shows {head.uid} as its head, not one of {names(heads.values())}"
                )
                continue
            job = heads[head.uid]
            assert (head.namespace, head.name) == (job.namespace, job.name)
            if complete:
                assert head.reason in reasons(job), f"{name}: {head.reason}: {head.message}"
            since = seconds(head.since)
            if stand is None or (stand.uid, stand.reason) != (head.uid, head.reason):
                stand = None
            if stand is not None and stand.sure:
                assert since == int(stand.since), "the time at the head starts anew"
            else:
                least, most = (
                    stand.since_if_found(self.now) if stand is not None and stand.stopped else (0, 0)
                )
                goes_on = int(least) <= since <= most
                assert goes_on or stand is None or not stand.kept, (
                    f"{name}: {head.uid} at the head since {since}, not between {least} and {most}"
                )
                known = stand is not None and stand.since == since
                is_new = int(self.looked_at) <= since <= self.now
                assert known or goes_on or is_new or self.was_written(name, head), (
                    f"{name}: {head.uid} cannot be at the head since {since}"
                )
            self.stands[name] = Stand(head.uid, self.lane_of(job), head.reason, since)
        self.passed.clear()
        self.looked_at = self.now

    def was_written(self, name: str, head: HeadStatus) -> bool:
        """Whether an earlier operator had written that this Job stood at the head."""
        return head.since in self.written.get((name, head.uid, head.reason), ())

    def settle(self) -> None:
        """See whether the heads still stand, and for how long they have."""
        super().settle()
        for name, stand in self.stands.items():
            waiting, may_go = (
                [job.uid for job in jobs if self.lane_of(job) == stand.lane]
                for jobs in (self.eligible(name), self.open_jobs(name))
            )
            is_open = bool(self.open_jobs(name))
            if stand.stopped is None and stand.uid in waiting and not is_open:
                stand.stopped, stand.kept = (self.settled_at, self.now), stand.sure and stand.since < inf
            stand.kept &= stand.uid in (may_go if is_open else waiting)
            stand.sure &= stand.uid in may_go
            queue = self.queues.get(name)
            for action in queue.spec.time_limit_actions if queue and stand.stopped is None else ():
                if action.reason == stand.reason and stand.since + action.max_time_seconds <= self.now:
                    self.overdue.add(stand.uid)
        self.settled_at = self.now

    def lose_sight(self, name: str) -> None:
        """Take note that it is open who is at the head of a queue, and since when."""
        if name in self.stands:
            self.stands[name].sure = self.stands[name].kept = False

    def admitted(self, job: Job, heads: list[Job], *, at_head: bool) -> None:
        """Take note that a Job is let through; `heads` are those that may have been the first."""
        stand = self.stands.get(job.queue)
        if stand is not None and (at_head or stand.uid == job.uid):
            # Also where another Job has come before it in its lane.
            del self.stands[job.queue]
        elif stand is not None and job in heads:
            stand.kept = False
        if at_head:
            self.passed[job.queue].clear()
            return
        # Whom others pass stays at the head.
        self.passed[job.queue] |= {self.lane_of(head) for head in heads if head is not job}
        if len(heads) == 1 and stand is None:
            self.stands[job.queue] = Stand(heads[0].uid, self.lane_of(heads[0]))

    def begin_round(self, name: str) -> None:
        """Another order: a new round begins, in which nobody comes first by right."""
        for queue, lane in list(self.lane_turn):
            if queue == name:
                del self.lane_turn[queue, lane]
        self.lose_sight(name)

    def queue_changed(self, before: JobQueue | None, after: JobQueue) -> None:
        super().queue_changed(before, after)
        if before is None or _order(before) != _order(after):
            self.begin_round(after.name)
        elif before.spec.priority_value != after.spec.priority_value:
            # It finds its place in the pool anew, and perhaps its head.
            self.lose_sight(after.name)

    def pool_turned(self, name: str) -> None:
        super().pool_turned(name)
        for queue in self.queues.values():
            if queue.spec.pool == name:
                self.begin_round(queue.name)

    def queue_gone(self, name: str) -> None:
        super().queue_gone(name)
        self.stands.pop(name, None)
        self.accounts.blur(name)


def _order(queue: JobQueue) -> tuple[str | bool | None, ...]:
    spec = queue.spec
    return spec.execution_mode, spec.fairness, spec.scheduling_policy, bool(spec.compute_environments)


def names(jobs: Iterable[Job]) -> list[str]:
    return sorted(job.uid for job in jobs)
