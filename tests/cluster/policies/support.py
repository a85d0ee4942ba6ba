"""What the tests of the policies have in common: objects in one line, and waiting for the API server to notice."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

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


class Kubectl(Protocol):
    """The fixture `kubectl`."""

    def __call__(
        self,
        *args: str,
        input: str | None = None,
        check: bool = True,
        user: str = "admin",
    ) -> CompletedProcess[str]: ...


def job(
    name: str = "job",
    *,
    queue: str | None = None,
    suspend: bool | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    manager: str | None = None,
) -> dict[str, Any]:
    """Return a Job, in a queue if one is named."""
    metadata: dict[str, Any] = {"name": name}
    if queue is not None or labels:
        metadata["labels"] = {**({QUEUE: queue} if queue is not None else {}), **(labels or {})}
    if annotations:
        metadata["annotations"] = annotations
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": "1m"}}}
    spec: dict[str, Any] = {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    if suspend is not None:
        spec["suspend"] = suspend
    if manager is not None:
        spec["managedBy"] = manager
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def queue(
    name: str, *, pool: str = "default", annotations: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """Return a JobQueue without limits."""
    return {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": "JobQueue",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"pool": pool, "runConcurrency": 0, "actionConcurrency": 0, **spec},
    }


def pool(name: str, *clusters: dict[str, Any]) -> dict[str, Any]:
    """Return a ClusterPool."""
    return {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": "ClusterPool",
        "metadata": {"name": name},
        "spec": {"clusters": list(clusters)},
    }


def local(name: str) -> dict[str, Any]:
    """Return the cluster of a pool that Headgate runs in."""
    return {"name": name, "local": True}


def remote(name: str) -> dict[str, Any]:
    """Return a cluster of a pool that Headgate would reach with a kubeconfig."""
    return {"name": name, "kubeconfigSecretRef": {"namespace": "headgate-system", "name": name}}


def environment(name: str, *, pool: str = "default", **spec: Any) -> dict[str, Any]:
    """Return a ComputeEnvironment without a capacity."""
    return {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": "ComputeEnvironment",
        "metadata": {"name": name},
        "spec": {"pool": pool, "type": "OnDemand", **spec},
    }


class Api:
    """kubectl in one namespace, with objects instead of text."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self._kubectl = kubectl
        self.namespace = namespace

    def send(
        self, verb: str, *objects: dict[str, Any], user: str = "admin", options: tuple[str, ...] = ()
    ) -> Answer:
        """Create, apply or replace."""
        text = "\n---\n".join(json.dumps(o) for o in objects)
        return Answer(
            self._kubectl(verb, "-n", self.namespace, "-f", "-", *options, input=text, check=False, user=user)
        )

    def create(self, *objects: dict[str, Any], user: str = "admin", dry_run: bool = False) -> Answer:
        return self.send(
            "create", *objects, user=user, options=("-o", "json", *(["--dry-run=server"] * dry_run))
        )

    def patch(
        self,
        kind: str,
        name: str,
        change: dict[str, Any],
        *,
        user: str = "admin",
        options: tuple[str, ...] = (),
    ) -> Answer:
        arguments = ("patch", kind, name, "-n", self.namespace, "--type=merge", "-p", json.dumps(change))
        return Answer(self._kubectl(*arguments, *options, check=False, user=user))

    def delete(self, kind: str, name: str, *, user: str = "admin", dry_run: bool = False) -> Answer:
        options = ["--dry-run=server"] if dry_run else ["--wait=false"]
        return Answer(
            self._kubectl("delete", kind, name, "-n", self.namespace, *options, check=False, user=user)
        )

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self._kubectl("get", kind, name, "-n", self.namespace, "-o", "json").stdout
        )
        return found

    def annotations(self, kind: str, name: str) -> dict[str, str]:
        found: dict[str, str] = self.get(kind, name)["metadata"].get("annotations", {})
        return found

    def suspended(self, name: str) -> bool:
        return bool(self.get("job", name)["spec"]["suspend"])

    def admit(self, name: str, *, term: str, user: str = "admin", options: tuple[str, ...] = ()) -> Answer:
        """Do what the operator does when it lets a Job through."""
        annotations = {
            ADMITTED_AT: "2026-01-01T00:00:00.000001Z",
            TERM: term,
            CLUSTER: "local",
        }
        change = {"metadata": {"annotations": annotations}, "spec": {"suspend": False}}
        return self.patch("job", name, change, user=user, options=options)


class Answer:
    """What the API server answered."""

    def __init__(self, result: CompletedProcess[str]) -> None:
        self.ok = result.returncode == 0
        self.message = result.stderr
        self._output = result.stdout

    @property
    def object(self) -> dict[str, Any]:
        """The object in the answer."""
        found: dict[str, Any] = json.loads(self._output)
        return found

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


def eventually(check: Callable[[], object], *, seconds: float = 30) -> None:
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
    api.patch("jobqueue", name, change, options=("--subresource=status",)).accepted()


def set_shares(api: Api, name: str, shares: list[dict[str, Any]]) -> None:
    """Write the status as the operator would."""
    api.patch("jobqueue", name, {"status": {"shares": shares}}, options=("--subresource=status",)).accepted()
