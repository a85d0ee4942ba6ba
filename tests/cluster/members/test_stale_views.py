"""A process whose view is old, because it was frozen or its watch is behind, does no harm to copies.

Here the watches are the test's: it tells `Proxies` what they would have said a while ago, over a hub and a member that
are further on.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any

import pytest

from headgate.api.names import MANAGED_BY
from headgate.engine.engine import Engine
from headgate.kube.client import Api
from headgate.kube.events import EventRecorder
from headgate.members.copies import copy_of
from headgate.members.proxies import Proxies
from headgate.telemetry.metrics import Metrics
from tests.builders import a_pool
from tests.cluster.harness.client import PATIENCE, RefusedError, User
from tests.cluster.harness.copies import HUB, ORIGIN, ended
from tests.cluster.harness.invariants import ADMITTED_AT, CLUSTER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.members import Member

Json = dict[str, Any]

HUB_ID = "a-hub-of-this-test"


class Scene:
    """One proxy in the hub, and a member."""

    def __init__(self, hub: User, there: User) -> None:
        self.hub, self.there = hub, there
        self.seen: Json = {}
        """The proxy as the watch has told it."""

    def create_proxy(self, *, cluster: str | None = "east", admitted_at: str = "first") -> Json:
        annotations = {ADMITTED_AT: admitted_at, CLUSTER: cluster} if cluster else {}
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}}
        self.seen = self.hub.client.create(
            self.hub.jobs_path,
            {
                "metadata": {
                    "name": "it",
                    "labels": {"headgate.dev/pool": "pool"},
                    "annotations": annotations,
                },
                # Without Pods it runs until somebody ends it.
                "spec": {
                    "managedBy": MANAGED_BY,
                    "suspend": cluster is None,
                    "parallelism": 0,
                    "template": template,
                },
            },
        )
        return self.seen

    def create_copy(self) -> Json:
        return self.there.client.create(self.there.jobs_path, copy_of(self.hub.get_job("it"), HUB_ID))

    def copy(self) -> Json | None:
        try:
            return self.there.get_job("it")
        except RefusedError as error:
            if error.status != 404:
                raise
            return None


@pytest.fixture
def scene(given: User, members: dict[str, Member]) -> Scene:
    east = members["east"].admin
    east.create("/api/v1/namespaces", {"metadata": {"name": given.namespace}})
    return Scene(given, User(east, given.namespace))


@asynccontextmanager
async def working(
    site: Site, members: dict[str, Member], *told: Callable[[Proxies], None]
) -> AsyncIterator[None]:
    """Have what was told worked off, in the hub and in the member."""
    engine, metrics = Engine(), Metrics()
    engine.pool_changed(a_pool("pool", "east"))
    hub = await Api.connect(str(site.cluster.kubeconfig))
    east = await Api.connect(str(members["east"].cluster.kubeconfig))
    events = EventRecorder(hub, metrics, identity="test")
    proxies = Proxies(hub, engine, hub_id=HUB_ID, events=events, metrics=metrics, clock=time)
    proxies.join("east", "pool")
    for tell in told:
        tell(proxies)
    tasks = [
        asyncio.create_task(proxies.run()),
        asyncio.create_task(proxies.serve("east", lambda: east)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await hub.close()
        await east.close()


def job_seen(raw: Json) -> Callable[[Proxies], None]:
    return lambda proxies: proxies.job_seen(raw)


def listed(*copies: Json) -> Callable[[Proxies], None]:
    return lambda proxies: proxies.copies_listed("east", list(copies))


async def until(question: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(question):
            await asyncio.sleep(0.05)


def another_is_served(scene: Scene, proxies: Proxies) -> None:
    """Tell of a second Job, whose copy shows that the first has had its turn: names are taken in order."""
    body = {**scene.hub.get_job("it"), "status": {}}
    metadata = {"labels": body["metadata"]["labels"], "annotations": {ADMITTED_AT: "second", CLUSTER: "east"}}
    spec = {key: value for key, value in body["spec"].items() if key not in ("selector", "manualSelector")}
    spec |= {"suspend": False, "template": {"spec": body["spec"]["template"]["spec"]}}
    proxies.job_seen(
        scene.hub.client.create(
            scene.hub.jobs_path, {"metadata": {**metadata, "name": "other"}, "spec": spec}
        )
    )


def other_is_there(scene: Scene) -> bool:
    return any(job["metadata"]["name"] == "other" for job in scene.there.all_jobs())


async def test_no_copy_is_made_for_an_admission_that_is_over(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    old = scene.create_proxy()
    scene.hub.client.patch(
        f"{scene.hub.jobs_path}/it",
        {"metadata": {"annotations": {ADMITTED_AT: None, CLUSTER: None}}, "spec": {"suspend": True}},
    )
    async with working(site, members, job_seen(old), listed(), partial(another_is_served, scene)):
        await until(lambda: other_is_there(scene))
    assert scene.copy() is None


async def test_no_copy_is_made_for_a_job_that_is_gone(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    old = scene.create_proxy()
    scene.hub.client.delete(f"{scene.hub.jobs_path}/it")
    new = scene.create_proxy(cluster=None)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    async with working(site, members, job_seen(old), listed(), partial(another_is_served, scene)):
        await until(lambda: other_is_there(scene))
    assert scene.copy() is None


async def test_a_copy_of_a_later_admission_is_not_deleted(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    old = scene.create_proxy(cluster=None)
    scene.hub.client.patch(
        f"{scene.hub.jobs_path}/it",
        {"metadata": {"annotations": {ADMITTED_AT: "later", CLUSTER: "east"}}, "spec": {"suspend": False}},
    )
    copy = scene.create_copy()
    async with working(site, members, job_seen(old), listed(copy), partial(another_is_served, scene)):
        await until(lambda: other_is_there(scene))
    left = scene.copy()
    assert left is not None
    assert left["metadata"]["uid"] == copy["metadata"]["uid"]
    assert "deletionTimestamp" not in left["metadata"]


async def test_an_orphan_is_deleted_once_the_hub_has_said_so(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    scene.create_proxy()
    known = scene.create_copy()
    # Nobody has told of its Job, which is there.
    async with working(site, members, listed(known), partial(another_is_served, scene)):
        await until(lambda: other_is_there(scene))
        assert "deletionTimestamp" not in scene.there.get_job("it")["metadata"]
        await asyncio.to_thread(scene.hub.client.delete, f"{scene.hub.jobs_path}/it")
        await until(lambda: scene.copy() is None)


async def test_a_copy_that_was_made_already_is_recognized(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    proxy = scene.create_proxy()
    copy = scene.create_copy()
    # Its member's Job controller sees it.
    await until(lambda: (scene.there.get_job("it").get("status") or {}).get("startTime"))
    async with working(site, members, job_seen(proxy), listed()):
        await until(lambda: (scene.hub.get_job("it").get("status") or {}).get("startTime"))
    left = scene.there.get_job("it")
    assert left["metadata"]["uid"] == copy["metadata"]["uid"]
    assert left["metadata"]["labels"] == {HUB: HUB_ID, ORIGIN: proxy["metadata"]["uid"]}


async def test_a_job_is_not_ended_because_a_list_lacks_its_copy(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    scene.create_proxy()
    scene.create_copy()
    started = scene.hub.client.patch(
        f"{scene.hub.jobs_path}/it/status", {"status": {"startTime": "2026-11-23T10:00:00Z"}}
    )
    await until(lambda: "ready" in (scene.there.get_job("it").get("status") or {}))
    async with working(site, members, job_seen(started), listed()):
        # It is met, and mirrored.
        await until(lambda: {"ready", "conditions"} & set(scene.hub.get_job("it")["status"]))
        assert "conditions" not in scene.hub.get_job("it")["status"]
    scene.there.client.delete(f"{scene.there.jobs_path}/it")
    await until(lambda: scene.copy() is None)
    now = scene.hub.get_job("it")
    async with working(site, members, job_seen(now), listed()):
        await until(lambda: scene.hub.get_job("it")["status"].get("conditions"))
    assert ended(scene.hub.get_job("it"))["reason"] == "CopyDeleted"
