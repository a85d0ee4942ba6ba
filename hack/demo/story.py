"""What happens in the demo, and what must be true of it.

The story waits for what it has told to be seen on the API server before it goes on. A check that fails ends up on the
screen and in the exit code; it never stops the story, so that a person sees all of what was wrong.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from hack.demo.world import API, COUNTED, QUEUE, SHARE, Look, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hack.demo.world import World

Json = dict[str, Any]

STEPS: Final = ("submit", "share", "priority", "drain", "refusal", "reactivate", "recount")
WEIGHTS: Final = {"science": 0.5, "reports": 1.0}
"""The shares of low-priority with their weight factors: the smaller, the larger the share."""
CORES: Final = 2
"""What every Job asks for."""
KNOWN_AFTER: Final = timedelta(seconds=2)
"""After so long a Job counts as known to the operator: creation times are whole seconds."""


@dataclass(frozen=True)
class Sizes:
    """How much happens, and how long a person gets to see it."""

    science: int = 80
    reports: int = 40
    high: int = 75
    again: int = 15
    spot_places: int = 30
    on_demand_places: int = 15
    limit: int = 5
    job_seconds: float = 3.5
    """From 0.6 to 1.5 times as long, so that places become free one by one."""
    pause: float = 4.0
    depth: int = 200

    @property
    def low(self) -> int:
        """How many Jobs arrive at low-priority."""
        return self.science + self.reports


SMALL: Final = Sizes(
    science=12, reports=6, high=16, again=3, spot_places=6, on_demand_places=3, limit=2, job_seconds=1.0, pause=0.0
)  # fmt: skip
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
    """Two queues, two environments: ``low`` has ``spot`` alone at first, ``high`` matters more."""

    def __init__(self, world: World, sizes: Sizes, prefix: str = "") -> None:
        self.world = world
        self.sizes = sizes
        self.told = Told()
        self.prefix = prefix
        self.high, self.low = (f"{prefix}{name}" for name in ("high-priority", "low-priority"))
        self.on_demand, self.spot = (f"{prefix}{name}" for name in ("c4-on-demand", "m4-spot"))
        self.policy = f"{prefix}by-team"
        self.changed: Callable[[], None] = lambda: None

    def play(self) -> None:
        """Tell it all."""
        self._submit()
        self._share()
        self._priority()
        self._drain()
        self._refusal()
        self._reactivate()
        self._recount()

    @property
    def queues(self) -> tuple[str, str]:
        """The queues, the one that goes first first."""
        return self.high, self.low

    @property
    def environments(self) -> tuple[str, str]:
        """The environments, in the order in which high-priority tries them."""
        return self.on_demand, self.spot

    def short(self, name: str) -> str:
        """Return what the story calls a queue or an environment."""
        return name.removeprefix(self.prefix)

    def kind(self, work: Work) -> str:
        """Return what a Job is shown as: its queue, or its share of low-priority."""
        return self.short(self.high) if work.queue == self.high else work.share

    def _submit(self) -> None:
        sizes = self.sizes
        self._tell(
            1,
            f"{sizes.low} Jobs of two teams arrive at low-priority, which is paused: they wait",
            f"science comes first. m4-spot would have room for {sizes.spot_places} of them.",
        )
        self._create_resources()
        self.world.watch()
        self.world.wait(self._bound, "the admission policies are bound to both queues")
        jobs = [
            self._job(f"{share}-{n:03}", self.low, share)
            for share, count in (("science", sizes.science), ("reports", sizes.reports))
            for n in range(count)
        ]
        self.world.submit_all(jobs, sizes.pause / 16)
        self.world.wait(
            lambda look: (
                seen(look, self.low, "waiting") == sizes.low
                and sum(work.noticed for work in look.works) == sizes.low
            ),
            "the status shows what waits, and Kubernetes' own controller has seen it",
        )
        held = all(work.suspended and not work.admitted_at for work in self.world.look.works)
        self._check(held, f"all {sizes.low} Jobs waited while low-priority was paused")
        self._pause(0.75)

    def _share(self) -> None:
        places = self.sizes.spot_places
        self._tell(
            2,
            "low-priority goes on, m4-spot is full at once, and the two teams share it",
            "science has the weight factor 0.5, reports has 1: science gets twice as much.",
        )
        self.world.patch(f"{API}/jobqueues/{self.low}", {"dispatch": {"paused": False}})
        self.world.wait(
            lambda look: len(decided(look.works)) >= places + self.sizes.on_demand_places // 2,
            "low-priority has filled m4-spot",
        )
        first = decided(self.world.look.works)[:places]
        counts = [sum(work.share == share for work in first) for share in WEIGHTS]
        self._check(
            counts == [places * 2 // 3, places // 3],
            f"the first {places} admissions were {counts[0]} of science and {counts[1]} of reports",
        )
        self._pause(0.5)

    def _priority(self) -> None:
        sizes = self.sizes
        self._tell(
            3,
            f"{sizes.high} Jobs arrive at high-priority: first into c4-on-demand, then m4-spot",
            "What runs goes on. Room that gets free is theirs as long as one of them waits.",
        )
        self.world.submit_all(self._job(f"high-{n:03}", self.high) for n in range(sizes.high))
        self.world.wait(
            lambda look: len(decided(look.of(self.high))) == sizes.high,
            "all of high-priority was admitted",
        )
        went = [work.environment for work in decided(self.world.look.of(self.high))]
        first = went[: sizes.on_demand_places]
        self._check(
            first == [self.on_demand] * sizes.on_demand_places and self.spot in went,
            f"high-priority filled c4-on-demand first, and took {went.count(self.spot)} places in m4-spot",
        )
        self.world.wait(
            lambda look: seen(look, self.high, "succeeded") == sizes.high, "high-priority has finished"
        )

    def _drain(self) -> None:
        self._tell(
            4,
            "low-priority is being drained: what waits still runs, nothing new comes in",
            "spec.state of JobQueue low-priority is set to Drained.",
        )
        self.world.patch(f"{API}/jobqueues/{self.low}", {"state": "Drained"})
        self.world.wait(
            lambda look: look.status(self.low).get("state") in ("Draining", "Drained"), "low-priority drains"
        )
        self._pause(0.5)

    def _refusal(self) -> None:
        self._tell(
            5,
            "Somebody submits to low-priority all the same, and the API server refuses",
            "The API server's own admission policy says so; it needs no operator for it.",
        )
        self.told.attempt = "create Job late with the label headgate.dev/queue: low-priority"
        late = self._job("late", self.low, "reports")
        self.world.wait(
            lambda _: not self.world.would_take(late), "the API server refuses Jobs of low-priority"
        )
        status, said = self.world.submit(late)
        self.told.answers.append((False, said))
        self._check(
            status in (403, 422) and "accepts no new Jobs" in said, "a Job for a draining queue was refused"
        )
        self._pause()
        self.world.wait(
            lambda look: look.status(self.low).get("state") == "Drained",
            "low-priority is drained",
            seconds=120,
        )
        works = self.world.look.works
        self._check(
            seen(self.world.look, self.low, "succeeded") == self.sizes.low,
            f"all {self.sizes.low} Jobs that low-priority had accepted ran before it was Drained",
        )
        self._check(
            not overtaken(works, self.high, self.low),
            "while a Job of high-priority waited, none of low-priority was admitted",
        )
        self._pause(0.5)

    def _reactivate(self) -> None:
        again, limit = self.sizes.again, self.sizes.limit
        self._tell(
            6,
            f"low-priority is active again, with actionConcurrency {limit}: {limit} Jobs at a time",
            f"The same Job is accepted now, and {again - 1} more. Room is not what they wait for.",
        )
        self.world.most.jobs.clear()
        self.world.patch(f"{API}/jobqueues/{self.low}", {"state": "Active", "actionConcurrency": limit})
        self.world.wait(lambda look: look.status(self.low).get("state") == "Active", "low-priority is active")
        self._pause(0.25)
        late = self._job("late", self.low, "reports")
        self.world.wait(lambda _: self.world.would_take(late), "the API server takes Jobs of low-priority")
        status, said = self.world.submit(late)
        self.told.answers.append((status == 201, "201 Created" if status == 201 else said))
        self._check(status == 201, "the same Job was accepted when low-priority was active again")
        self.world.submit_all(self._job(f"again-{n:03}", self.low, "science") for n in range(1, again))
        everything = self.sizes.low + again
        self.world.wait(
            lambda look: seen(look, self.low, "succeeded") == everything, "low-priority has finished again"
        )
        self._pause(0.25)

    def _recount(self) -> None:
        sizes = self.sizes
        self._tell(
            7,
            "At rest: what the statuses say, and what a fresh list of the Jobs says",
            "Every Job is listed and counted again, without asking Headgate.",
        )
        most = self.world.most
        jobs = most.jobs[self.low]
        self._check(
            jobs <= sizes.limit,
            f"with actionConcurrency {sizes.limit}, low-priority never had more than {jobs} Jobs active",
        )
        cores = [most.cores[name] for name in self.environments]
        places = (sizes.on_demand_places, sizes.spot_places)
        self._check(
            all(used <= CORES * count for used, count in zip(cores, places, strict=True)),
            f"at most {cores[0]} and {cores[1]} cores were ever in use, of {CORES * places[0]} and {CORES * places[1]}",
        )
        self.world.wait(self._at_rest, "the statuses of the environments show that nothing is left")
        look = self.world.take_a_look()
        for queue in self.queues:
            counted, said = look.count(queue), look.status(queue).get("jobs") or {}
            self.told.recount += [(queue, what, int(said.get(what, 0)), counted[what]) for what in COUNTED]
        done = sizes.low + sizes.high + sizes.again
        self._check(
            sum(work.result == "succeeded" for work in look.works) == done, f"all {done} Jobs succeeded"
        )
        self.told.finished = True
        self.changed()

    def _at_rest(self, look: Look) -> bool:
        return all(cores_said(look, name)[0] == look.cores(name) == 0 for name in self.environments)

    def clean_up(self) -> None:
        """Remove it all again, with the Jobs; for a cluster that lives on."""
        request = self.world.client.request
        request(
            "DELETE",
            f"/apis/batch/v1/namespaces/{self.world.namespace}/jobs",
            {"propagationPolicy": "Background"},
        )
        deadline = time.monotonic() + 120
        paths = [
            *(f"jobqueues/{name}" for name in self.queues),
            *(f"computeenvironments/{name}" for name in self.environments),
            f"schedulingpolicies/{self.policy}",
            f"clusterpools/{self.world.pool}",
        ]
        for path in paths:
            while (
                request("DELETE", f"{API}/{path}")[0] not in (200, 202, 404) and time.monotonic() < deadline
            ):
                time.sleep(0.2)  # it is deleted once the operator has seen that nothing is left in it

    def _create_resources(self) -> None:
        pool, sizes = self.world.pool, self.sizes
        self._create("clusterpools", "ClusterPool", pool, clusters=[{"name": pool, "local": True}])
        for name, type_, places in (
            (self.on_demand, "OnDemand", sizes.on_demand_places),
            (self.spot, "Spot", sizes.spot_places),
        ):
            self._create(
                "computeenvironments",
                "ComputeEnvironment",
                name,
                pool=pool,
                type=type_,
                instanceShape={"architecture": "amd64"},
                capacity={"cpu": CORES * places},
            )
        shares = [{"identifier": name, "weightFactor": factor} for name, factor in WEIGHTS.items()]
        self._create("schedulingpolicies", "SchedulingPolicy", self.policy, fairShare={"shares": shares})
        common = {"pool": pool, "runConcurrency": 0, "actionConcurrency": 0, "depth": sizes.depth}
        self._create(
            "jobqueues",
            "JobQueue",
            self.high,
            priority=10,
            computeEnvironments=[{"order": 1, "name": self.on_demand}, {"order": 2, "name": self.spot}],
            **common,
        )
        self._create(
            "jobqueues",
            "JobQueue",
            self.low,
            priority=1,
            computeEnvironments=[{"order": 1, "name": self.spot}],
            schedulingPolicy=self.policy,
            dispatch={"paused": True, "note": "until all Jobs are there"},
            **common,
        )

    def _create(self, plural: str, kind: str, name: str, **spec: Any) -> None:
        metadata = {"name": name}
        body = {"apiVersion": "headgate.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        self.world.create(f"{API}/{plural}", body)

    def _bound(self, look: Look) -> bool:
        bindings = self.world.client.get(
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
        )
        names = {body["metadata"]["name"] for body in (bindings or {}).get("items", ())}
        return all(
            look.status(queue).get("state") == "Active" and f"headgate-job-intake-{queue}" in names
            for queue in self.queues
        )

    def _job(self, name: str, queue: str, share: str = "") -> Json:
        seconds = self.sizes.job_seconds * (0.6 + zlib.crc32(name.encode()) % 10 / 10)
        requests = {"cpu": str(CORES)}
        pod = {
            "metadata": {"annotations": {"headgate.dev/test-duration": f"{seconds:.1f}s"}},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "main", "image": "none", "resources": {"requests": requests}}],
            },
        }
        labels = {QUEUE: queue, **({SHARE: share} if share else {})}
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


def seen(look: Look, queue: str, what: str) -> int:
    """Return a number that the status of a queue gives for its Jobs."""
    return int((look.status(queue).get("jobs") or {}).get(what, 0))


def cores_said(look: Look, environment: str) -> tuple[int, int]:
    """Return the cores that the status of an environment says are requested, and those it says there are."""
    status = look.environments.get(environment, {}).get("status") or {}
    used, most = ((status.get(key) or {}).get("cpu", "0") for key in ("requested", "capacity"))
    return int(used), int(most)


def decided(works: Iterable[Work]) -> list[Work]:
    """Return the Jobs that were let through, in the order of the decisions."""
    return sorted((work for work in works if work.admitted_at), key=lambda work: work.admitted_at)


def overtaken(works: Iterable[Work], first: str, then: str) -> list[Work]:
    """Return the Jobs of one queue that were admitted while a Job of another one was known to wait."""
    order = decided(works)
    waited = [
        (datetime.fromisoformat(work.created) + KNOWN_AFTER, datetime.fromisoformat(work.admitted_at))
        for work in order
        if work.queue == first
    ]
    return [
        work
        for work in order
        if work.queue == then
        and any(since < datetime.fromisoformat(work.admitted_at) < until for since, until in waited)
    ]
