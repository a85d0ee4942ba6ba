"""Queues, and pools, to read anew before something of no return is done to their Jobs.

They arrive through separate watches: a Job may be seen before the spec that allowed it. One read of a queue is under
way at a time, because an answer tells nothing about Jobs seen after the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.engine.decisions import Confirm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.engine.job import Job
    from headgate.engine.queue import Queue


class Confirmations:
    """Which queues are to be read, and the Jobs whose fate hangs on each answer."""

    def __init__(self) -> None:
        self._wanted: dict[str, None] = {}
        self._asked: dict[str, list[Job]] = {}

    def want(self, queue: str) -> None:
        """Have a queue read as soon as the answer to an earlier question is there."""
        self._wanted[queue] = None

    def drop(self, queue: str) -> None:
        """Ask nothing about a queue that is gone; an answer under way is none any more."""
        self._wanted.pop(queue, None)
        self._asked.pop(queue, None)

    def ask(self, queues: Mapping[str, Queue]) -> list[Confirm]:
        """Return the questions to ask now."""
        questions = []
        for name in [name for name in self._wanted if name not in self._asked]:
            del self._wanted[name]
            suspects = queues[name].suspects() if name in queues else []
            if suspects:
                self._asked[name] = suspects
                resource = queues[name].resource
                pool = resource.spec.pool if resource is not None and queues[name].stranded else None
                questions.append(Confirm(name, pool))
        return questions

    def answer(self, queue: str) -> list[Job] | None:
        """Return the Jobs that a question was about, or None where the answer comes too late to mean anything."""
        return self._asked.pop(queue, None)
