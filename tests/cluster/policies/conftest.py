"""Queues with their bindings, and the Lease, while no operator runs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.harness.client import RefusedError
from tests.cluster.harness.cluster import VALIDATING
from tests.cluster.policies.support import POOL, Api, eventually, job, pool, queue, set_depth

from headgate.admission.bindings import bindings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.client import Client
    from tests.cluster.harness.cluster import Site

    MakeQueue = Callable[..., str]


@pytest.fixture(scope="session")
def fence(site: Site) -> dict[str, str]:
    """The Lease that the fencing policy looks at, and the prefix of the policies."""
    found = site.admin.items(VALIDATING)
    (binding,) = [b for b in found if b["metadata"]["name"].endswith("-job-fence")]
    reference = binding["spec"]["paramRef"]
    return {
        "name": reference["name"],
        "namespace": reference["namespace"],
        "prefix": binding["spec"]["policyName"].removesuffix("-job-fence"),
    }


@pytest.fixture(scope="session")
def clients(site: Site) -> dict[str, Client]:
    return {user: site.client_of(user) for user in ("admin", "alice", "bob")}


@pytest.fixture
def api(site: Site, clients: dict[str, Client], namespace: str) -> Api:
    return Api(site, clients, namespace)


@pytest.fixture
def make_queue(
    api: Api, fence: dict[str, str], make_pool: Callable[..., str]
) -> Iterator[Callable[..., str]]:
    """Make queues that are in effect, and delete them afterwards, before pools."""
    made: list[str] = []

    def make(**spec: Any) -> str:
        name = f"q-{uuid.uuid4().hex[:8]}"
        eventually(lambda: api.create(queue(name, **spec)).accepted())
        made.append(name)
        made_queue = api.get("jobqueue", name)
        uid, of_pool = made_queue["metadata"]["uid"], made_queue["spec"]["pool"]
        for binding in bindings_for(name, uid, of_pool, policy_prefix=fence["prefix"]):
            api.create(binding).accepted()

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
        if api.exists("jobqueue", name):
            set_depth(api, name, 0)
            api.delete("jobqueue", name).accepted()


@pytest.fixture
def make_pool(api: Api) -> Iterator[Callable[..., str]]:
    """Make pools, and delete them afterwards."""
    made: list[str] = []

    def make(*clusters: dict[str, Any]) -> str:
        name = f"p-{uuid.uuid4().hex[:8]}"
        api.create(pool(name, *clusters)).accepted()
        made.append(name)
        return name

    yield make
    for name in made:
        eventually(lambda: api.delete("clusterpool", name).accepted())  # noqa: B023 - called at once


@pytest.fixture
def set_term(site: Site, fence: dict[str, str]) -> Callable[[int | None], None]:
    """Set the Lease's term, as a replica that takes over does; None removes it."""
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{fence['namespace']}/leases"

    def change(term: int | None) -> None:
        # Not deleted and made anew: while the API server knows of no Lease, nobody may change a queued Job.
        spec = {"holderIdentity": "test", "leaseTransitions": term}
        try:
            site.admin.patch(f"{leases}/{fence['name']}", {"spec": spec})
        except RefusedError as error:
            if error.status != 404:
                raise
            site.admin.create(leases, {"metadata": {"name": fence["name"]}, "spec": spec})

    return change
