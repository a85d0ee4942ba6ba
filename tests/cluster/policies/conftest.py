"""Queues with their bindings, and the Lease, while no operator runs."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.policies.support import POOL, Api, Kubectl, eventually, job, pool, queue, set_depth

from headgate.admission.bindings import bindings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeQueue = Callable[..., str]


@pytest.fixture(scope="session")
def fence(control_plane: object, kubectl: Kubectl) -> dict[str, str]:
    """The Lease that the fencing policy looks at, and the prefix of the policies."""
    found = json.loads(kubectl("get", "validatingadmissionpolicybindings", "-o", "json").stdout)["items"]
    (binding,) = [b for b in found if b["metadata"]["name"].endswith("-job-fence")]
    reference = binding["spec"]["paramRef"]
    return {
        "name": reference["name"],
        "namespace": reference["namespace"],
        "prefix": binding["spec"]["policyName"].removesuffix("-job-fence"),
    }


@pytest.fixture
def api(control_plane: object, kubectl: Kubectl, namespace: str) -> Api:
    return Api(kubectl, namespace)


@pytest.fixture
def make_queue(api: Api, kubectl: Kubectl, fence: dict[str, str]) -> Iterator[Callable[..., str]]:
    """Make queues that are in effect, and delete them afterwards."""
    made: list[str] = []

    def make(**spec: Any) -> str:
        name = f"q-{uuid.uuid4().hex[:8]}"
        eventually(lambda: api.send("create", queue(name, **spec)).accepted())
        made.append(name)
        made_queue = api.get("jobqueue", name)
        uid, of_pool = made_queue["metadata"]["uid"], made_queue["spec"]["pool"]
        api.send("create", *bindings_for(name, uid, of_pool, policy_prefix=fence["prefix"])).accepted()

        def in_effect() -> None:
            # All bindings must be known. The probe shows the mutating ones; a full queue shows the validating ones.
            labels = (
                api.create(job("probe", queue=name), dry_run=True).accepted().object["metadata"]["labels"]
            )
            assert POOL in labels

        if spec.get("state", "Active") == "Active":
            set_depth(api, name, 2**31)
            eventually(lambda: api.create(job("probe", queue=name), dry_run=True).refused("is full"))
            set_depth(api, name, 0)
            eventually(in_effect)
        return name

    yield make
    for name in made:
        if kubectl("get", "jobqueue", name, "--ignore-not-found").stdout:
            set_depth(api, name, 0)
            kubectl("delete", "jobqueue", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def make_pool(api: Api, kubectl: Kubectl) -> Iterator[Callable[..., str]]:
    """Make pools, and delete them afterwards."""
    made: list[str] = []

    def make(*clusters: dict[str, Any]) -> str:
        name = f"p-{uuid.uuid4().hex[:8]}"
        api.create(pool(name, *clusters)).accepted()
        made.append(name)
        return name

    yield make
    for name in made:
        api.patch(
            "clusterpool", name, {"status": {"queues": 0}}, options=("--subresource=status",)
        ).accepted()
        kubectl("delete", "clusterpool", name, "--wait=false")


@pytest.fixture
def set_term(kubectl: Kubectl, fence: dict[str, str]) -> Callable[[int | None], None]:
    """Set the Lease's term, as a replica that takes over does."""

    def change(term: int | None) -> None:
        kubectl("create", "namespace", fence["namespace"], check=False)
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": fence["name"], "namespace": fence["namespace"]},
            "spec": {"holderIdentity": "test", **({} if term is None else {"leaseTransitions": term})},
        }
        kubectl("delete", "lease", fence["name"], "-n", fence["namespace"], "--ignore-not-found")
        kubectl("create", "-f", "-", input=json.dumps(lease))

    return change
