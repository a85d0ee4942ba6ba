"""What the API server says: the queues and environments of one pool with their statuses, and their Jobs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from controlplane import ControlPlaneError
from controlplane.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Json = dict[str, Any]

API: Final = "/apis/headgate.dev/v1alpha1"
QUEUE: Final = "headgate.dev/queue"
SHARE: Final = "headgate.dev/share"
ADMITTED_AT: Final = "headgate.dev/admitted-at"
ENVIRONMENT: Final = "headgate.dev/compute-environment"
LOOK_SECONDS: Final = 0.25
COUNTED: Final = ("total", "waiting", "active", "succeeded", "failed", "canceled", "timedOut")


@dataclass(frozen=True)
class Work:
    """One Job, as much of it as the demo looks at."""

    uid: str
    queue: str
    share: str
    created: str
    admitted_at: str
    environment: str
    cores: int
    result: str
    suspended: bool
    noticed: bool
    """Whether the Job controller has written something about it: from then on it leaves a waiting Job alone."""

    @property
    def active(self) -> bool:
        """Whether it was let through and has not finished."""
        return not self.result and not self.suspended


@dataclass(frozen=True)
class Look:
    """All lists at about the same moment."""

    queues: dict[str, Json]
    environments: dict[str, Json]
    works: list[Work]

    def count(self, queue: str) -> dict[str, int]:
        """Count a queue's Jobs from the list, without its status."""
        counts = dict.fromkeys(COUNTED, 0)
        for work in self.of(queue):
            counts["total"] += 1
            counts[work.result or ("active" if work.active else "waiting")] += 1
        return counts

    def of(self, queue: str) -> list[Work]:
        """Return the Jobs of a queue."""
        return [work for work in self.works if work.queue == queue]

    def inside(self, environment: str) -> list[Work]:
        """Return the active Jobs in an environment."""
        return [work for work in self.works if work.active and work.environment == environment]

    def cores(self, environment: str) -> int:
        """Count the cores that the active Jobs in an environment ask for, without its status."""
        return sum(work.cores for work in self.inside(environment))

    def status(self, queue: str) -> Json:
        """Return what the operator says of a queue."""
        return dict(self.queues.get(queue, {}).get("status") or {})

    def spec(self, queue: str) -> Json:
        """Return what a queue should be."""
        return dict(self.queues.get(queue, {}).get("spec") or {})


@dataclass
class Most:
    """The most that was ever seen in one list of Jobs."""

    jobs: Counter[str] = field(default_factory=Counter)
    """Active Jobs, by queue."""
    cores: Counter[str] = field(default_factory=Counter)
    """Cores that active Jobs ask for, by environment."""

    def see(self, look: Look) -> None:
        """Take in one more list."""
        for queue in look.queues:
            self.jobs[queue] = max(self.jobs[queue], sum(work.active for work in look.of(queue)))
        for environment in look.environments:
            self.cores[environment] = max(self.cores[environment], look.cores(environment))


@dataclass
class World:
    """The connection to the API server, and a thread that looks four times a second."""

    client: Client
    namespace: str
    pool: str
    look: Look = field(default_factory=lambda: Look({}, {}, []))
    most: Most = field(default_factory=Most)
    on_look: Callable[[], None] = lambda: None
    version: str = ""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)

    @classmethod
    def connect(cls, server: str, ca_file: Path, token: str, *, namespace: str, pool: str) -> World:
        """Find out what is at that address."""
        client = Client(server, ca_file, token)
        version = (client.get("/version") or {}).get("gitVersion", "")
        return cls(client, namespace, pool, version=version)

    def watch(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def wait(self, question: Callable[[Look], bool], what: str, seconds: float = 60) -> None:
        """Wait until a look shows it."""
        deadline = time.monotonic() + seconds
        while not question(self.look):
            if self._failure:
                raise ControlPlaneError(f"the API server could not be asked: {self._failure}")
            if time.monotonic() > deadline:
                raise ControlPlaneError(f"this did not happen within {seconds:.0f} s: {what}")
            time.sleep(LOOK_SECONDS / 2)

    def create(self, path: str, body: Json) -> None:
        """Create an object, which must succeed."""
        status, answer = self.client.request("POST", path, body)
        if status >= 300 or not status:
            raise ControlPlaneError(f"could not create {body['metadata']['name']}: {message(answer)}")

    def patch(self, path: str, spec: Json) -> None:
        """Change an object, which must succeed."""
        status, answer = self.client.request("PATCH", path, {"spec": spec})
        if status >= 300 or not status:
            raise ControlPlaneError(f"could not change {path.rsplit('/', 1)[-1]}: {message(answer)}")

    def submit(self, body: Json) -> tuple[int, str]:
        """Create a Job; return the HTTP status and what the API server says."""
        status, answer = self.client.request("POST", self._jobs, body)
        return status, message(answer)

    def would_take(self, body: Json) -> bool:
        """Whether the API server would let a Job be created now: it goes by a queue's state a moment later."""
        return self.client.request("POST", f"{self._jobs}?dryRun=All", body)[0] == 201

    def submit_all(self, bodies: Iterable[Json], pace: float = 0.0) -> None:
        """Create Jobs, some at a time, none of which may be refused; pause between handfuls so that it can be seen."""
        with ThreadPoolExecutor(8) as pool:
            remaining = list(bodies)
            while remaining:
                handful, remaining = remaining[:20], remaining[20:]
                for status, said in pool.map(self.submit, handful):
                    if status != 201:
                        raise ControlPlaneError(f"a Job was refused that should not be ({status}): {said}")
                time.sleep(pace)

    def take_a_look(self) -> Look:
        """List it all now."""
        jobs = self._list(self._jobs)
        return Look(
            self._of_pool("jobqueues"),
            self._of_pool("computeenvironments"),
            [work_of(body) for body in jobs if QUEUE in (body["metadata"].get("labels") or {})],
        )

    def _of_pool(self, plural: str) -> dict[str, Json]:
        bodies = self._list(f"{API}/{plural}?fieldSelector=spec.pool%3D{self.pool}")
        return {body["metadata"]["name"]: body for body in bodies}

    @property
    def _jobs(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    def _list(self, path: str) -> list[Json]:
        status, body = self.client.request("GET", path)
        if status != 200:
            raise ControlPlaneError(f"{path} answers {status}")
        return list(body["items"])

    def _follow(self) -> None:
        try:
            while not self._stop.wait(LOOK_SECONDS):
                look = self.take_a_look()
                self.most.see(look)
                self.look = look
                self.on_look()
        except BaseException as error:  # told by whoever waits
            self._failure = error


def work_of(body: Json) -> Work:
    """Return what the demo keeps of a Job."""
    metadata = body["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    containers = body["spec"]["template"]["spec"]["containers"]
    return Work(
        uid=metadata["uid"],
        queue=labels[QUEUE],
        share=labels.get(SHARE, ""),
        created=metadata["creationTimestamp"],
        admitted_at=annotations.get(ADMITTED_AT, ""),
        environment=annotations.get(ENVIRONMENT, ""),
        cores=sum(int(container["resources"]["requests"]["cpu"]) for container in containers),
        result=result_of(body.get("status") or {}),
        suspended=bool(body["spec"].get("suspend")),
        noticed=bool((body.get("status") or {}).get("conditions")),
    )


def result_of(status: Json) -> str:
    """Return how a Job ended in the words of a queue's status, or nothing."""
    for condition in status.get("conditions") or ():
        if condition["status"] != "True":
            continue
        if condition["type"] == "Complete":
            return "succeeded"
        if condition["type"] == "Failed":
            reasons = {"Canceled": "canceled", "TimedOut": "timedOut", "DeadlineExceeded": "timedOut"}
            return reasons.get(condition.get("reason", ""), "failed")
    return ""


def message(answer: Any) -> str:
    """Return what a Status object says."""
    return str(answer.get("message", answer)) if isinstance(answer, dict) else str(answer)
