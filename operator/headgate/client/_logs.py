"""What the Pods of a Job wrote, through the API server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from headgate.client._errors import NotFoundError
from headgate.client._jobs import LogLine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from headgate.client._pods import JobPod, JobPods, Wanted

BUFFER: Final = 1000
"""How many lines are read ahead of who takes them."""


@dataclass
class Reading:
    """What is to be read: of which containers, and with which parameters of the request."""

    pods: JobPods
    wanted: Wanted
    follow: bool = False
    params: Mapping[str, str] = field(default_factory=dict)

    async def lines(self) -> AsyncGenerator[LogLine, None]:
        """Yield the lines, Pod by Pod, or as they come where they are followed."""
        started = await self.pods.started(wait=self.wanted if self.follow else None)
        if (name := self.wanted.pod) is not None:
            started = [pod for pod in started if pod.name == name]
            if not started:
                raise NotFoundError(f'the Job has no Pod "{name}" that has started')
        told = self._together(self.pods.coming(self.wanted)) if self.follow else self._in_turn(started)
        async with aclosing(told):
            async for line in told:
                yield line

    async def _in_turn(self, pods: list[JobPod]) -> AsyncGenerator[LogLine, None]:
        for pod in pods:
            for container in self._containers(pod):
                async with aclosing(self._read(pod, container)) as text:
                    async for line in text:
                        yield line

    async def _together(
        self, containers: AsyncGenerator[tuple[JobPod, str], None]
    ) -> AsyncGenerator[LogLine, None]:
        """Yield lines as they come, from whichever container; ends when no more come and all have been read."""
        ahead: asyncio.Queue[LogLine | Exception | None] = asyncio.Queue(BUFFER)

        async def read(pod: JobPod, container: str) -> None:
            # A Pod that is deleted meanwhile has said what it had to say.
            with suppress(NotFoundError):
                async with aclosing(self._read(pod, container)) as text:
                    async for line in text:
                        await ahead.put(line)

        async def read_all() -> None:
            try:
                async with asyncio.TaskGroup() as group, aclosing(containers):
                    async for pod, container in containers:
                        group.create_task(read(pod, container))
            except* Exception as errors:
                await ahead.put(errors.exceptions[0])
            else:
                await ahead.put(None)

        reading = asyncio.create_task(read_all())
        try:
            while (told := await ahead.get()) is not None:
                if isinstance(told, Exception):
                    raise told
                yield told
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _containers(self, pod: JobPod) -> tuple[str, ...]:
        return pod.started if self.wanted.all_containers else (self.wanted.container or pod.main,)

    async def _read(self, pod: JobPod, container: str) -> AsyncGenerator[LogLine, None]:
        async with aclosing(self.pods.log(pod, container, self.params)) as lines:
            async for line in lines:
                yield LogLine(pod.name, container, line)
