"""What happens in the demo, and what must be true of it.

The story waits for what it has told to be seen on the API server before it goes on. A check that fails ends up on the
screen and in the exit code; it never stops the story, so that a person sees all of what was wrong.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hack.demo.world import API, COUNTED, QUEUE, RUN, Look, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from hack.demo.world import World

Json = dict[str, Any]

STEPS: Final = ("submit", "priority decides", "drain", "refusal", "reactivate", "recount")


@dataclass(frozen=True)
class Sizes:
    """How much happens, and how long a person gets to see it."""

    urgent: int = 160
    nightly: int = 120
    again: int = 30
    urgent_limit: int = 40
    nightly_limit: int = 10
    nightly_runs: int = 2
    run_size: int = 15
    job_seconds: float = 1.5
    pause: float = 4.0
    depth: int = 200


SMALL: Final = Sizes(
    urgent=16, nightly=12, again=3, urgent_limit=8, nightly_limit=3, run_size=4, job_seconds=0.5, pause=0.0
)
"""For tests: nobody watches."""


@dataclass
class Told:
    """What the screen shows of the story."""

    step: int = 0
    headline: str = ""
    detail: str = ""
    attempt: str = ""
    answers: list[tuple[bool, str]] = field(default_factory=list)
    checks: list[tuple[bool, str]] = field(default_factory=list)
    recount: list[tuple[str, str, int, int]] = field(default_factory=list)
    finished: bool = False

    @property
    def right(self) -> bool:
        """Whether everything was as it should be."""
        same = all(said == counted for _, _, said, counted in self.recount)
        return self.finished and same and all(good for good, _ in self.checks)


class Story:
    """Two queues in one pool: ``nightly`` came first, ``urgent`` matters more."""

    def __init__(self, world: World, sizes: Sizes, prefix: str = "") -> None:
        self.world = world
        self.sizes = sizes
        self.told = Told()
        self.pool, self.urgent, self.nightly = (f"{prefix}{name}" for name in ("demo", "urgent", "nightly"))
        self.changed: Callable[[], None] = lambda: None

    def play(self) -> None:
        """Tell it all."""
        self._submit()
        self._priority()
        self._drain()
        self._refusal()
        self._reactivate()
        self._recount()

    def _submit(self) -> None:
        sizes = self.sizes
        self._tell(
            1,
            f"{sizes.nightly + sizes.urgent} Jobs arrive, and every one of them waits at the gate",
            "The cluster of their pool is disabled. nightly comes first, urgent second.",
        )
        self._create_queues()
        self.world.watch()
        self.world.wait(self._bound, "the admission policies are bound to both queues")
        pace = self.sizes.pause / 16
        self.world.submit_all((self._nightly_job(n) for n in range(sizes.nightly)), pace)
        self._pause(0.25)
        self.world.submit_all((self._urgent_job(n) for n in range(sizes.urgent)), pace)
        waiting = {self.nightly: sizes.nightly, self.urgent: sizes.urgent}
        self.world.wait(
            lambda look: all(seen(look, name, "waiting") == n for name, n in waiting.items()),
            "both statuses show what waits",
        )
        held = all(work.suspended and not work.admitted_at for work in self.world.look.works)
        self._check(held, f"all {sizes.nightly + sizes.urgent} Jobs waited while the cluster was disabled")
        self._pause()

    def _priority(self) -> None:
        self._tell(
            2,
            "The cluster is enabled, and urgent goes first: its priority is higher",
            "nightly arrived first. Each takes what its limits allow: watch the bars.",
        )
        self._open(enabled=True)
        self.world.wait(
            lambda look: seen(look, self.urgent, "succeeded") == self.sizes.urgent, "urgent has finished"
        )
        head = min(self.sizes.urgent_limit, self.sizes.urgent)
        order = decided(self.world.look.works)
        self._check(
            [work.queue for work in order[:head]] == [self.urgent] * head,
            f"the first {head} admissions were urgent's, though nightly had come first",
        )
        first_in = sorted(self.world.look.of(self.urgent), key=lambda work: (work.created, work.uid))
        first_out = [work.uid for work in order if work.queue == self.urgent]
        self._check([w.uid for w in first_in] == first_out, "urgent's Jobs went in the order they came")

    def _drain(self) -> None:
        self._tell(
            3,
            "nightly is being drained: what waits still runs, nothing new comes in",
            "spec.state of JobQueue nightly is set to Drained.",
        )
        self._set_state("Drained")
        self.world.wait(
            lambda look: look.status(self.nightly).get("state") in ("Draining", "Drained"), "nightly drains"
        )
        self._pause()

    def _refusal(self) -> None:
        self._tell(
            4,
            "Somebody submits to nightly all the same, and the API server refuses",
            "The API server's own admission policy says so; it needs no operator for it.",
        )
        self.told.attempt = "create Job late with the label headgate.dev/queue: nightly"
        status, said = self.world.submit(self._job("late", self.nightly))
        self.told.answers.append((False, said))
        self._check(
            status in (403, 422) and "accepts no new Jobs" in said, "a Job for a draining queue was refused"
        )
        self._pause()
        self.world.wait(
            lambda look: look.status(self.nightly).get("state") == "Drained",
            "nightly is drained",
            seconds=120,
        )
        self._check(
            seen(self.world.look, self.nightly, "succeeded") == self.sizes.nightly,
            f"all {self.sizes.nightly} Jobs that nightly had accepted ran before it was Drained",
        )
        self._pause(0.5)

    def _reactivate(self) -> None:
        again = self.sizes.again
        self._tell(
            5,
            f"nightly is active again: the same Job is accepted now, and {again - 1} more",
            "spec.state of JobQueue nightly is set to Active.",
        )
        self._set_state("Active")
        self.world.wait(lambda look: look.status(self.nightly).get("state") == "Active", "nightly is active")
        self._pause(0.5)
        status, said = self.world.submit(self._job("late", self.nightly))
        self.told.answers.append((status == 201, "201 Created" if status == 201 else said))
        self._check(status == 201, "the same Job was accepted when nightly was active again")
        self.world.submit_all(self._job(f"again-{n:03}", self.nightly, "again") for n in range(1, again))
        everything = self.sizes.nightly + again
        self.world.wait(
            lambda look: seen(look, self.nightly, "succeeded") == everything, "nightly has finished again"
        )
        self._pause(0.5)

    def _recount(self) -> None:
        self._tell(
            6,
            "At rest: what the statuses say, and what a fresh list of the Jobs says",
            "Every Job is listed and counted again, without asking Headgate.",
        )
        for queue, most in self.world.most.items():
            spec = self.world.look.spec(queue)
            jobs, runs = spec["actionConcurrency"], spec["runConcurrency"]
            within = most.jobs <= jobs and (not runs or most.runs <= runs)
            text = f"{self.short(queue)} never had more than {most.jobs} Jobs active of {jobs} allowed"
            text += f", and {most.runs} runs of {runs}" if runs else ""
            self._check(within, text)
        look = self.world.take_a_look()
        for queue in (self.urgent, self.nightly):
            counted, said = look.count(queue), look.status(queue).get("jobs") or {}
            self.told.recount += [(queue, what, int(said.get(what, 0)), counted[what]) for what in COUNTED]
        done = self.sizes.urgent + self.sizes.nightly + self.sizes.again
        self._check(
            sum(work.result == "succeeded" for work in look.works) == done, f"all {done} Jobs succeeded"
        )
        self.told.finished = True
        self.changed()

    def short(self, queue: str) -> str:
        """Return what the story calls a queue."""
        return "urgent" if queue == self.urgent else "nightly"

    def clean_up(self) -> None:
        """Remove the queues and the pool again, with their Jobs; for a cluster that lives on."""
        request = self.world.client.request
        request(
            "DELETE",
            f"/apis/batch/v1/namespaces/{self.world.namespace}/jobs",
            {"propagationPolicy": "Background"},
        )
        deadline = time.monotonic() + 30
        paths = [f"{API}/jobqueues/{self.urgent}", f"{API}/jobqueues/{self.nightly}"]
        for path in (*paths, f"{API}/clusterpools/{self.pool}"):
            while request("DELETE", path)[0] not in (200, 202, 404) and time.monotonic() < deadline:
                time.sleep(0.2)  # it is deleted once the operator has seen that nothing is left in it

    def _create_queues(self) -> None:
        sizes = self.sizes
        self.world.create(
            f"{API}/clusterpools", resource("ClusterPool", self.pool, clusters=[self._cluster(enabled=False)])
        )
        for name, priority, runs, actions in (
            (self.urgent, "max", 0, sizes.urgent_limit),
            (self.nightly, "min", sizes.nightly_runs, sizes.nightly_limit),
        ):
            body = resource(
                "JobQueue",
                name,
                pool=self.pool,
                priority=priority,
                runConcurrency=runs,
                actionConcurrency=actions,
                depth=sizes.depth,
            )
            self.world.create(f"{API}/jobqueues", body)

    def _bound(self, look: Look) -> bool:
        bindings = self.world.client.get(
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
        )
        names = {body["metadata"]["name"] for body in (bindings or {}).get("items", ())}
        return all(
            look.status(queue).get("state") == "Active" and f"headgate-job-intake-{queue}" in names
            for queue in (self.urgent, self.nightly)
        )

    def _open(self, *, enabled: bool) -> None:
        self.world.patch(f"{API}/clusterpools/{self.pool}", {"clusters": [self._cluster(enabled=enabled)]})

    def _cluster(self, *, enabled: bool) -> Json:
        return {"name": self.pool, "local": True, "state": "Enabled" if enabled else "Disabled"}

    def _set_state(self, state: str) -> None:
        self.world.patch(f"{API}/jobqueues/{self.nightly}", {"state": state})

    def _nightly_job(self, number: int) -> Json:
        return self._job(f"nightly-{number:03}", self.nightly, f"night-{number // self.sizes.run_size}")

    def _urgent_job(self, number: int) -> Json:
        return self._job(f"urgent-{number:03}", self.urgent)

    def _job(self, name: str, queue: str, run: str = "") -> Json:
        pod = {
            "metadata": {"annotations": {"headgate.dev/test-duration": f"{self.sizes.job_seconds}s"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]},
        }
        labels = {QUEUE: queue, **({RUN: run} if run else {})}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "labels": labels},
            "spec": {"backoffLimit": 0, "template": pod},
        }

    def _tell(self, step: int, headline: str, detail: str) -> None:
        self.told.step, self.told.headline, self.told.detail = step, headline, detail
        self.changed()

    def _check(self, good: bool, what: str) -> None:
        self.told.checks.append((good, what))
        self.changed()

    def _pause(self, part: float = 1.0) -> None:
        time.sleep(self.sizes.pause * part)


def resource(kind: str, name: str, **spec: Any) -> Json:
    """Return a resource of Headgate's."""
    return {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def seen(look: Look, queue: str, what: str) -> int:
    """Return a number that the status of a queue gives for its Jobs."""
    return int((look.status(queue).get("jobs") or {}).get(what, 0))


def decided(works: list[Work]) -> list[Work]:
    """Return the Jobs that were let through, in the order of the decisions."""
    return sorted((work for work in works if work.admitted_at), key=lambda work: work.admitted_at)
