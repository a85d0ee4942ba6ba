"""A hub and a member over which the test itself tells what watches say: `Proxies` without an operator around it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import time
from typing import TYPE_CHECKING, Any

from headgate.api.names import MANAGED_BY
from headgate.engine.engine import Engine
from headgate.kube.client import Api
from headgate.kube.events import EventRecorder
from headgate.members.copies import copy_of
from headgate.members.proxies import Proxies
from headgate.telemetry.metrics import Metrics
from tests.builders import a_pool
from tests.cluster.harness.client import PATIENCE, RefusedError, User
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


@asynccontextmanager
async def working(
    site: Site, members: dict[str, Member], *told: Callable[[Proxies], None], user: str = "admin"
) -> AsyncIterator[Proxies]:
    """Have what was told worked off, in the hub and in the member; `user` is who Headgate is in the hub."""
    engine, metrics = Engine(), Metrics()
    engine.pool_changed(a_pool("pool", "east"))
    hub = await Api.connect(str(site.cluster.kubeconfig_for(user)))
    east = await Api.connect(str(members["east"].cluster.kubeconfig))
    events = EventRecorder(hub, metrics, identity="test")
    proxies = Proxies(hub, engine, hub_id=HUB_ID, events=events, metrics=metrics, clock=time)
    proxies.join("east", "pool")
    for tell in told:
        tell(proxies)
    tasks = [
        asyncio.create_task(proxies.run()),
        asyncio.create_task(proxies.serve("east", lambda: east)),
        asyncio.create_task(events.run()),
    ]
    try:
        yield proxies
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await hub.close()
        await east.close()


def job_seen(raw: Json) -> Callable[[Proxies], None]:
    return lambda proxies: proxies.job_seen(raw)


def listed(*copies: Json, anew: bool = False) -> Callable[[Proxies], None]:
    return lambda proxies: proxies.copies_listed("east", list(copies), anew=anew)


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
