"""What the API server says: two queues with their statuses, and their Jobs, from fresh lists."""

from __future__ import annotations

import threading
import time
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
RUN: Final = "headgate.dev/run"
ADMITTED_AT: Final = "headgate.dev/admitted-at"
LOOK_SECONDS: Final = 0.25
COUNTED: Final = ("total", "waiting", "active", "succeeded", "failed", "canceled", "timedOut")


@dataclass(frozen=True)
class Work:
    """One Job, as much of it as the demo looks at."""

    uid: str
    queue: str
    run: str
    created: str
    admitted_at: str
    result: str
    suspended: bool

    @property
    def active(self) -> bool:
        """Whether it was let through and has not finished."""
        return not self.result and not self.suspended


@dataclass(frozen=True)
class Look:
    """Both lists at about the same moment."""

    queues: dict[str, Json]
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

    def runs(self, queue: str) -> int:
        """Count the runs of a queue that have begun and have Jobs left."""
        works = self.of(queue)
        begun = {work.run for work in works if work.admitted_at}
        return len(begun & {work.run for work in works if not work.result})

    def status(self, queue: str) -> Json:
        """Return what the operator says of a queue."""
        return dict(self.queues.get(queue, {}).get("status") or {})

    def spec(self, queue: str) -> Json:
        """Return what a queue should be."""
        return dict(self.queues.get(queue, {}).get("spec") or {})


@dataclass
class Most:
    """The most of a queue's Jobs and runs that were ever seen active in one list."""

    jobs: int = 0
    runs: int = 0


@dataclass
class World:
    """The connection to the API server, and a thread that looks four times a second."""

    client: Client
    namespace: str
    names: tuple[str, ...]
    look: Look = field(default_factory=lambda: Look({}, []))
    most: dict[str, Most] = field(default_factory=dict)
    on_look: Callable[[], None] = lambda: None
    version: str = ""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)

    @classmethod
    def connect(
        cls, server: str, ca_file: Path, token: str, *, namespace: str, names: tuple[str, ...]
    ) -> World:
        """Find out what is at that address."""
        client = Client(server, ca_file, token)
        version = (client.get("/version") or {}).get("gitVersion", "")
        return cls(client, namespace, names, most={name: Most() for name in names}, version=version)

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
        """List both kinds now."""
        queues = self._list(f"{API}/jobqueues")
        jobs = self._list(self._jobs)
        return Look(
            {body["metadata"]["name"]: body for body in queues if body["metadata"]["name"] in self.names},
            [work_of(body) for body in jobs if QUEUE in (body["metadata"].get("labels") or {})],
        )

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
                for name, most in self.most.items():
                    most.jobs = max(most.jobs, sum(work.active for work in look.of(name)))
                    most.runs = max(most.runs, look.runs(name))
                self.look = look
                self.on_look()
        except BaseException as error:  # told by whoever waits
            self._failure = error


def work_of(body: Json) -> Work:
    """Return what the demo keeps of a Job."""
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    return Work(
        uid=metadata["uid"],
        queue=labels[QUEUE],
        run=labels.get(RUN) or metadata["uid"],
        created=metadata["creationTimestamp"],
        admitted_at=(metadata.get("annotations") or {}).get(ADMITTED_AT, ""),
        result=result_of(body.get("status") or {}),
        suspended=bool(body["spec"].get("suspend")),
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
