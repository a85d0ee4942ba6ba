"""What the tests of the policies have in common: objects in one line, and waiting for the API server to notice."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from tests.cluster.harness.client import ENVIRONMENTS, MERGE, PATIENCE, POOLS, QUEUES, RefusedError
from tests.cluster.harness.cluster import MUTATING, VALIDATING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.harness.client import Client
    from tests.cluster.harness.cluster import Site

Json = dict[str, Any]

QUEUE = "headgate.dev/queue"
POOL = "headgate.dev/pool"
SUBMITTED_BY = "headgate.dev/submitted-by"
ADMITTED_AT = "headgate.dev/admitted-at"
TERM = "headgate.dev/term"
CLUSTER = "headgate.dev/cluster"
ENVIRONMENT = "headgate.dev/compute-environment"
PLACEMENT = "headgate.dev/placement"
REQUEUED_FROM = "headgate.dev/requeued-from"
DISPATCHER = "headgate.dev/dispatcher"


def job(
    name: str = "job",
    *,
    queue: str | None = None,
    suspend: bool | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    manager: str | None = None,
) -> Json:
    """Return a Job, in a queue if one is named."""
    metadata: Json = {"name": name}
    if queue is not None or labels:
        metadata["labels"] = {**({QUEUE: queue} if queue is not None else {}), **(labels or {})}
    if annotations:
        metadata["annotations"] = annotations
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": "1m"}}}
    spec: Json = {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    if suspend is not None:
        spec["suspend"] = suspend
    if manager is not None:
        spec["managedBy"] = manager
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def queue(
    name: str, *, pool: str = "default", annotations: dict[str, str] | None = None, **spec: Any
) -> Json:
    """Return a JobQueue without limits."""
    return {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": "JobQueue",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"pool": pool, "runConcurrency": 0, "actionConcurrency": 0, **spec},
    }


def pool(name: str, *clusters: Json) -> Json:
    """Return a ClusterPool."""
    return {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": "ClusterPool",
        "metadata": {"name": name},
        "spec": {"clusters": list(clusters)},
    }


def local(name: str) -> Json:
    """Return the cluster of a pool that Headgate runs in."""
    return {"name": name, "local": True}


def remote(name: str) -> Json:
    """Return a cluster of a pool that Headgate would reach with a kubeconfig."""
    return {"name": name, "kubeconfigSecretRef": {"namespace": "headgate-system", "name": name}}


def environment(name: str, *, pool: str = "default", **spec: Any) -> Json:
    """Return a ComputeEnvironment without a capacity."""
    return {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": "ComputeEnvironment",
        "metadata": {"name": name},
        "spec": {"pool": pool, "type": "OnDemand", **spec},
    }


PATHS = {
    "job": "/apis/batch/v1/namespaces/{}/jobs",
    "jobqueue": QUEUES,
    "clusterpool": POOLS,
    "computeenvironment": ENVIRONMENTS,
    "validatingadmissionpolicybinding": VALIDATING,
    "mutatingadmissionpolicybinding": MUTATING,
}


class Api:
    """The API in one namespace, as several users see it; what is refused is an answer, and no exception."""

    def __init__(self, site: Site, clients: dict[str, Client], namespace: str) -> None:
        self._kubectl = site.kubectl
        self._clients = clients
        self.namespace = namespace

    def send(self, verb: str, body: Json, *, user: str = "admin", options: tuple[str, ...] = ()) -> Answer:
        """Apply or replace as kubectl does."""
        arguments = (verb, "-n", self.namespace, "-f", "-", *options)
        done = self._kubectl(*arguments, input=json.dumps(body), check=False, user=user)
        return Answer(done.returncode == 0, done.stderr)

    def create(self, body: Json, *, user: str = "admin", dry_run: bool = False) -> Answer:
        return self._call("POST", self._path(body["kind"].lower()), body, user=user, dry_run=dry_run)

    def patch(
        self,
        kind: str,
        name: str,
        change: Json | list[Json],
        *,
        user: str = "admin",
        subresource: str | None = None,
        dry_run: bool = False,
        content_type: str = MERGE,
    ) -> Answer:
        path = self._path(kind, name) + (f"/{subresource}" if subresource else "")
        return self._call("PATCH", path, change, user=user, dry_run=dry_run, content_type=content_type)

    def put(self, body: Json, *, user: str = "admin", subresource: str | None = None) -> Answer:
        path = self._path(body["kind"].lower(), body["metadata"]["name"])
        return self._call("PUT", path + (f"/{subresource}" if subresource else ""), body, user=user)

    def delete(self, kind: str, name: str, *, user: str = "admin", dry_run: bool = False) -> Answer:
        # What is in the body goes before what is in the query.
        options = {"propagationPolicy": "Background", "dryRun": ["All"] * dry_run}
        return self._call("DELETE", self._path(kind, name), options, user=user)

    def delete_all(self, kind: str, label: str, *, user: str = "admin", dry_run: bool = False) -> Answer:
        """Delete all that have a label by one request."""
        path = f"{self._path(kind)}?labelSelector={quote(label)}"
        return self._call("DELETE", path, {"dryRun": ["All"] * dry_run}, user=user)

    def get(self, kind: str, name: str) -> Json:
        return self._call("GET", self._path(kind, name)).accepted().object

    def exists(self, kind: str, name: str) -> bool:
        return self._call("GET", self._path(kind, name)).ok

    def _path(self, kind: str, name: str = "") -> str:
        return PATHS[kind].format(self.namespace) + (f"/{name}" if name else "")

    def _call(
        self,
        method: str,
        path: str,
        body: Json | list[Json] | None = None,
        *,
        user: str = "admin",
        dry_run: bool = False,
        content_type: str = "application/json",
    ) -> Answer:
        path += "?dryRun=All" * dry_run
        try:
            return Answer(True, "", self._clients[user].call(method, path, body, content_type=content_type))
        except RefusedError as error:
            return Answer(False, error.message)

    def annotations(self, kind: str, name: str) -> dict[str, str]:
        found: dict[str, str] = self.get(kind, name)["metadata"].get("annotations", {})
        return found

    def suspended(self, name: str) -> bool:
        return bool(self.get("job", name)["spec"]["suspend"])

    def admit(
        self,
        name: str,
        *,
        term: str,
        environment: str | None = None,
        pod: Json | None = None,
        user: str = "admin",
        dry_run: bool = False,
    ) -> Answer:
        """Do what the operator does when it lets a Job through; `pod` is what its environment adds."""
        annotations = {ADMITTED_AT: "2026-01-01T00:00:00.000001Z", TERM: term, CLUSTER: "local"}
        if environment is not None:
            annotations[ENVIRONMENT] = environment
        spec: Json = {"suspend": False} | ({"template": {"spec": pod}} if pod else {})
        change = {"metadata": {"annotations": annotations}, "spec": spec}
        return self.patch("job", name, change, user=user, dry_run=dry_run)

    def finish(self, name: str) -> None:
        """Cancel a Job as the operator does, and wait until the Job controller has ended it."""
        now = "2026-01-01T00:00:00Z"
        times = {"lastProbeTime": now, "lastTransitionTime": now}
        condition = {"type": "FailureTarget", "status": "True", "reason": "Canceled", "message": "", **times}

        def canceled() -> None:
            started = self.get("job", name)["status"].get("startTime", now)
            change = {"status": {"startTime": started, "conditions": [condition]}}
            self.patch("job", name, change, subresource="status").accepted()

        def finished() -> None:
            conditions = self.get("job", name)["status"]["conditions"]
            assert any(one["type"] == "Failed" for one in conditions), conditions

        eventually(canceled)  # The Job controller may start it meanwhile.
        eventually(finished)


class Answer(NamedTuple):
    """What the API server answered."""

    ok: bool
    message: str
    """Why it was refused."""
    object: Json = {}

    def accepted(self) -> Answer:
        """Fail unless it was accepted."""
        assert self.ok, self.message
        return self

    def refused(self, *parts: str) -> Answer:
        """Fail unless a policy refused it, with a message that has these parts."""
        assert not self.ok, "was accepted"
        assert "Policy" in self.message, self.message
        for part in parts:
            assert part in self.message, f"{part!r} is not in: {self.message}"
        return self


def eventually(check: Callable[[], object], *, seconds: float = PATIENCE) -> None:
    """Call until it raises no AssertionError: policies, bindings and parameters take effect after a second or so."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def set_depth(api: Api, name: str, current: int) -> None:
    """Write the status as the operator would."""
    limit = api.get("jobqueue", name)["spec"]["depth"]
    change = {"status": {"depth": {"current": current, "limit": limit}}}
    api.patch("jobqueue", name, change, subresource="status").accepted()


def set_shares(api: Api, name: str, shares: list[Json]) -> None:
    """Write the status as the operator would."""
    api.patch("jobqueue", name, {"status": {"shares": shares}}, subresource="status").accepted()
