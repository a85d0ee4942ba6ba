"""One control plane for the session, a namespace for each test, and a witness over each of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from controlplane import ClusterAccess, from_environment
from tests.cluster.harness.client import ENVIRONMENTS, JOBS, PATIENCE, QUEUES, Client, User, eventually
from tests.cluster.harness.cluster import Helm, Kubectl, Site, helm_for, install
from tests.cluster.harness.invariants import QUEUE, miscounted, recount
from tests.cluster.harness.witness import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.operator import OperatorProcess
    from tests.cluster.harness.recorder import Recorder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            # What a test leaves open is found when memory is cleared: in a later test, which is not to blame.
            item.add_marker(pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def bare_control_plane() -> Iterator[ClusterAccess]:
    """A control plane without Headgate."""
    with from_environment(audit=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def control_plane(bare_control_plane: ClusterAccess) -> ClusterAccess:
    """A control plane with all of the chart but its Pods."""
    install(bare_control_plane)
    Site(bare_control_plane).provide_lease()
    return bare_control_plane


@pytest.fixture(scope="session")
def site(control_plane: ClusterAccess) -> Site:
    """The session's control plane, and what tests do with it."""
    return Site(control_plane)


@pytest.fixture(scope="session")
def kubectl(site: Site) -> Kubectl:
    return site.kubectl


@pytest.fixture(scope="session")
def helm(control_plane: ClusterAccess) -> Helm:
    return helm_for(control_plane)


@pytest.fixture(scope="session")
def admin(site: Site) -> Client:
    return site.admin


@pytest.fixture
def namespace(site: Site) -> str:
    """A fresh namespace in which alice and bob may edit."""
    return site.namespace()


@pytest.fixture
def given(admin: Client, namespace: str) -> User:
    """The test's own namespace, with an administrator's rights."""
    return User(admin, namespace)


@pytest.fixture
def recorder(site: Site) -> Iterator[Recorder]:
    """The witness; what it saw is checked when the test is done."""
    with watched(site.recorder()) as witness:
        yield witness


@pytest.fixture(scope="session")
def operator_arguments() -> tuple[str, ...]:
    """What operators are started with besides."""
    return ()


@pytest.fixture
def replicas(
    site: Site, tmp_path: Path, recorder: Recorder, operator_arguments: tuple[str, ...]
) -> Iterator[Callable[..., OperatorProcess]]:
    """Make operator processes; none of them outlives the test."""
    made: list[OperatorProcess] = []
    site.free_lease()

    def make(name: str = "operator", **options: Any) -> OperatorProcess:
        arguments = (*operator_arguments, *options.pop("arguments", ()))
        made.append(site.operator(tmp_path, name, arguments=arguments, **options))
        return made[-1].start()

    yield make
    for process in made:
        process.stop()


@pytest.fixture(scope="module")
def operator(
    site: Site, tmp_path_factory: pytest.TempPathFactory, operator_arguments: tuple[str, ...]
) -> Iterator[OperatorProcess]:
    """An operator that leads, one for all tests of a file; it has to end well."""
    site.free_lease()
    process = site.operator(tmp_path_factory.mktemp("operator"), arguments=operator_arguments).start()
    try:
        yield process.wait_until_leading()
    finally:
        code = process.stop()
    assert code == 0, process.log.read_text()[-4000:]
    assert "Traceback" not in process.log.read_text()


@pytest.fixture
def settled(admin: Client) -> Callable[..., dict[str, Any]]:
    """Wait until a queue's status equals a recount from fresh lists, and return the status."""

    def check(queue: str) -> dict[str, Any]:
        body = admin.get(f"{QUEUES}/{queue}")
        jobs = admin.items(f"{JOBS}?labelSelector={QUEUE}%3D{queue}")
        status = body.get("status") or {}
        counted = recount(jobs, queue)
        assert status["jobs"] == counted, f"status {status['jobs']}, recount {counted}"
        assert status["observedGeneration"] == body["metadata"]["generation"]
        for one in status.get("computeEnvironments") or ():
            environment = admin.get(f"{ENVIRONMENTS}/{one['name']}")
            wrong = miscounted(environment.get("status") or {}, admin.items(JOBS), one["name"])
            assert not wrong, wrong
        return dict(status)

    return lambda queue, within=PATIENCE: eventually(lambda: check(queue), within=within)
