"""Sections 5 and 6 of the design, slow and obviously right: sort and scan all that was told, at every question.

The model shares no code with the engine. It keeps what the engine was told (`slow_told`) and only such memory as the
design speaks of: whose turn it is, who stands at the head (`slow_heads`), what shares have used (`slow_shares`), and
which runs go on although nothing of them runs just now. Where the design leaves an order open (who goes first of those
who begin to wait at the same moment) every such order is legal: who may go next, and where to, is in `slow_choice`.

What concerns one Job alone and is decided elsewhere (excess over the depth, a cancellation under way, a pause after a
refused write) is read from the engine's record of the Job; other checks watch over it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.unit.engine.slow_choice import Choice
from tests.unit.engine.slow_heads import Heads
from tests.unit.engine.slow_scaling import Bracket, Machines
from tests.unit.engine.slow_told import Admission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headgate.api.clusterpool import ClusterPool
    from headgate.api.computeenvironment import ComputeEnvironment
    from headgate.api.jobqueue import JobQueue
    from headgate.api.jobqueue_status import HeadStatus
    from headgate.engine.decisions import Admit
    from headgate.engine.engine import Engine
    from headgate.engine.job import Job


class Turn(NamedTuple):
    """The place of a queue among its equals, lower first."""

    service: Bracket
    """When it is its turn: whoever is let through, the others come first now."""
    claim: Bracket
    """Since when its head claims room: those that pass the head do not cost it that."""


class SlowModel(Heads):
    """What an engine that was told the same should do."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        super().__init__(engine, clock)
        self.machines_wanted = Machines(self)
        self.rings: set[str] = set()
        """Jobs that were seen to wait for themselves, over others that wait."""
        self._clock = 0
        self._queue_turn: dict[str, Turn] = {}
        self._claimed: dict[str, set[tuple[object, ...]]] = {}
        """By queue: what the Jobs that may be its head claimed when they last looked for room."""

    def remember(self, past: SlowModel | None, queues: Iterable[JobQueue], relabeled: set[str]) -> None:
        """Start with what outlives an operator: what it had written, and as much of the usage as was.

        In `relabeled` queues active Jobs have changed their share.
        """
        for queue in queues:
            head = queue.status.head
            if head is not None:
                self.written[queue.name, head.uid, head.reason].add(head.since)
        if past is not None:
            self.accounts.remember(past.accounts, self.now, relabeled)

    def turn(self, name: str) -> tuple[int, Turn]:
        """The place of a queue in its pool: negated priority, then turn."""
        return -self.queues[name].spec.priority_value, self._queue_turn[name]

    def admit(self, decision: Admit) -> None:
        """Check a decision of the engine, and take it over."""
        job = self.jobs[decision.job.uid]
        heads = self.heads(job.queue)
        assert decision.resource_version == job.resource_version
        at_head = Choice(self).check(decision)
        version, environment = decision.resource_version, decision.environment
        self.assumed[job.uid] = Admission(version, decision.cluster, environment)
        self.decided[job.uid] = self.now
        self.open[job.uid] = decision.resource_version
        self._clock += 1
        self.lane_turn[job.queue, self.lane_of(job)] = self._clock
        claim = self._queue_turn[job.queue].claim
        if at_head:
            claim = Bracket(self._clock, self._clock)
        elif job in heads:
            claim = Bracket(claim.least, self._clock)
        if not at_head:
            self._claimed[job.queue] = {self._claim(head) for head in heads if head is not job}
        self._queue_turn[job.queue] = Turn(Bracket(self._clock, self._clock), claim)
        self.admitted(job, heads, at_head=at_head)
        self.settle()

    def look(self, shown: dict[str, HeadStatus | None], *, complete: bool) -> None:
        """Look at the heads that the engine shows; `complete` if it has left nothing undone."""
        self.compare_heads(shown, Choice(self).reasons, complete=complete)
        self._claimed = {
            name: {self._claim(self.jobs[head.uid])}
            for name, head in shown.items()
            if head is not None and head.uid in self.jobs
        }

    def check_rest(self) -> None:
        """Check that nobody is left who must go."""
        choice = Choice(self)
        for name in self.queues:
            assert not choice.must_go(name), f"nothing of {name} is let through"

    def settle(self) -> None:
        """Let those who have begun to wait join at the end of the round, and take account."""
        super().settle()
        self._clock += 1
        waiting = {(name, self.lane_of(job)) for name in self.queues for job in self.eligible(name)}
        for gone in self.lane_turn.keys() - waiting:
            del self.lane_turn[gone]
        for member in waiting:
            self.lane_turn.setdefault(member, self._clock)
        ready = {name for name in self.queues if self.open_jobs(name)}
        for left in self._queue_turn.keys() - ready:
            del self._queue_turn[left]
        for name in ready:
            now = Bracket(self._clock, self._clock)
            service, claim = self._queue_turn.setdefault(name, Turn(now, now))
            heads = self.heads(name) if claim.least < service.least else []
            if heads and self._claimed.get(name) != {self._claim(head) for head in heads}:
                self._look_anew(name)
        for job in self.live():
            if job.depends_on and not self.is_active(job) and self.ring(job):
                self.rings.add(job.uid)
        for name, queue in self.queues.items():
            if queue.spec.scheduling_policy is not None:
                active = [job for job in self.live(name) if self.is_active(job)]
                self.accounts.count(name, self.fair_share(queue), active, self.now)
        self.machines_wanted.settle()

    def tell_environment(self, name: str, environment: ComputeEnvironment | None) -> None:
        super().tell_environment(name, environment)
        self._look_anew(*self._queue_turn)

    def tell_pool(self, name: str, pool: ClusterPool | None) -> None:
        super().tell_pool(name, pool)
        self._look_anew(*self._queue_turn)

    def tell_probe(self, pool: str, cluster: str, *, answers: bool) -> None:
        super().tell_probe(pool, cluster, answers=answers)
        self._look_anew(*self._queue_turn)

    def _claim(self, head: Job) -> tuple[object, ...]:
        """What makes the claim of a head: the Job as it is, and what its queue keeps and lets pass."""
        queue = self.queues[head.queue]
        return head.uid, head.request, head.constraints, self.kept(queue), queue.spec.head_of_line

    def _look_anew(self, *queues: str) -> None:
        """Let the heads look first at room that may have appeared, and those that claim other room than before.

        Also where others have passed them meanwhile.
        """
        for name in queues:
            service, claim = self._queue_turn[name]
            self._queue_turn[name] = Turn(Bracket(min(claim.least, service.least), service.most), claim)

    def queue_changed(self, before: JobQueue | None, after: JobQueue) -> None:
        super().queue_changed(before, after)
        self._look_anew(*self._queue_turn)
        if before is not None and before.spec.priority_value != after.spec.priority_value:
            self._queue_turn.pop(after.name, None)

    def queue_gone(self, name: str) -> None:
        super().queue_gone(name)
        self._queue_turn.pop(name, None)
