"""A plain client for tests: synchronous, without any of Headgate's code, so that it can testify."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import urllib3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Json = dict[str, Any]
T = TypeVar("T")

JOBS = "/apis/batch/v1/jobs"
QUEUES = "/apis/headgate.dev/v1alpha1/jobqueues"
POOLS = "/apis/headgate.dev/v1alpha1/clusterpools"
ENVIRONMENTS = "/apis/headgate.dev/v1alpha1/computeenvironments"
POLICIES = "/apis/headgate.dev/v1alpha1/schedulingpolicies"
MERGE = "application/merge-patch+json"
TIMED_OUT = "request timed out"
"""What an API server says that does not know whether etcd has carried out a write."""
ATTEMPTS = 5
"""How often an API server is asked that is too busy to answer."""

DURATION = "headgate.dev/test-duration"
"""The annotation of a Pod that says how long it runs."""
ENDLESS = 3600.0
"""How many seconds a Job runs that ends only when the test says so: longer than any run of the tests."""
PATIENCE = 300.0
"""How many seconds something may take that is sure to come. A machine may be slow, and this costs nothing where it is
not; nothing is proved by the time that passes."""


class RefusedError(Exception):
    """The API server said no."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status}: {body.get('message')}")
        self.status = status
        self.message: str = body.get("message") or ""


class Client:
    """One user's connection to an API server."""

    def __init__(self, server: str, token: str, ca_file: Path) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._http = urllib3.PoolManager(maxsize=32, block=True, ca_certs=str(ca_file), retries=False)

    def call(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> Json:
        """Make a request; raises `RefusedError` on an error."""
        headers = {**self._headers, "Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._http.request(method, self._server + path, body=data, headers=headers)
            if attempt == ATTEMPTS or not _is_overloaded(method, answer):
                break
            time.sleep(attempt)
        if answer.status >= 400:
            # A path that is not served yet answers in plain text.
            is_json = answer.headers.get("Content-Type", "").startswith("application/json")
            raise RefusedError(
                answer.status, json.loads(answer.data) if is_json else {"message": str(answer.data)}
            )
        found: Json = json.loads(answer.data) if answer.data else {}
        return found

    def get(self, path: str) -> Json:
        return self.call("GET", path)

    def items(self, path: str) -> list[Json]:
        return list(self.call("GET", path)["items"])

    def create(self, path: str, body: Json) -> Json:
        try:
            return self.call("POST", path, body)
        except RefusedError as error:
            if error.status < 500 or TIMED_OUT not in error.message:
                raise
        try:
            return self.call("POST", path, body)
        except RefusedError as error:
            if error.status != 409:
                raise
            # It was made the first time.
            return self.get(f"{path}/{body['metadata']['name']}")

    def patch(self, path: str, body: Json | list[Json], *, content_type: str = MERGE) -> Json:
        return self.call("PATCH", path, body, content_type=content_type)

    def delete(self, path: str, *, propagation: str = "Background") -> Json:
        return self.call("DELETE", path, {"propagationPolicy": propagation})

    def create_all(self, path: str, bodies: Iterable[Json], *, at_once: int = 16) -> list[Json]:
        """Create many objects at full speed."""
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda body: self.create(path, body), bodies))


def _is_overloaded(method: str, answer: urllib3.BaseHTTPResponse) -> bool:
    """Whether an API server may answer if it is asked once more, and nothing is done twice by that."""
    if answer.status == 429:
        return True
    return answer.status >= 500 and (
        method == "GET" or (method == "PATCH" and TIMED_OUT.encode() in answer.data)
    )


@dataclass(frozen=True)
class User:
    """A namespace and the queues of one test, seen with somebody's rights."""

    client: Client
    namespace: str

    @property
    def jobs_path(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    def queue(self, name: str, **spec: Any) -> Json:
        """Create a JobQueue; limits are off unless given. Its name gets the namespace in front, to be unique."""
        body = {
            "apiVersion": "headgate.dev/v1alpha1",
            "kind": "JobQueue",
            "metadata": {"name": self.full(name)},
            "spec": {"runConcurrency": 0, "actionConcurrency": 0, **spec},
        }
        return self.client.create(QUEUES, body)

    def full(self, name: str) -> str:
        return f"{self.namespace}-{name}"

    def get_queue(self, name: str) -> Json:
        return self.client.get(f"{QUEUES}/{self.full(name)}")

    def status(self, name: str) -> Json:
        return dict(self.get_queue(name).get("status") or {})

    def change_queue(self, name: str, **spec: Any) -> Json:
        return self.client.patch(f"{QUEUES}/{self.full(name)}", {"spec": spec})

    def job(self, name: str, queue: str | None, **options: Any) -> Json:
        """Create a Job, see `job_body`."""
        return self.client.create(self.jobs_path, self.job_body(name, queue, **options))

    def jobs(self, count: int, queue: str, **options: Any) -> list[Json]:
        """Create many Jobs at full speed."""
        prefix = options.pop("prefix", "job")
        bodies = (self.job_body(f"{prefix}-{number:04}", queue, **options) for number in range(count))
        return self.client.create_all(self.jobs_path, bodies)

    def job_body(
        self,
        name: str,
        queue: str | None,
        *,
        seconds: float = 1.0,
        fail: bool = False,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        owner: Json | None = None,
        requests: dict[str, str] | None = None,
        pod: Json | None = None,
        **spec: Any,
    ) -> Json:
        """Return a Job whose pods run for so many seconds and request so much; `pod` is more of their spec."""
        container: Json = {"name": "main", "image": "none"}
        if requests:
            container["resources"] = {"requests": requests}
        pod_annotations = {DURATION: f"{seconds}s"}
        if fail:
            pod_annotations["headgate.dev/test-fail"] = "true"
        all_labels = {"headgate.dev/queue": self.full(queue)} if queue else {}
        metadata: Json = {
            "name": name,
            "labels": {**all_labels, **(labels or {})},
            "annotations": annotations or {},
        }
        if owner:
            metadata["ownerReferences"] = [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": owner["metadata"]["name"],
                    "uid": owner["metadata"]["uid"],
                }
            ]
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {
                "backoffLimit": 0,
                **spec,
                "template": {
                    "metadata": {"annotations": pod_annotations},
                    "spec": {"restartPolicy": "Never", "containers": [container], **(pod or {})},
                },
            },
        }

    def many(self, count: int, queue: str, **options: Any) -> tuple[list[Json], list[str]]:
        """Create many Jobs at full speed; return those that were accepted, and why others were refused."""
        refused: list[str] = []

        def create(number: int) -> Json | None:
            try:
                return self.job(f"{prefix}-{number:04}", queue, **options)
            except RefusedError as error:
                refused.append(error.message)
                return None

        prefix = options.pop("prefix", "job")
        with ThreadPoolExecutor(16) as pool:
            return [body for body in pool.map(create, range(count)) if body], refused

    def change_job(self, name: str, body: Json) -> Json:
        return self.client.patch(f"{self.jobs_path}/{name}", body)

    def annotate(self, name: str, **annotations: str | None) -> Json:
        """Set annotations of a Job (`headgate.dev/` is put before their names), or remove those that are None."""
        named = {f"headgate.dev/{key}": value for key, value in annotations.items()}
        return self.change_job(name, {"metadata": {"annotations": named}})

    def pool(self, name: str, *clusters: str, state: str = "Enabled") -> Json:
        """Create a pool, with the namespace before its name and before those of its clusters."""
        body = {
            "apiVersion": "headgate.dev/v1alpha1",
            "kind": "ClusterPool",
            "metadata": {"name": self.full(name)},
            "spec": {"clusters": self.clusters(*clusters, state=state)},
        }
        return self.client.create(POOLS, body)

    def clusters(self, *names: str, state: str = "Enabled") -> list[Json]:
        return [{"name": self.full(name), "local": True, "state": state} for name in names]

    def change_pool(self, name: str, clusters: list[Json]) -> Json:
        return self.client.patch(f"{POOLS}/{self.full(name)}", {"spec": {"clusters": clusters}})

    def pool_status(self, name: str) -> Json:
        return dict(self.client.get(f"{POOLS}/{self.full(name)}").get("status") or {})

    def environment(self, name: str, **spec: Any) -> Json:
        """Create a ComputeEnvironment, with the namespace before its name; on demand unless told otherwise."""
        return self._create(ENVIRONMENTS, "ComputeEnvironment", name, {"type": "OnDemand", **spec})

    def change_environment(self, name: str, **spec: Any) -> Json:
        return self.client.patch(f"{ENVIRONMENTS}/{self.full(name)}", {"spec": spec})

    def environment_status(self, name: str) -> Json:
        return dict(self.client.get(f"{ENVIRONMENTS}/{self.full(name)}").get("status") or {})

    def using(self, *environments: str) -> list[Json]:
        """Return a queue's spec.computeEnvironments: these, in this order."""
        return [{"order": order, "name": self.full(name)} for order, name in enumerate(environments, 1)]

    def policy(self, name: str, **fair_share: Any) -> Json:
        """Create a SchedulingPolicy, with the namespace before its name."""
        return self._create(POLICIES, "SchedulingPolicy", name, {"fairShare": fair_share})

    def change_policy(self, name: str, **fair_share: Any) -> Json:
        return self.client.patch(f"{POLICIES}/{self.full(name)}", {"spec": {"fairShare": fair_share}})

    def policy_status(self, name: str) -> Json:
        return dict(self.client.get(f"{POLICIES}/{self.full(name)}").get("status") or {})

    def _create(self, path: str, kind: str, name: str, spec: Json) -> Json:
        body = {
            "apiVersion": "headgate.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": self.full(name)},
            "spec": spec,
        }
        return self.client.create(path, body)

    def condition(self, queue: str, kind: str) -> Json:
        """Return a condition of a queue; a KeyError where it is not there yet."""
        return condition(self.status(queue), kind)

    def until(self, queue: str, *, within: float = PATIENCE, **counts: int) -> None:
        """Wait until a queue's status gives its Jobs these numbers, all of them in one status."""

        def check() -> bool:
            jobs = self.status(queue)["jobs"]
            assert {name: jobs[name] for name in counts} == counts, jobs
            return True

        eventually(check, within=within)

    def until_waiting(self, queue: str, count: int) -> None:
        """Wait until the operator knows of so many waiting Jobs, and the Job controller of all of them.

        It writes to each once, and an admission that this comes in between of has to be decided again, behind others.
        """
        self.until(queue, waiting=count)
        path = f"{JOBS}?labelSelector=headgate.dev/queue%3D{self.full(queue)}"

        def noticed() -> bool:
            waiting = [body for body in self.client.items(path) if body["spec"].get("suspend")]
            assert all(body["status"].get("conditions") for body in waiting), "the Job controller is behind"
            return True

        eventually(noticed)

    def until_active(self, queue: str, count: int) -> None:
        """Wait until so many Jobs are active, says the queue's status: ask it of endless Jobs only."""
        self.until(queue, active=count)

    def succeeded(self, queue: str, count: int, *, within: float = PATIENCE) -> None:
        """Wait until so many Jobs of a queue have succeeded."""
        self.until(queue, within=within, succeeded=count)

    def end(self, *jobs: str) -> None:
        """Let endless Jobs succeed, once their Pods run."""

        def ended(job: str) -> bool:
            running = [pod for pod in self.pods(job) if pod["status"].get("phase") == "Running"]
            for pod in running:
                self._end(pod)
            return bool(running)

        for job in jobs:
            eventually(partial(ended, job))

    def end_running(self) -> None:
        """Let whatever endless Job of this namespace runs now succeed."""
        running = f"/api/v1/namespaces/{self.namespace}/pods?fieldSelector=status.phase%3DRunning"
        for pod in self.client.items(running):
            if pod["metadata"].get("annotations", {}).get(DURATION) == f"{ENDLESS}s":
                self._end(pod)

    def end_all(self, queue: str, succeeded: int) -> None:
        """Let endless Jobs of this namespace succeed as they come to run, until so many Jobs of the queue have."""

        def check() -> bool:
            self.end_running()
            jobs = self.status(queue)["jobs"]
            assert jobs["succeeded"] == succeeded, jobs
            return True

        eventually(check)

    def fill(self, queue: str, places: int) -> int:
        """Use up the limit of an empty queue for certain, with Jobs that then succeed; return how many they were."""
        self.jobs(places, queue, prefix=f"fill-{queue}", seconds=ENDLESS)
        self.until(queue, active=places)
        self.end_all(queue, places)
        return places

    def _end(self, pod: Json) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        self.client.patch(path, {"status": {"phase": "Succeeded"}})

    def why_refused(self, queue: str, **options: Any) -> str:
        """Return why a Job created now would be refused; empty if it would not."""
        try:
            self.client.create(f"{self.jobs_path}?dryRun=All", self.job_body("probe", queue, **options))
        except RefusedError as error:
            return error.message
        return ""

    def refuses(self, queue: str, *parts: str) -> str:
        """Wait until the API server refuses Jobs of a queue with a message that has these parts, and return it."""

        def check() -> str:
            message = self.why_refused(queue)
            assert message, "a Job is accepted"
            assert all(part in message for part in parts), message
            return message

        return eventually(check)

    def accepts(self, queue: str) -> None:
        """Wait until the API server lets Jobs into a queue."""
        eventually(lambda: not self.why_refused(queue))

    def pods(self, job: str) -> list[Json]:
        path = f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=batch.kubernetes.io/job-name%3D{job}"
        return self.client.items(path)

    def get_job(self, name: str) -> Json:
        return self.client.get(f"{self.jobs_path}/{name}")

    def all_jobs(self) -> list[Json]:
        return self.client.items(self.jobs_path)

    def events_on(self, name: str, *, reason: str = "") -> list[Json]:
        """Return Headgate's events on an object of this namespace, or on one that has none, of a reason if given."""
        events = [
            event
            for namespace in (self.namespace, "default")
            for event in self.client.items(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")
        ]
        return [
            event
            for event in events
            if event.get("reportingController") == "headgate.dev"
            and event["regarding"]["name"] == name
            and (not reason or event["reason"] == reason)
        ]


def condition(status: Json, kind: str) -> Json:
    """Return a condition from a status; a KeyError where it is not there yet."""
    return dict({c["type"]: c for c in status["conditions"]}[kind])


def next_second() -> None:
    """Wait for the API server's clock, which creation times are of, to show another second."""
    time.sleep(1.0 - time.time() % 1.0 + 0.05)


def eventually(question: Callable[[], T], *, within: float = PATIENCE, every: float = 0.1) -> T:
    """Ask until the answer is truthy and return it; the last answer, or error, is in the failure."""
    began = time.monotonic()
    answer: T | None
    problem: Exception | None
    while True:
        try:
            answer, problem = question(), None
            if answer:
                return answer
        except (RefusedError, AssertionError, KeyError, urllib3.exceptions.HTTPError) as error:
            answer, problem = None, error
        waited = time.monotonic() - began
        if waited > within:
            raise AssertionError(f"not within {within} s; last answer: {answer!r}, last error: {problem!r}")
        # What takes longer is asked for less often: there are other tests that need the API server.
        time.sleep(every if waited < 2 else 2 * every)
